import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import dns from 'node:dns';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchFile } from '#lib/server/media/download/fetch-file.ts';
import { fetchFromPage } from '#lib/server/media/download/yt-dlp.ts';
import { importUrl } from '#lib/server/features/import-video.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';

/** What a download may not reach: this server stands for everything behind the firewall. */
let inside: Server;
let asked: string[];
let port: number;
let workDir: string;
let env: TestEnvironment;
beforeAll(async () => {
  env = await openEnvironment();
  workDir = mkdtempSync(path.join(os.tmpdir(), 'heaters-outgoing-'));
  inside = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end('secret');
  });
  await new Promise<void>((resolve) => inside.listen(0, '::', resolve));
  ({ port } = inside.address() as AddressInfo);
});
afterAll(async () => {
  inside.closeAllConnections();
  inside.close();
  rmSync(workDir, { recursive: true, force: true });
  await env.close();
});
beforeEach(() => {
  asked = [];
});

const limits = { allowPrivate: false, maxBytes: 1_000_000 };
const options = () => ({ workDir, signal: AbortSignal.timeout(60_000), onProgress: () => undefined });

/** Ways to write an address of this machine or its network. */
const NOTATIONS = [
  ...['127.0.0.1', 'localhost', '127.1', '0', '0.0.0.0', '0x7f000001', '2130706433', '017700000001', '0177.0.0.1', '127.0.0.1.'],
  ...[
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '①②⑦.⓪.⓪.①',
    'LOCALHOST',
  ],
];

describe('a download', () => {
  it.each(NOTATIONS)('does not reach %s, directly or through the helper for pages', async (host) => {
    const url = `http://${host}:${port}/${encodeURIComponent(host)}`;
    const direct = await fetchFile(url, limits, options()).catch((error: Error) => error);
    expect(direct).toBeInstanceOf(Error);
    expect(asked).toEqual([]);
  });

  it('of a page reaches nothing inside, by any notation: all of its connections go through the guard', async () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '2130706433']) {
      const outcome = await fetchFromPage(`http://${host}:${port}/page.html`, limits, options());
      expect(outcome, host).toMatchObject({ kind: 'refused' });
    }
    expect(asked).toEqual([]);
  }, 120_000);

  it('of a page opens no file and no other protocol', async () => {
    for (const url of [
      'file:///etc/passwd',
      `ftp://127.0.0.1:${port}/a.mp4`,
      `rtsp://127.0.0.1:${port}/a`,
      `rtmp://127.0.0.1:${port}/a`,
      `mms://127.0.0.1:${port}/a`,
      '--exec=touch /tmp/x',
    ]) {
      expect(await fetchFromPage(url, limits, options()), url).toMatchObject({ kind: 'refused' });
    }
    expect(asked).toEqual([]);
  }, 120_000);

  it('looks a name up once, and any private address among its answers is enough to refuse it', async () => {
    // Rebinding: what is checked is what the connection is made to, for the guard is the connection's own look-up.
    const lookup = vi.spyOn(dns, 'lookup');
    const refused = await fetchFile(`http://localhost:${port}/`, limits, options()).catch((error: Error) => error);
    expect(String((refused as Error).cause ?? refused)).toContain('not on the public internet');
    expect(lookup.mock.calls.length).toBeLessThanOrEqual(1);
    expect(asked).toEqual([]);
    lookup.mockRestore();
  });

  it.each([
    'file:///etc/passwd',
    'ftp://example.com/a.mp4',
    'data:video/mp4,x',
    'http://user:secret@example.com/a.mp4',
    'http://',
    'javascript:alert(1)',
    '\0',
  ])('of %j is not even noted', async (url) => {
    const ann = { userId: 1, name: 'Ann', role: 'reviewer' } as const;
    expect(await importUrl(env.sql, ann, { url })).toMatchObject({ kind: 'refused' });
  });
});
