import { execFileSync, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { importFile } from '#lib/server/features/import-video.ts';
import { makePlaybackFile } from '#lib/server/features/playback.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { measureVideo } from '#lib/server/media/probe.ts';
import { tempClipKey } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { startWorker, stopWorker } from '../support/worker.ts';

const SHOT_FRAMES = 60;
const SHOTS = ['testsrc2', 'mandelbrot', 'smptebars', 'rgbtestsrc', 'testsrc', 'cellauto', 'yuvtestsrc', 'pal75bars'];
const FRAME_COUNT = SHOT_FRAMES * SHOTS.length;

let env: TestEnvironment;
let ann: Actor;
let worker: ChildProcess;
beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  worker = startWorker({ ENCODE_PART_SECONDS: '4' });
});
afterAll(async () => {
  await stopWorker(worker);
  // Those of the killed worker are left to their leases; nobody here waits for that.
  for (const { machineId } of await env.sql<
    { machineId: string }[]
  >`select machine_id as "machineId" from pool_runners where state <> 'gone'`) {
    try {
      process.kill(-Number(machineId.split(':')[1]), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  await env.close();
});

const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 90_000, interval: 50 });
const video = (id: number) => findVideo(env.sql, id);

/** A film of eight shots of 2.4 s with sound; its parts of 4 s end inside shots. `salt` makes its content new. */
async function importShots(salt: string): Promise<number> {
  const film = path.join(env.dataDir, `${salt}.mp4`);
  const inputs = SHOTS.flatMap((shot) => ['-f', 'lavfi', '-i', `${shot}=s=640x360:r=25`]);
  const trims = SHOTS.map((_, index) => `[${index}]trim=end_frame=${SHOT_FRAMES},setpts=N/25/TB,fps=25,format=yuv420p[s${index}]`);
  const joined = `${trims.join(';')};${SHOTS.map((_, index) => `[s${index}]`).join('')}concat=n=${SHOTS.length}[v]`;
  execFileSync(process.env.FFMPEG_PATH ?? 'ffmpeg', [
    ...[
      '-loglevel',
      'error',
      ...inputs,
      '-f',
      'lavfi',
      '-i',
      'sine=f=500',
      '-filter_complex',
      joined,
      '-map',
      '[v]',
      '-map',
      `${SHOTS.length}:a`,
    ],
    ...['-frames:v', String(FRAME_COUNT), '-t', String(FRAME_COUNT / 25), '-preset', 'ultrafast', '-metadata', `comment=${salt}`, film],
  ]);
  const imported = await importFile(env.sql, ann, { path: film, fileName: `${salt}.mp4`, sourceUrl: null });
  if (imported.kind !== 'ok') throw new Error(JSON.stringify(imported));
  return imported.videoId;
}

describe('a long source', () => {
  it('is encoded in parts; its beginning is reviewed meanwhile, and nothing of that is lost', async () => {
    const id = await importShots('long');
    // Its first clips are there before its proxy is.
    const early = await until(async () => {
      const clips = await clipsOfVideo(env.sql, id);
      expect(clips.length).toBeGreaterThan(0);
      return clips;
    });
    expect((await video(id))?.proxyKey).toBeNull();
    // They play, picture and sound, from the parts that are there.
    for (const clip of early.slice(0, 3)) {
      expect(await makePlaybackFile(env.sql, clip, new AbortController().signal)).toBe(true);
      const measured = await measureVideo(path.join(env.dataDir, 'playback', tempClipKey(clip)));
      expect(measured.frameCount).toBe(clip.endFrame - clip.startFrame);
      expect(Math.abs((measured.audioStartSeconds ?? 9) - measured.startSeconds)).toBeLessThan(0.04);
    }
    const [first] = early;
    const reply = await reviewClip(env.sql, ann, {
      commandId: crypto.randomUUID(),
      clipId: first!.id,
      version: first!.version,
      kind: 'approve',
    });
    expect(reply.kind).toBe('ok');

    await until(async () => expect((await video(id))?.state).toBe('ready'));
    const clips = await clipsOfVideo(env.sql, id);
    expect(clips.map((clip) => [clip.startFrame, clip.endFrame])).toEqual(
      SHOTS.map((_, index) => [index * SHOT_FRAMES, (index + 1) * SHOT_FRAMES]),
    );
    expect(clips.find((clip) => clip.id === first!.id)?.state).toBe('approved');
    expect(clips.slice(0, early.length).map((clip) => clip.id)).toEqual(early.map((clip) => clip.id));
    const proxy = await measureVideo(await objectStore().inputFor((await video(id))!.proxyKey!));
    expect(proxy).toMatchObject({ frameCount: FRAME_COUNT, startSeconds: 0 });
    expect(await env.sql`select from encode_plans`).toHaveLength(0);
    const parts = await env.sql`select from pool_calls where task = 'encode-part' and state = 'committed'`;
    expect(parts.length).toBeGreaterThanOrEqual(4);
    // What was approved before there was anything to export from is exported now.
    await until(async () => expect((await clipsOfVideo(env.sql, id)).find((clip) => clip.id === first!.id)?.exportState).toBe('exported'));
  });

  it('goes on after its worker and a machine were killed, with the parts that were done', async () => {
    const id = await importShots('killed');
    const done = () => env.sql<{ startFrame: number; proxyKey: string }[]>`
      select start_frame as "startFrame", proxy_key as "proxyKey" from encode_parts where proxy_key is not null`;
    const before = await until(async () => {
      const rows = await done();
      expect(rows.length).toBeGreaterThan(0);
      return [...rows];
    });
    const [runner] = await env.sql<{ machineId: string }[]>`
      select r.machine_id as "machineId" from pool_runners r join pool_calls c on c.runner_id = r.id where c.state = 'running'`;
    worker.kill('SIGKILL');
    if (runner !== undefined) process.kill(-Number(runner.machineId.split(':')[1]), 'SIGKILL');
    worker = startWorker({ ENCODE_PART_SECONDS: '4' });
    for (const row of before) expect(await done()).toContainEqual(row);
    await until(async () => expect((await video(id))?.state).toBe('ready'));
    expect(await clipsOfVideo(env.sql, id)).toHaveLength(SHOTS.length);
    expect((await video(id))?.frameCount).toBe(FRAME_COUNT);
  });

  it('whose parts do not fit each other is encoded at once', async () => {
    const id = await importShots('misfit');
    await until(async () => {
      // As if a seek had landed elsewhere.
      const changed =
        await env.sql`update encode_parts set head_digest = 'other' where start_frame = 200 and proxy_key is not null returning 1`;
      expect(changed).toHaveLength(1);
    });
    await until(async () => expect((await video(id))?.state).toBe('ready'));
    expect(await clipsOfVideo(env.sql, id)).toHaveLength(SHOTS.length);
    const [whole] =
      await env.sql`select from pool_calls where task = 'encode-video' and state = 'committed' and subject = ${`video:${id}`}`;
    expect(whole).toBeDefined();
  });
});
