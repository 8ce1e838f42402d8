import { createECDH, createPrivateKey, createPublicKey, createVerify, hkdfSync, type KeyObject } from 'node:crypto';
import { getSignedUrl } from '@aws-sdk/cloudfront-signer';
import { config } from '#lib/server/config.ts';

const LOCAL_KEY_PAIR_ID = 'LOCAL';

/** What a media URL says, once its signature is known to be ours. */
export type VerifiedUrl =
  | { readonly kind: 'ok'; readonly key: string; readonly downloadName: string | null }
  | { readonly kind: 'expired' }
  | { readonly kind: 'forged' };

/**
 * A CloudFront-signed URL of an object, good for `ttlMs` and up to half as long again. With
 * `downloadName` the browser saves the file under that name. Without a distribution the app plays
 * the CDN under `/media/`.
 */
export function signMediaUrl(key: string, options: { readonly ttlMs: number; readonly downloadName?: string }): string {
  const { cloudFront, origin } = config();
  const url = new URL((cloudFront === null ? `${origin}/media/` : `https://${cloudFront.domain}/`) + encodePath(key));
  if (options.downloadName !== undefined) url.searchParams.set('download', options.downloadName);
  return sign(url, expiryFor(options.ttlMs), cloudFront ?? localSigner());
}

/** A URL of a file in the playback cache of one machine, signed in the same way: only the app has that file, no CDN. */
export function signPlaybackUrl(
  cacheId: string,
  key: string,
  { ttlMs }: { readonly ttlMs: number },
): { readonly url: string; readonly validMs: number } {
  const expiresAtMs = expiryFor(ttlMs);
  const url = new URL(`${config().origin}/playback/${encodePath(`${cacheId}/${key}`)}`);
  return { url: sign(url, expiresAtMs, localSigner()), validMs: expiresAtMs - Date.now() };
}

// Rounded up, so that within a while a file has one URL, which the browser's cache knows again.
function expiryFor(ttlMs: number): number {
  const stepMs = ttlMs / 2;
  return Math.ceil((Date.now() + ttlMs) / stepMs) * stepMs;
}

const MOST_KEPT = 2_000;
const signedLately = new Map<string, string>();

// An ECDSA signature is another one each time: those given lately are given again.
function sign(url: URL, expiresAtMs: number, signer: { readonly keyPairId: string; readonly privateKey: string }): string {
  const name = `${expiresAtMs} ${url.href}`;
  let signed = signedLately.get(name);
  if (signed === undefined) {
    const { keyPairId, privateKey } = signer;
    signed = getSignedUrl({ url: url.href, keyPairId, privateKey, dateLessThan: new Date(expiresAtMs).toISOString() });
    if (signedLately.size >= MOST_KEPT) signedLately.clear();
    signedLately.set(name, signed);
  }
  return signed;
}

function encodePath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}

/**
 * Checks a URL of ours as CloudFront does: the canned policy of the URL without its signature parameters,
 * signed over SHA-1 with a key that may be RSA or ECDSA. Its key is what follows the first part of the path.
 * Source: Amazon CloudFront developer guide, “Signed URLs using a canned policy”.
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
  if (!createVerify('SHA1').update(policy).verify(createPublicKey(localKey()), bytes)) return { kind: 'forged' };
  if (Number(expires) * 1000 < Date.now()) return { kind: 'expired' };
  const key = url.pathname.split('/').slice(2).map(decodeURIComponent).join('/');
  return { kind: 'ok', key, downloadName: url.searchParams.get('download') };
}

let cachedKey: KeyObject | undefined;

/**
 * The key of the local CDN: the P-256 key whose private number follows from SECRET_KEY_BASE, so that all
 * machines of the app have the same one and no file holds it. (A number beyond the curve's order comes up
 * once in 2^32 secrets; ECDH then refuses it, and the secret has to be another one.)
 */
function localKey(): KeyObject {
  if (cachedKey === undefined) {
    const secret = Buffer.from(hkdfSync('sha256', config().secretKeyBase, '', 'local CDN', 32));
    const pair = createECDH('prime256v1');
    pair.setPrivateKey(secret);
    const point = pair.getPublicKey();
    const [d, x, y] = [secret, point.subarray(1, 33), point.subarray(33)].map((bytes) => bytes.toString('base64url')) as [
      string,
      string,
      string,
    ];
    cachedKey = createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', d, x, y } });
  }
  return cachedKey;
}

function localSigner(): { readonly keyPairId: string; readonly privateKey: string } {
  return { keyPairId: LOCAL_KEY_PAIR_ID, privateKey: localKey().export({ type: 'pkcs8', format: 'pem' }) as string };
}
