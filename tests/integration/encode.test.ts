import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishClipFile } from '#lib/server/media/clips.ts';
import { measureVideo, probeSource } from '#lib/server/media/probe.ts';
import { encodeVideo } from '#lib/server/pool/tasks/encode-video.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

let env: TestEnvironment;
let nextVideoId = 1;
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());

const run = promisify(execFile);
const ffmpeg = (...args: string[]) => run(process.env.FFMPEG_PATH ?? 'ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args]);
const file = (name: string) => path.join(env.dataDir, name);

async function encode(localPath: string, signal = new AbortController().signal) {
  const videoId = nextVideoId++;
  const sourceKey = `originals/${videoId}/source.mp4`;
  await objectStore().publish(sourceKey, localPath);
  return encodeVideo.run({ videoId, sourceKey }, { signal, attemptId: '1-1', report: () => undefined });
}

/** A decoded picture's digest for each frame. */
async function frameDigests(input: string, filter = 'null'): Promise<string[]> {
  const { stdout } = await run(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-loglevel', 'error', '-i', input, '-map', '0:v', '-vf', filter, '-fps_mode', 'passthrough', '-f', 'framemd5', '-'],
  ]);
  return stdout.split('\n').flatMap((line) => (/^\d/.test(line) ? [line.split(',').at(-1)!.trim()] : []));
}

describe('encoding', () => {
  it.each([
    ['29.97 with sound', ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30000/1001:d=3', '-f', 'lavfi', '-i', 'sine=d=3'], 90, true],
    ['odd dimensions', ['-f', 'lavfi', '-i', 'testsrc2=s=321x181:r=25:d=1', '-pix_fmt', 'yuv444p'], 25, false],
    ['a single frame', ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25', '-frames:v', '1'], 1, false],
  ])('keeps every frame: %s', async (name, args, frameCount, hasAudio) => {
    const source = file(`${name}.mp4`);
    await ffmpeg(...args, '-c:v', 'libx264', source);
    const encoded = await encode(source);
    expect(encoded).toMatchObject({ frameCount, hasAudio, scenes: { frameCount } });
    expect((await measureVideo(await objectStore().inputFor(encoded.masterKey))).frameCount).toBe(frameCount);
    expect((encoded.width % 2) + (encoded.height % 2)).toBe(0);
  });

  it('finds the hard cut on its frame', async () => {
    const source = file('two.mp4');
    await ffmpeg(
      ...['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=2', '-f', 'lavfi', '-i', 'mandelbrot=s=320x180:r=25', '-pix_fmt', 'yuv420p'],
      ...['-filter_complex', '[1]trim=end_frame=50,setpts=N/25/TB[b];[0][b]concat=n=2', source],
    );
    expect((await encode(source)).scenes.cuts.map((cut) => cut.frame)).toEqual([50]);
  });

  it('clips cut from the proxy have exactly their frames, at 29.97 too', async () => {
    const source = file('long.mp4');
    await ffmpeg(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=320x180:r=30000/1001:d=6',
      '-f',
      'lavfi',
      '-i',
      'sine=d=6',
      '-pix_fmt',
      'yuv420p',
      source,
    );
    const { proxyKey, frameRate, frameCount } = await encode(source);
    const whole = await frameDigests(await objectStore().inputFor(proxyKey));
    expect(whole).toHaveLength(frameCount);
    for (const [startFrame, endFrame] of [
      [0, 1],
      [0, 37],
      [1, 2],
      [13, 90],
      [89, 91],
      [101, 180],
      [179, 180],
      [44, 47],
    ] as const) {
      const key = `temp/clip-${startFrame}.mp4`;
      await publishClipFile({ proxyKey, frameRate, span: { startFrame, endFrame }, key, signal: new AbortController().signal });
      const clip = await objectStore().inputFor(key);
      expect(await frameDigests(clip)).toEqual(whole.slice(startFrame, endFrame));
      const { startSeconds, audioStartSeconds } = await measureVideo(clip);
      if (endFrame - startFrame > 2) expect(Math.abs((audioStartSeconds ?? 9) - startSeconds)).toBeLessThan(0.04);
    }
  });

  it('that is stopped leaves no file and no process', async () => {
    const source = file('stopped.mp4');
    await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=s=1280x720:r=25:d=20', '-preset', 'ultrafast', source);
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(new Error('cancelled by the test')), 1_200);
    await expect(encode(source, stopping.signal)).rejects.toThrow('cancelled by the test');
    expect(await objectStore().list(`proxies/${nextVideoId - 1}/`)).toEqual([]);
    const { stdout } = await run('ps', ['-eo', 'args']);
    expect(stdout).not.toContain(`originals/${nextVideoId - 1}/source.mp4`);
  });
});

describe('what is not a video is refused with the reason', () => {
  it.each([
    ['empty.mp4', '', /empty/],
    ['text.mp4', 'hello\n'.repeat(500), /not a video/],
  ])('%s', async (name, content, reason) => {
    await writeFile(file(name), content);
    expect(await probeSource(file(name))).toMatchObject({ kind: 'refused', reason: expect.stringMatching(reason) });
  });

  it('sound only, and a file cut short', async () => {
    await ffmpeg('-f', 'lavfi', '-i', 'sine=d=1', file('sound.m4a'));
    expect(await probeSource(file('sound.m4a'))).toMatchObject({ reason: expect.stringMatching(/no picture/) });
    await ffmpeg('-f', 'lavfi', '-i', 'testsrc2=d=1', file('whole.mp4'));
    await run('truncate', ['-s', '20000', file('whole.mp4')]);
    expect(await probeSource(file('whole.mp4'))).toMatchObject({ reason: expect.stringMatching(/cut short/) });
  });
});

it('work folders are gone afterwards', async () => {
  expect(await readdir(path.join(env.dataDir, 'work'))).toEqual([]);
});
