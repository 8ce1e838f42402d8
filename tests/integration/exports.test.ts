import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { exportedFiles } from '#lib/server/features/download-files.ts';
import { changeExportSettings, exportAgain } from '#lib/server/features/export-clips.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { measureVideo } from '#lib/server/media/probe.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { importFilm, startWorker, stopWorker } from '../support/worker.ts';

const run = promisify(execFile);
let env: TestEnvironment;
let ann: Actor;
let worker: ChildProcess;
beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  worker = startWorker();
});
afterAll(async () => {
  await stopWorker(worker);
  await env.close();
});
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 50_000, interval: 50 });

/** The likeness (SSIM) of a clip's frame with a frame of the file that it was cut from. */
async function likeness(clip: string, clipFrame: number, whole: string, wholeFrame: number): Promise<number> {
  const pick = (input: number, frame: number) =>
    `[${input}:v]trim=start_frame=${frame}:end_frame=${frame + 1},setpts=0,scale=320:180[v${input}]`;
  const { stdout } = await run(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...['-loglevel', 'error', '-i', clip, '-i', whole, '-lavfi', `${pick(0, clipFrame)};${pick(1, wholeFrame)};[v0][v1]ssim=stats_file=-`],
    ...['-f', 'null', '-'],
  ]);
  return Number(/All:([\d.]+)/.exec(stdout)?.[1]);
}

const AAC_FRAME_SECONDS = 1024 / 48_000;

/** How long the sound of a file is when it is decoded. */
async function soundSeconds(file: string): Promise<number> {
  const options = ['-loglevel', 'error', '-i', file, '-map', '0:a', '-f', 's16le', '-ac', '1', '-ar', '48000', '-'];
  const { stdout } = await run(process.env.FFMPEG_PATH ?? 'ffmpeg', options, { encoding: 'buffer', maxBuffer: 1 << 26 });
  return stdout.length / 2 / 48_000;
}

describe('an export', () => {
  it('is exactly its frames, from the proxy and from the master, under the name of the template', async () => {
    const film = 'testsrc2=s=1920x1080:r=30000/1001:d=3[out0];sine=d=3.2[out1]';
    const id = await importFilm(env, ann, film, ['-frames:v', '90', '-g', '300', '-c:a', 'aac']);
    await until(async () => expect((await findVideo(env.sql, id))?.state).toBe('ready'));
    const [whole] = await clipsOfVideo(env.sql, id);
    expect((await findVideo(env.sql, id))?.frameCount).toBe(90);
    const decide = async (command: { clipId: number; version: number; kind: 'split' | 'approve'; atFrame?: number }) => {
      const reply = await reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), ...command } as never);
      if (reply.kind !== 'ok') throw new Error(JSON.stringify(reply));
      return reply.clips;
    };
    const halves = await decide({ clipId: whole!.id, version: whole!.version, kind: 'split', atFrame: 37 });
    // Its end lies inside the film, as its beginning does.
    const clip = (await decide({ clipId: halves[1]!.id, version: halves[1]!.version, kind: 'split', atFrame: 74 }))[0]!;
    await decide({ clipId: clip.id, version: clip.version, kind: 'approve' });
    const exported = async (size: string) =>
      until(async () => {
        const [file] = await exportedFiles(env.sql, [clip.id]);
        expect(file).toBeDefined();
        const measured = await measureVideo(await objectStore().inputFor(file!.key));
        expect(`${measured.width}x${measured.height}`).toBe(size);
        return { file: file!, measured };
      });
    const video = (await findVideo(env.sql, id))!;

    for (const [source, size, key] of [
      ['proxy', '1280x720', video.proxyKey!],
      ['master', '1920x1080', video.masterKey!],
    ] as const) {
      if (source === 'master') expect(await exportAgain(env.sql, ann, [clip.id], 'master')).toEqual({ kind: 'ok' });
      const { file, measured } = await exported(size);
      expect(measured.frameCount).toBe(clip.endFrame - 37);
      const [cut, from] = [await objectStore().inputFor(file.key), await objectStore().inputFor(key)];
      const last = measured.frameCount - 1;
      // Sound begins with the picture and ends with it, within a frame of AAC on either side.
      expect(Math.abs(measured.audioStartSeconds! - measured.startSeconds)).toBeLessThan(AAC_FRAME_SECONDS);
      expect(Math.abs((await soundSeconds(cut)) - (measured.frameCount * 1001) / 30000)).toBeLessThan(2 * AAC_FRAME_SECONDS);
      for (const frame of [0, last]) {
        expect(await likeness(cut, frame, from, 37 + frame)).toBeGreaterThan(0.98);
        // Its neighbour is another picture: one frame off would show.
        expect(await likeness(cut, frame, from, 36 + frame)).toBeLessThan(0.98);
      }
      expect(JSON.parse(file.sidecar)).toMatchObject({
        file: { source },
        frames: { start: 37, count: measured.frameCount },
        clip: { decidedBy: 'Ann' },
      });
    }

    // A master in the archive is said at once, and the file that is there stays.
    for (const kind of ['archived', 'restoring'] as const) {
      const availability = vi.spyOn(objectStore(), 'availability').mockResolvedValue({ kind });
      const refused = await exportAgain(env.sql, ann, [clip.id], 'master');
      expect(refused.kind === 'refused' && refused.message).toMatch(/restore it/);
      availability.mockRestore();
      expect(await exportedFiles(env.sql, [clip.id])).toHaveLength(1);
    }

    expect((await changeExportSettings(env.sql, ann, { source: 'proxy', nameTemplate: '{nonsense}' })).kind).toBe('refused');
    expect(await changeExportSettings(env.sql, ann, { source: 'proxy', nameTemplate: '{clip}_{start}-{end}' })).toEqual({ kind: 'ok' });
    expect((await exportedFiles(env.sql, [clip.id]))[0]!.name).toBe(`${clip.id}_37-${clip.endFrame}.mp4`);
    expect((await exportAgain(env.sql, ann, [whole!.id], 'proxy')).kind).toBe('refused');
  });
});
