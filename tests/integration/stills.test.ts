import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dispatch } from '#lib/jobs/dispatch.server.ts';
import { videoPage } from '#lib/server/features/browse-library.ts';
import { stillFileUrl } from '#lib/server/features/download-files.ts';
import { retryStage } from '#lib/server/features/manage-video.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { undoDecision } from '#lib/server/features/undo.ts';
import { measureVideo } from '#lib/server/media/probe.ts';
import { runFfprobe } from '#lib/server/media/ffmpeg.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { stillKey, stillNames } from '#lib/server/storage/keys.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import type { ClipView } from '#lib/live/views.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { importFilm, startWorker, stopWorker } from '../support/worker.ts';

let env: TestEnvironment;
let ann: Actor;
let worker: ChildProcess;
let videoId: number;

beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  worker = startWorker();
  // Black, then a picture, then another: two cuts.
  const film =
    'color=black:s=640x360:r=25:d=2[a];testsrc2=s=640x360:r=25:d=3[b];mandelbrot=s=640x360:r=25,trim=duration=3[c];[a][b][c]concat=n=3';
  videoId = await importFilm(env, ann, film);
});
afterAll(async () => {
  await stopWorker(worker);
  await env.close();
});

async function clipsWithStills(): Promise<readonly ClipView[]> {
  return vi.waitFor(
    async () => {
      const page = await videoPage(env.sql, videoId);
      expect(page?.video.state).toBe('ready');
      expect(page!.clips.length).toBeGreaterThan(1);
      expect(page!.clips.filter((clip) => clip.stills === null)).toEqual([]);
      return page!.clips;
    },
    { timeout: 60_000, interval: 100 },
  );
}
const framesOf = async (clipId: number) =>
  (await env.sql<{ frames: number[] }[]>`select frames from clip_stills where clip_id = ${clipId}`)[0]!.frames;

describe('stills of clips', () => {
  it('are made for each clip of a new video, out of its own frames, in two sizes and a strip', async () => {
    for (const clip of await clipsWithStills()) {
      const frames = await framesOf(clip.id);
      expect(clip.stills).toMatchObject({ count: frames.length, width: 640, height: 360, tileCount: 12 });
      expect(frames.every((frame) => frame >= clip.startFrame && frame < clip.endFrame)).toBe(true);
      for (const name of stillNames(frames.length)) {
        const facts = (await runFfprobe(await objectStore().inputFor(stillKey(clip, name)), { options: ['-f', 'webp_pipe'] })) as {
          streams: { width: number; height: number }[];
        };
        const size = name.startsWith('strip') ? [12 * 160, 90] : name.includes('small') ? [320, 180] : [640, 360];
        expect([facts.streams[0]?.width, facts.streams[0]?.height], name).toEqual(size);
      }
      expect(await stillFileUrl(env.sql, clip.id, clip, '0.webp')).toContain('Signature=');
    }
  });

  it('are made anew for a clip that is split, and are there again when the split is undone', async () => {
    const [, clip] = await clipsWithStills();
    if (clip === undefined) throw new Error('There is no second clip.');
    const before = await framesOf(clip.id);
    const command = { commandId: randomUUID(), clipId: clip.id, version: clip.version };
    const split = await reviewClip(env.sql, ann, { ...command, kind: 'split', atFrame: clip.startFrame + 20 });
    expect(split.kind).toBe('ok');
    const halves = (await clipsWithStills()).filter((half) => half.startFrame >= clip.startFrame && half.endFrame <= clip.endFrame);
    expect(halves).toHaveLength(2);
    for (const half of halves)
      expect((await framesOf(half.id)).every((frame) => frame >= half.startFrame && frame < half.endFrame)).toBe(true);
    await undoDecision(env.sql, ann, { commandId: randomUUID(), scope: { kind: 'video', videoId }, direction: 'undo' });
    const back = (await videoPage(env.sql, videoId))?.clips.find((one) => one.id === clip.id);
    expect(back?.stills).toEqual(clip.stills);
    expect(await framesOf(clip.id)).toEqual(before);
  });

  it('are not shown for frames that they are not of', async () => {
    const [, clip] = await clipsWithStills();
    const command = { commandId: randomUUID(), clipId: clip!.id, version: clip!.version };
    const moved = await reviewClip(env.sql, ann, { ...command, kind: 'move-cut', byFrames: 5 });
    expect(moved).toMatchObject({ kind: 'ok' });
    if (moved.kind === 'ok') expect(moved.clips.map((one) => one.stills)).toEqual([null, null]);
    await clipsWithStills();
  });

  it('that are missing are made by the dispatcher, and a proxy that can’t be read says so on its stage', async () => {
    await clipsWithStills();
    await env.sql`delete from clip_stills`;
    await dispatch(env.sql);
    const [first] = await clipsWithStills();
    const { proxyKey, frameCount } = (await findVideo(env.sql, videoId))!;
    const proxyPath = await objectStore().inputFor(proxyKey!);
    expect((await measureVideo(proxyPath)).frameCount).toBe(frameCount);
    const whole = readFileSync(proxyPath);
    writeFileSync(proxyPath, 'no film');
    await env.sql`delete from clip_stills where clip_id = ${first!.id}`;
    await dispatch(env.sql);
    await vi.waitFor(
      async () => {
        const page = await videoPage(env.sql, videoId);
        const stage = page?.stages.find((one) => one.stage === 'keyframes');
        expect(stage).toMatchObject({ state: 'failed', error: expect.stringMatching(/./) });
        expect(page?.video.state).toBe('ready');
      },
      { timeout: 40_000, interval: 200 },
    );
    // What failed for good is left alone, until a person or a new clip asks for it.
    await dispatch(env.sql);
    expect((await env.sql`select state from stage_runs where stage = 'keyframes'`)[0]).toEqual({ state: 'failed' });
    writeFileSync(proxyPath, whole);
    expect(await retryStage(env.sql, ann, videoId, 'keyframes')).toEqual({ kind: 'ok' });
    await clipsWithStills();
    await vi.waitFor(async () => expect((await retryStage(env.sql, ann, videoId, 'keyframes')).kind).toBe('refused'), { timeout: 20_000 });
    expect((await retryStage(env.sql, ann, videoId, 'encode')).kind).toBe('refused');
  });
});
