import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AddressRefused } from '#lib/server/media/download/address-guard.ts';
import { fetchFile, type DownloadLimits } from '#lib/server/media/download/fetch-file.ts';

let server: Server;
let workDir: string;
let handler: RequestListener;
beforeEach(async () => {
  workDir = mkdtempSync(path.join(os.tmpdir(), 'heaters-download-'));
  server = createServer((request, response) => handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(workDir, { recursive: true, force: true });
});

const url = (file = '/film.mp4') => `http://127.0.0.1:${(server.address() as AddressInfo).port}${file}`;
const fetchIt = (from = url(), limits: Partial<DownloadLimits> = {}) =>
  fetchFile(
    from,
    { allowPrivate: true, maxBytes: 1_000_000, ...limits },
    { workDir, signal: new AbortController().signal, onProgress: () => undefined },
  );
const content = async (...args: Parameters<typeof fetchIt>) => {
  const outcome = await fetchIt(...args);
  return outcome.kind === 'ok' ? readFileSync(outcome.path, 'utf8') : outcome;
};

/** Serves `text` with ranges; the first answer breaks off after `breakAfter` bytes. */
function serve(texts: readonly { text: string; etag: string }[], breakAfter: number): { ranges: (string | undefined)[] } {
  const seen: (string | undefined)[] = [];
  handler = (request, response) => {
    const { text, etag } = texts[Math.min(seen.length, texts.length - 1)]!;
    const { range, 'if-range': ifRange } = request.headers;
    seen.push(range);
    const from = range !== undefined && ifRange === etag ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
    if (from >= text.length) return void response.writeHead(416, { 'content-range': `bytes */${text.length}` }).end();
    response.writeHead(from > 0 ? 206 : 200, { etag, 'content-length': text.length - from, 'content-type': 'video/mp4' });
    if (seen.length > 1) return void response.end(text.slice(from));
    response.write(text.slice(0, breakAfter), () => setTimeout(() => response.destroy(), 50));
  };
  return { ranges: seen };
}

describe('a download', () => {
  it('goes on where it broke off', async () => {
    const { ranges } = serve([{ text: 'abcdefghij', etag: '"1"' }], 4);
    await expect(fetchIt()).rejects.toThrow();
    expect(await content()).toBe('abcdefghij');
    expect(ranges).toEqual([undefined, 'bytes=4-']);
  });

  it('begins anew when the file has changed meanwhile, and never mixes two', async () => {
    const before = { text: 'abcdefghij', etag: '"1"' };
    serve([before, { text: 'ABCDEFGHIJKL', etag: '"2"' }], 4);
    await expect(fetchIt()).rejects.toThrow();
    expect(await content()).toBe('ABCDEFGHIJKL');
  });

  it('begins anew when the server has named the content only weakly', async () => {
    const { ranges } = serve([{ text: 'abcdefghij', etag: 'W/"1"' }], 4);
    await expect(fetchIt()).rejects.toThrow();
    expect(await content()).toBe('abcdefghij');
    expect(ranges).toEqual([undefined, undefined]);
  });

  it('that was whole already is taken as it is', async () => {
    serve([{ text: 'abcdefghij', etag: '"1"' }], 10);
    handler = (
      (serving) => (request, response) =>
        serving(request, response)
    )(handler);
    await content().catch(() => undefined);
    expect(await content()).toBe('abcdefghij');
  });

  it('is refused when it says or turns out to be too large, by what is missing, and for good', async () => {
    handler = (_request, response) => void response.writeHead(200, { 'content-length': 5_000 }).end('x'.repeat(5_000));
    expect(await content(url(), { maxBytes: 1_000 })).toMatchObject({ kind: 'refused', message: expect.stringContaining('larger than') });
    handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4' });
      for (let piece = 0; piece < 50; piece += 1) response.write('x'.repeat(100));
      response.end();
    };
    expect(await content(url(), { maxBytes: 1_000 })).toMatchObject({ kind: 'refused', message: expect.stringContaining('larger than') });
    handler = (_request, response) => void response.writeHead(404).end();
    expect(await content()).toEqual({ kind: 'refused', message: 'The server answered 404 Not Found. Check the address.' });
    handler = (_request, response) => void response.writeHead(503).end();
    await expect(fetchIt()).rejects.toThrow('503');
  });

  it('of a page is left to those who know pages, and its name comes from the last address', async () => {
    handler = (_request, response) => void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>');
    expect(await content()).toEqual({ kind: 'page' });
    handler = (request, response) =>
      request.url === '/short'
        ? void response.writeHead(302, { location: '/a%20film%20%F0%9F%8E%AC.mp4' }).end()
        : void response.writeHead(200).end('film');
    expect(await fetchIt(url('/short'))).toMatchObject({ kind: 'ok', fileName: 'a film 🎬.mp4' });
  });

  it('does not follow to other protocols or without end', async () => {
    handler = (_request, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    await expect(fetchIt()).rejects.toThrow('only http and https');
    handler = (_request, response) => void response.writeHead(302, { location: '/again' }).end();
    await expect(fetchIt()).rejects.toThrow('redirects more than 5 times');
  });

  it('from a private address is refused, whether written, named or reached by a redirect', async () => {
    handler = (_request, response) => void response.writeHead(200).end('secret');
    const { port } = new URL(url());
    for (const host of ['127.0.0.1', 'localhost', '0x7f.1', '[::1]', '169.254.169.254']) {
      const refusal = await fetchIt(`http://${host}:${port}/`, { allowPrivate: false }).catch((error: unknown) => error);
      expect(
        [refusal, (refusal as Error).cause].some((error) => error instanceof AddressRefused),
        host,
      ).toBe(true);
    }
  });
});
