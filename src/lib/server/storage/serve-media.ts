import { Readable } from 'node:stream';
import { contentTypeOf } from '#lib/server/storage/content-type.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { verifyMediaUrl } from '#lib/server/storage/sign-url.ts';

/** Answers a GET or HEAD for a signed media URL as a CDN would: ranges, ETag, 403 for a bad signature. */
export async function mediaResponse(request: Request, url: URL): Promise<Response> {
  const verified = verifyMediaUrl(url);
  if (verified.kind !== 'ok') {
    return new Response(verified.kind === 'expired' ? 'This link has expired: reload the page.' : 'This link is not valid.', {
      status: 403,
    });
  }
  const stat = await objectStore().stat(verified.key);
  if (stat === null) return new Response('This file is gone: it was removed or is being made again.', { status: 404 });
  const headers = new Headers({
    'content-type': contentTypeOf(verified.key),
    'accept-ranges': 'bytes',
    etag: stat.etag,
    'cache-control': 'private, max-age=3600',
  });
  if (verified.downloadName !== null) {
    headers.set('content-disposition', `attachment; filename="clip.mp4"; filename*=UTF-8''${encodeURIComponent(verified.downloadName)}`);
  }
  if (request.headers.get('if-none-match') === stat.etag) return new Response(null, { status: 304, headers });
  const range = parseRange(request.headers.get('range'), stat.sizeBytes);
  if (range === 'unsatisfiable') {
    headers.set('content-range', `bytes */${stat.sizeBytes}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: stat.sizeBytes - 1 };
  if (range !== null) headers.set('content-range', `bytes ${start}-${end}/${stat.sizeBytes}`);
  headers.set('content-length', String(end - start + 1));
  const status = range === null ? 200 : 206;
  if (request.method === 'HEAD') return new Response(null, { status, headers });
  const stream = await objectStore().openRead(verified.key, { start, end });
  return new Response(Readable.toWeb(stream) as ReadableStream, { status, headers });
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
