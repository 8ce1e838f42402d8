import { Readable } from 'node:stream';
import { attachment } from '#lib/server/attachment.ts';
import { contentTypeOf } from '#lib/server/storage/content-type.ts';
import { objectStore, type ObjectStore } from '#lib/server/storage/object-store.ts';
import { verifyMediaUrl } from '#lib/server/storage/sign-url.ts';

/** What can be served: an object store, or a cache of files. */
export type MediaSource = Pick<ObjectStore, 'stat' | 'openRead'>;

/** The answer to a signed URL whose signature does not hold: 403, with what to do. */
export function refusedUrl({ kind }: { readonly kind: 'expired' | 'forged' }): Response {
  return new Response(kind === 'expired' ? 'This link has expired: reload the page.' : 'This link is not valid.', { status: 403 });
}

/** Answers a GET or HEAD for a signed URL of an object as a CDN would: 403 for a bad signature, ranges, ETag. */
export async function mediaResponse(request: Request, url: URL): Promise<Response> {
  const verified = verifyMediaUrl(url);
  return verified.kind === 'ok' ? fileResponse(request, objectStore(), verified) : refusedUrl(verified);
}

/** Sends a file, or the range of it that was asked for (RFC 9110, 13 and 14). What a key names never changes: it may be kept. */
export async function fileResponse(
  request: Request,
  source: MediaSource,
  { key, downloadName }: { readonly key: string; readonly downloadName: string | null },
): Promise<Response> {
  const stat = await source.stat(key);
  if (stat === null) return new Response('This file is gone: it was removed or is being made again.', { status: 404 });
  const headers = new Headers({
    'content-type': contentTypeOf(key),
    'accept-ranges': 'bytes',
    etag: stat.etag,
    'cache-control': 'private, max-age=3600, immutable',
  });
  if (downloadName !== null) headers.set('content-disposition', attachment(downloadName));
  if (namesTag(request.headers.get('if-none-match'), stat.etag)) return new Response(null, { status: 304, headers });
  // A range of another version would be glued to what the client has of this one.
  const isSameVersion = request.headers.get('if-range') === null || request.headers.get('if-range') === stat.etag;
  const range = isSameVersion ? parseRange(request.headers.get('range'), stat.sizeBytes) : null;
  if (range === 'unsatisfiable') {
    headers.set('content-range', `bytes */${stat.sizeBytes}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: stat.sizeBytes - 1 };
  if (range !== null) headers.set('content-range', `bytes ${start}-${end}/${stat.sizeBytes}`);
  headers.set('content-length', String(end - start + 1));
  const status = range === null ? 200 : 206;
  if (request.method === 'HEAD' || stat.sizeBytes === 0) return new Response(null, { status, headers });
  return new Response(Readable.toWeb(await source.openRead(key, { start, end })) as ReadableStream, { status, headers });
}

/** Whether an `If-None-Match` header names a tag: by itself, in a list, or as `*` (RFC 9110, 13.1.2). */
export function namesTag(header: string | null, etag: string): boolean {
  return (header ?? '').split(',').some((tag) => [etag, '*'].includes(tag.trim().replace(/^W\//, '')));
}

/** One byte range of a `Range` header (RFC 9110, 14.1.2); null for none or one that may be ignored. */
export function parseRange(header: string | null, sizeBytes: number): { start: number; end: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  const [, first = '', last = ''] = match;
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return start > end || start >= sizeBytes ? 'unsatisfiable' : { start, end };
}
