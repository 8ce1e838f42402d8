import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFfmpeg, runFfprobe, type FfmpegProgress } from '#lib/server/media/ffmpeg.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

/** Objects that somebody has uploaded, read by ffmpeg over HTTP: they may hold anything. */
describe('inputs over HTTP', () => {
  let env: TestEnvironment;
  let server: Server;
  let origin: string;
  let film: Buffer;
  let asked: string[];

  beforeAll(async () => {
    env = await openEnvironment();
    const filmPath = path.join(env.dataDir, 'film.mp4');
    await runFfmpeg({
      inputs: [{ path: 'testsrc2=s=320x180:r=25:d=4', options: ['-f', 'lavfi'] }],
      outputs: [{ path: filmPath, options: ['-pix_fmt', 'yuv420p', '-movflags', '+faststart'] }],
    });
    film = await readFile(filmPath);
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url === '/film.mp4') response.setHeader('content-type', 'video/mp4').end(film);
      else response.end(`#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n${origin}/inner.ts\n#EXT-X-ENDLIST\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    await env.close();
  });

  it('does not fetch what a playlist in an object names, when encoding or probing', async () => {
    asked = [];
    const progress: FfmpegProgress[] = [];
    const outputs = [{ path: path.join(env.dataDir, 'out.mp4'), options: ['-c', 'copy'] }];
    for (const name of ['original.mp4', 'original.m3u8']) {
      const input = `${origin}/${name}`;
      await expect(runFfmpeg({ inputs: [{ path: input }], outputs, onProgress: (at) => progress.push(at) })).rejects.toThrow();
      await expect(runFfprobe(input)).rejects.toThrow();
    }
    expect(asked).toContain('/original.mp4');
    expect(asked.filter((url) => url.includes('inner'))).toEqual([]);
  });

  it('says how far it is', async () => {
    asked = [];
    const progress: FfmpegProgress[] = [];
    await runFfmpeg({
      inputs: [{ path: `${origin}/film.mp4` }],
      outputs: [{ path: path.join(env.dataDir, 'copy.mp4'), options: ['-preset', 'ultrafast'] }],
      onProgress: (at) => progress.push(at),
    });
    expect(progress.at(-1)?.frames).toBe(100);
  });
});
