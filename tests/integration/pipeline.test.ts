import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { purgeVideo, removeVideo, retryVideo } from '#lib/server/features/manage-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { importFilm, startWorker, stopWorker } from '../support/worker.ts';

let env: TestEnvironment;
let ann: Actor;
let worker: ChildProcess;
beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  worker = startWorker();
});
afterEach(async () => {
  await env.sql`delete from videos`;
});
afterAll(async () => {
  await stopWorker(worker);
  await env.close();
});

const LONG = 'testsrc2=s=1280x720:r=30:d=15';
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 60_000, interval: 50 });
const video = (id: number) => findVideo(env.sql, id);
const stage = async (id: number) =>
  (
    await env.sql<{ percent: number | null; attempt: number; error: string | null; state: string }[]>`
    select percent, attempt, error, state from stage_runs where stage = 'encode' and item_id = ${id}`
  )[0];
const encodes = async (id: number) => until(async () => expect((await stage(id))?.percent ?? 0).toBeGreaterThan(2));

/** Processes that work in our data folder, by a word of their command line. */
function processesOf(word: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return /^\d+$/.test(name) && command.includes(word) && command.includes(env.dataDir) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
const workFolders = () => {
  try {
    return readdirSync(path.join(env.dataDir, 'work'));
  } catch {
    return [];
  }
};

describe('a video in its encode', () => {
  it('whose ffmpeg is killed is tried again, and nothing half-written is left', async () => {
    const id = await importFilm(env, ann, LONG);
    await encodes(id);
    for (const pid of processesOf('ffmpeg')) process.kill(pid, 'SIGKILL');
    await until(async () => expect((await video(id))?.state).toBe('ready'));
    expect(await stage(id)).toMatchObject({ state: 'done', attempt: 2, error: null });
    await until(() => expect(workFolders()).toEqual([]));
    expect(await objectStore().list(`proxies/${id}/`)).toHaveLength(1);
  });

  it('whose machine is killed goes on at once on another', async () => {
    const id = await importFilm(env, ann, LONG);
    await encodes(id);
    const [runner] = await env.sql<{ machineId: string }[]>`
      select r.machine_id as "machineId" from pool_runners r join pool_calls c on c.runner_id = r.id where c.state = 'running'`;
    process.kill(-Number(runner!.machineId.split(':')[1]), 'SIGKILL');
    await until(async () => expect((await video(id))?.state).toBe('ready'));
    expect(await stage(id)).toMatchObject({ state: 'done', attempt: 1, error: null });
    expect(await objectStore().list(`proxies/${id}/`)).toHaveLength(1);
  });

  it('that is removed takes its processes and files with it', async () => {
    const id = await importFilm(env, ann, LONG);
    await encodes(id);
    expect(processesOf('ffmpeg').length).toBeGreaterThan(0);
    await removeVideo(env.sql, ann, id);
    await until(() => expect(processesOf('ffmpeg')).toEqual([]));
    await until(() => expect(workFolders()).toEqual([]));
    await purgeVideo(env.sql, id);
    expect(await objectStore().list(`originals/${id}/`)).toEqual([]);
  });
});

describe('a video that can’t be encoded', () => {
  it('fails with the reason, can be tried again, and removed', async () => {
    await env.sql`update pools set is_paused = true`;
    const id = await importFilm(env, ann, 'testsrc2=s=320x180:r=25:d=4', ['-movflags', '+faststart']);
    const source = await objectStore().inputFor((await video(id))!.sourceKey!);
    const whole = readFileSync(source);
    truncateSync(source, Math.floor(whole.length / 3));
    await env.sql`update pools set is_paused = false`;
    await until(async () => expect((await video(id))?.state).toBe('failed'));
    const { error } = (await env.sql<{ error: string }[]>`select error from videos where id = ${id}`)[0]!;
    expect(error).toContain('cut short');

    writeFileSync(source, whole);
    expect(await retryVideo(env.sql, ann, id)).toEqual({ kind: 'ok' });
    await until(async () => expect((await video(id))?.state).toBe('ready'));
    expect(await removeVideo(env.sql, ann, id)).toEqual({ kind: 'ok' });
  });

  const isRoot = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
  it.skipIf(!isRoot)('for want of space says so, leaves nothing behind, and works once there is some', async () => {
    await env.sql`update pools set is_paused = true`;
    const id = await importFilm(env, ann, 'nullsrc=s=640x360:r=30:d=6,geq=random(1)*255:128:128');
    const workDir = path.join(env.dataDir, 'work');
    mkdirSync(workDir, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', workDir]);
    try {
      await env.sql`update pools set is_paused = false`;
      await until(async () => expect((await video(id))?.state).toBe('failed'));
      const { error } = (await env.sql<{ error: string }[]>`select error from videos where id = ${id}`)[0]!;
      expect(error).toMatch(/disk|space/i);
      expect(readdirSync(workDir)).toEqual([]);
    } finally {
      execFileSync('umount', [workDir]);
    }
    expect(await retryVideo(env.sql, ann, id)).toEqual({ kind: 'ok' });
    await until(async () => expect((await video(id))?.state).toBe('ready'));
  });
});

it('a stage whose job is lost is found by the dispatcher', async () => {
  const { dispatch } = await import('#lib/jobs/dispatch.server.ts');
  const id = await importFilm(env, ann, 'testsrc2=s=320x180:r=25:d=1');
  await env.sql`delete from pgboss.job where data ->> 'videoId' = ${String(id)}`;
  await until(async () => {
    // Each time anew: the worker may have taken the job, and touched the video, before it was lost.
    await env.sql`update videos set updated_at = now() - interval '1 minute' where id = ${id} and state <> 'ready'`;
    await dispatch(env.sql);
    expect((await video(id))?.state).toBe('ready');
  });
});
