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

describe('an export', () => {
  it('is exactly its frames, from the proxy and from the master, under the name of the template', async () => {
    const id = await importFilm(env, ann, 'testsrc2=s=1920x1080:r=30000/1001:d=3', ['-g', '300']);
    await until(async () => expect((await findVideo(env.sql, id))?.state).toBe('ready'));
    const [whole] = await clipsOfVideo(env.sql, id);
    const decide = async (command: { clipId: number; version: number; kind: 'split' | 'approve'; atFrame?: number }) => {
      const reply = await reviewClip(env.sql, ann, { commandId: crypto.randomUUID(), ...command } as never);
      if (reply.kind !== 'ok') throw new Error(JSON.stringify(reply));
      return reply.clips;
    };
    const halves = await decide({ clipId: whole!.id, version: whole!.version, kind: 'split', atFrame: 37 });
    const clip = halves[1]!;
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

    expect((await changeExportSettings(env.sql, ann, { source: 'proxy', nameTemplate: '{nonsense}' })).kind).toBe('refused');
    expect(await changeExportSettings(env.sql, ann, { source: 'proxy', nameTemplate: '{clip}_{start}-{end}' })).toEqual({ kind: 'ok' });
    expect((await exportedFiles(env.sql, [clip.id]))[0]!.name).toBe(`${clip.id}_37-${clip.endFrame}.mp4`);
    expect((await exportAgain(env.sql, ann, [whole!.id], 'proxy')).kind).toBe('refused');
  });
});
