import { createWriteStream } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Agent, fetch } from 'undici';
import { publicLookup, refusePrivateLiteral } from '#lib/server/media/download/address-guard.ts';
import type { DownloadOptions, DownloadOutcome } from '#lib/server/media/download/download.ts';

const MAX_REDIRECTS = 5;
const STALL_MS = 30_000;

/** What bounds every download. */
export interface DownloadLimits {
  readonly allowPrivate: boolean;
  readonly maxBytes: number;
}

/** The file has turned out larger than allowed on its way. */
class TooLarge extends Error {}

/** What an earlier attempt has left: its bytes, and what names the content that they are of. */
interface Part {
  readonly bytes: number;
  /** A strong ETag or a date, for `If-Range` (RFC 9110, 13.1.5). */
  readonly validator: string;
}

/**
 * Fetches a plain file, going on where an earlier attempt broke off as long as the server says that it
 * is still the same content. `page` means that the address answers with a web page. Each hop of a
 * redirect is checked like the first address.
 */
export async function fetchFile(
  url: string,
  limits: DownloadLimits,
  options: DownloadOptions,
): Promise<DownloadOutcome | { readonly kind: 'page' }> {
  const agent = new Agent({
    headersTimeout: STALL_MS,
    bodyTimeout: STALL_MS,
    ...(limits.allowPrivate ? {} : { connect: { lookup: publicLookup } }),
  });
  try {
    const partPath = path.join(options.workDir, 'file.part');
    const part = await findPart(partPath);
    const { response, finalUrl } = await request(url, part, agent, limits, options.signal);
    if (response.status === 416 && part !== null) {
      // The part is the whole file, or of another one.
      if (response.headers.get('content-range') === `bytes */${part.bytes}`)
        return { kind: 'ok', path: partPath, fileName: fileNameOf(finalUrl) };
      await rm(validatorPath(partPath), { force: true });
      throw new Error('The server can’t go on with this file; it is fetched anew.');
    }
    if (!response.ok) {
      const isLasting = response.status >= 400 && response.status < 500 && response.status !== 429;
      const message = `The server answered ${response.status}${response.statusText ? ` ${response.statusText}` : ''}.`;
      if (isLasting) return { kind: 'refused', message: `${message} Check the address.` };
      throw new Error(message);
    }
    if (/^(text\/html|application\/xhtml)/i.test(response.headers.get('content-type') ?? '')) {
      await response.body?.cancel();
      return { kind: 'page' };
    }
    const startsAt = response.status === 206 && part !== null ? part.bytes : 0;
    if (startsAt === 0) await notePart(partPath, response.headers);
    const remaining = Number(response.headers.get('content-length') ?? Number.NaN);
    if (startsAt + remaining > limits.maxBytes) return { kind: 'refused', message: tooLarge(limits) };
    let received = startsAt;
    const startedAtMs = Date.now();
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        received += chunk.length;
        if (received > limits.maxBytes) return done(new TooLarge());
        const share = received / (startsAt + remaining);
        const etaMs = Math.round(((Date.now() - startedAtMs) * (1 - share)) / Math.max(share, 1e-6));
        options.onProgress(Number.isFinite(share) ? { percent: share * 100, etaMs } : { percent: null, etaMs: null });
        done(null, chunk);
      },
    });
    if (response.body !== null) {
      const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
      await pipeline(body, counter, createWriteStream(partPath, { flags: startsAt > 0 ? 'a' : 'w' }), { signal: options.signal });
    }
    return { kind: 'ok', path: partPath, fileName: fileNameOf(finalUrl) };
  } catch (error) {
    if (error instanceof TooLarge) return { kind: 'refused', message: tooLarge(limits) };
    throw error;
  } finally {
    await agent.destroy();
  }
}

async function request(url: string, part: Part | null, agent: Agent, limits: DownloadLimits, signal: AbortSignal) {
  let current = new URL(url);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    if (!['http:', 'https:'].includes(current.protocol))
      throw new Error(`A redirect leads to ${current.protocol}, only http and https are fetched.`);
    if (!limits.allowPrivate) refusePrivateLiteral(current.hostname);
    const headers: Record<string, string> = part === null ? {} : { range: `bytes=${part.bytes}-`, 'if-range': part.validator };
    const response = await fetch(current, { dispatcher: agent, redirect: 'manual', signal, headers });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return { response, finalUrl: current };
    await response.body?.cancel();
    current = new URL(location, current);
  }
  throw new Error(`The address redirects more than ${MAX_REDIRECTS} times.`);
}

const validatorPath = (partPath: string) => `${partPath}.validator`;

/** The part of an earlier attempt, when the server has named its content so that it can be gone on with. */
async function findPart(partPath: string): Promise<Part | null> {
  const validator = await readFile(validatorPath(partPath), 'utf8').catch(() => '');
  const bytes = (await stat(partPath).catch(() => null))?.size ?? 0;
  return validator === '' || bytes === 0 ? null : { bytes, validator };
}

/** Notes what names the content that is about to be written. */
async function notePart(partPath: string, headers: { get(name: string): string | null }): Promise<void> {
  const etag = headers.get('etag');
  const validator = etag !== null && !etag.startsWith('W/') ? etag : (headers.get('last-modified') ?? '');
  await rm(partPath, { force: true });
  await writeFile(validatorPath(partPath), validator);
}

function tooLarge({ maxBytes }: DownloadLimits): string {
  return `The file is larger than ${Math.round(maxBytes / 2 ** 30)} GB, the most that is taken.`;
}

function fileNameOf(url: URL): string {
  const segment = url.pathname.split('/').findLast((part) => part !== '') ?? url.hostname;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
