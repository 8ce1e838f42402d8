import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { getSignedUrl } from '@aws-sdk/cloudfront-signer';
import { config } from '#lib/server/config.ts';

const LOCAL_KEY_PAIR_ID = 'LOCAL';

/** What a media URL says, once its signature is known to be ours. */
export type VerifiedUrl =
  | { readonly kind: 'ok'; readonly key: string; readonly downloadName: string | null }
  | { readonly kind: 'expired' }
  | { readonly kind: 'forged' };

/**
 * A CloudFront-signed URL of an object, good for `ttlMs`. With `downloadName` the browser saves
 * the file under that name. Without a distribution the app plays the CDN under `/media/`.
 */
export function signMediaUrl(key: string, options: { readonly ttlMs: number; readonly downloadName?: string }): string {
  const { cloudFront, origin } = config();
  const base = cloudFront === null ? `${origin}/media/` : `https://${cloudFront.domain}/`;
  const url = new URL(base + key.split('/').map(encodeURIComponent).join('/'));
  if (options.downloadName !== undefined) url.searchParams.set('download', options.downloadName);
  return getSignedUrl({
    url: url.href,
    keyPairId: cloudFront?.keyPairId ?? LOCAL_KEY_PAIR_ID,
    privateKey: cloudFront?.privateKey ?? localPrivateKey(),
    dateLessThan: new Date(Date.now() + options.ttlMs).toISOString(),
  });
}

/**
 * Checks a URL as CloudFront does: the canned policy of the URL without its signature parameters,
 * signed with RSA-SHA1. Source: Amazon CloudFront developer guide, “Signed URLs using a canned policy”.
 */
export function verifyMediaUrl(requested: URL): VerifiedUrl {
  const url = new URL(requested.pathname + requested.search, config().origin);
  const expires = url.searchParams.get('Expires') ?? '';
  const signature = url.searchParams.get('Signature') ?? '';
  if (!/^\d{1,12}$/.test(expires) || signature === '') return { kind: 'forged' };
  // Byte for byte what was signed: the query is cut as text, not encoded anew.
  const signedUrl = url.href.replace(/[?&](?:Expires|Signature|Key-Pair-Id|Policy)=[^&]*/g, '');
  const policy = JSON.stringify({
    Statement: [{ Resource: signedUrl, Condition: { DateLessThan: { 'AWS:EpochTime': Number(expires) } } }],
  });
  const bytes = Buffer.from(signature.replace(/-/g, '+').replace(/_/g, '=').replace(/~/g, '/'), 'base64');
  if (!createVerify('RSA-SHA1').update(policy).verify(createPublicKey(localPrivateKey()), bytes)) return { kind: 'forged' };
  if (Number(expires) * 1000 < Date.now()) return { kind: 'expired' };
  const key = url.pathname
    .replace(/^\/media\//, '')
    .split('/')
    .map(decodeURIComponent)
    .join('/');
  return { kind: 'ok', key, downloadName: url.searchParams.get('download') };
}

let localKey: string | undefined;

/** The key of the local CDN, made by whichever process needs it first. */
function localPrivateKey(): string {
  if (localKey !== undefined) return localKey;
  const file = path.join(config().dataDir, 'cdn-key.pem');
  try {
    localKey = readFileSync(file, 'utf8');
  } catch {
    mkdirSync(path.dirname(file), { recursive: true });
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    try {
      linkSync(draft, file);
    } catch {
      // Another process was first: its key is the one.
    }
    rmSync(draft);
    localKey = readFileSync(file, 'utf8');
  }
  return localKey;
}
