import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JobState } from '#lib/core/job-rules.ts';
import { parseJobFilter, type JobFilter, type QueueCommand } from '#lib/live/job-views.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { obeyQueueCommand } from '#lib/server/features/steer-queues.ts';
import { foldJobChanges, jobDetail, jobPage, queueOverview } from '#lib/server/features/watch-queues.ts';
import { auditEntries } from '#lib/server/stores/audit.ts';
import { findVideo } from '#lib/server/stores/videos.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { importFilm, startWorker, stopWorker } from '../../support/worker.ts';

let env: TestEnvironment;
let admin: Actor;
let workers: ChildProcess[] = [];
beforeAll(async () => {
  env = await openEnvironment();
  admin = await env.addPerson('Ada', 'admin');
});
beforeEach(async () => {
  await env.sql`delete from videos`;
  await env.sql`delete from pgboss.job`;
  await env.sql`delete from queue_settings`;
  await env.sql`truncate job_changes, job_counts, job_statistics, job_attempts, job_log, audit_log cascade`;
});
afterEach(async () => {
  await Promise.all(workers.map(stopWorker));
  workers = [];
});
afterAll(() => env.close());

const LONG = 'testsrc2=s=1280x720:r=30:d=40';
const until = <T>(check: () => T | Promise<T>, timeout = 60_000) => vi.waitFor(check, { timeout, interval: 50 });
const filter = (changes: Partial<JobFilter> = {}): JobFilter => ({ ...parseJobFilter(new URLSearchParams()), ...changes });
const list = async (changes: Partial<JobFilter> = {}) => (await jobPage(env.sql, filter(changes), null)).jobs;
const queue = async (name: string) => (await queueOverview(env.sql)).queues.find((each) => each.name === name)!;
const work = (queues: string) => workers.push(startWorker({ JOB_QUEUES: queues }));
async function command(given: QueueCommand, by = admin) {
  const reply = await obeyQueueCommand(env.sql, by, given);
  if (reply.kind === 'refused') throw new Error(reply.message);
  return reply;
}
const act = (action: 'retry' | 'cancel' | 'delete' | 'run-now', ids: string[]) =>
  command({ kind: 'jobs', action, priority: 0, target: { kind: 'ids', ids } });
const states = async (ids: readonly string[]) =>
  new Map(
    (await env.sql<{ id: string; state: JobState }[]>`select id, state from pgboss.job where id = any(${ids as string[]})`).map((row) => [
      row.id,
      row.state,
    ]),
  );

/** Running processes of our data folder with a word in their command line. */
function processesOf(word: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return /^\d+$/.test(name) && line.includes(word) && line.includes(env.dataDir) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Jobs of background work that wait, for videos that have no files. */
async function waitingJobs(count: number): Promise<string[]> {
  for (let made = 0; made < count; made += 1) {
    const videoId = await env.addVideo(admin, 100, [50]);
    await env.sql.begin((tx) => enqueueStage(tx, 'keyframes', { itemId: videoId, videoId }));
  }
  return (await list({ queue: 'background_jobs' })).map(({ id }) => id);
}

describe('a job', () => {
  it('of a video is shown with its title, its attempt, its log lines and its call in the pool', async () => {
    work('media_processing');
    const videoId = await importFilm(env, admin, 'testsrc2=s=320x180:r=25:d=2');
    await until(async () => expect((await list({ stage: 'encode', state: 'completed' })).length).toBe(1));
    const [job] = await list({ stage: 'encode' });
    expect(job).toMatchObject({ item: { kind: 'video', videoId, title: 'film' }, attemptCount: 1, label: 'Encode' });
    await until(async () => {
      const detail = (await jobDetail(env.sql, job!.id))!;
      expect(detail.attempts).toEqual([expect.objectContaining({ number: 1, outcome: 'done', pid: workers[0]!.pid })]);
      expect(detail.log.map(({ message }) => message)).toContain('stage done');
      expect(detail.calls).toEqual([
        expect.objectContaining({ task: 'encode-video', state: 'committed', machine: expect.stringMatching(/:\d+/) }),
      ]);
      expect(detail.next).toEqual([
        expect.objectContaining({ stage: 'detect-scenes', job: expect.objectContaining({ queue: 'media_processing' }) }),
      ]);
      expect(detail.waitsFor).toBeNull();
    });
  });

  it('that runs on a machine of the pool stops within two seconds of being cancelled, says so, and can be taken up again', async () => {
    work('media_processing');
    const videoId = await importFilm(env, admin, LONG);
    await until(() => expect(processesOf('ffmpeg')).not.toEqual([]));
    const [job] = await list({ stage: 'encode', state: 'active' });
    const beganMs = performance.now();
    const { auditId } = await act('cancel', [job!.id]);
    await until(() => expect(processesOf('ffmpeg')).toEqual([]), 10_000);
    const tookMs = performance.now() - beganMs;
    expect(tookMs).toBeLessThan(2_000);
    expect(await findVideo(env.sql, videoId)).toMatchObject({ state: 'failed', failedStage: 'encode' });
    await until(async () =>
      expect((await jobDetail(env.sql, job!.id))!.attempts).toEqual([expect.objectContaining({ outcome: 'cancelled' })]),
    );
    expect((await list())[0]).toMatchObject({ id: job!.id, state: 'cancelled' });
    expect(await command({ kind: 'undo', auditId: auditId! })).toMatchObject({ doneCount: 1 });
    await until(() => expect(processesOf('ffmpeg')).not.toEqual([]));
    expect((await findVideo(env.sql, videoId))?.state).toBe('encoding');
    await act('cancel', [job!.id]);
  });

  it('that fails for good is failed, with its reason, and each attempt of it', async () => {
    work('background_jobs');
    const videoId = await env.addVideo(admin, 100, [50]);
    await env.sql.begin((tx) => enqueueStage(tx, 'keyframes', { itemId: videoId, videoId }));
    await until(async () => expect((await list({ state: 'failed' })).length).toBe(1));
    const [job] = await list({ state: 'failed' });
    expect(job?.error).toMatch(/\S/);
    await until(async () => {
      const { attempts } = (await jobDetail(env.sql, job!.id))!;
      expect(attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed']);
    });
    const word = /[a-z]{4,}/i.exec(job!.error!)![0];
    expect((await list({ text: word })).map(({ id }) => id)).toEqual([job!.id]);
    while (await foldJobChanges(env.sql));
    expect((await queue('background_jobs')).minutes.reduce((sum, { failed, retried }) => sum + 10 * failed + retried, 0)).toBe(12);
  });
});

describe('many jobs', () => {
  it('are retried at once, all that match, and put back by undo; the log tells of it', async () => {
    const ids = await waitingJobs(3);
    await env.sql`update pgboss.job set state = 'failed', completed_on = now(), output = '{"message": "It broke."}'`;
    const matching = {
      kind: 'filter',
      filter: filter({ state: 'failed', queue: 'background_jobs' }),
      cursor: null,
      auditId: null,
    } as const;
    const reply = await command({ kind: 'jobs', action: 'retry', priority: 0, target: matching });
    expect(reply).toMatchObject({ doneCount: 3, skippedCount: 0, cursor: null });
    expect([...(await states(ids)).values()]).toEqual(['retry', 'retry', 'retry']);
    expect(await command({ kind: 'undo', auditId: reply.auditId! })).toMatchObject({ doneCount: 3 });
    expect([...(await states(ids)).values()]).toEqual(['failed', 'failed', 'failed']);
    expect((await list())[0]?.error).toBe('It broke.');
    const [undone, retried] = await auditEntries(env.sql, { limit: 2 });
    expect(retried).toMatchObject({
      actor: 'Ada',
      action: 'job.retry',
      target: 'jobs',
      details: { count: 3, filter: { state: 'failed' } },
    });
    expect(undone).toMatchObject({ action: 'job.undo', target: `audit:${retried!.id}` });
    expect(await obeyQueueCommand(env.sql, admin, { kind: 'undo', auditId: reply.auditId! })).toMatchObject({ kind: 'refused' });
  });

  it('of the same thing are not doubled: only the newest is retried', async () => {
    const [first] = await waitingJobs(1);
    await env.sql`update pgboss.job set state = 'failed', completed_on = now()`;
    const [video] = await env.sql<{ id: number }[]>`select id from videos`;
    await env.sql.begin((tx) => enqueueStage(tx, 'keyframes', { itemId: video!.id, videoId: video!.id }));
    expect(await act('retry', [first!])).toMatchObject({ doneCount: 0, skippedCount: 1, skipped: expect.stringContaining('another job') });
  });

  it('are counted as they are, whatever happens to them', async () => {
    const [one, two, three] = await waitingJobs(3);
    await act('cancel', [one!]);
    await act('run-now', [two!]);
    expect((await queue('background_jobs')).counts).toMatchObject({ created: 2, cancelled: 1 });
    await foldJobChanges(env.sql);
    await act('delete', [one!]);
    await act('cancel', [three!]);
    const truth = await env.sql<{ state: JobState; count: number }[]>`select state, count(*)::int as count from pgboss.job group by state`;
    const counted = {
      created: 0,
      retry: 0,
      active: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
      ...Object.fromEntries(truth.map((row) => [row.state, row.count])),
    };
    expect((await queue('background_jobs')).counts).toEqual(counted);
    await foldJobChanges(env.sql);
    expect((await queue('background_jobs')).counts).toEqual(counted);
    expect((await list()).map(({ id }) => id).toSorted()).toEqual([two, three].toSorted());
  });

  it('are nobody’s to change but an admin’s', async () => {
    const [id] = await waitingJobs(1);
    const bob: Actor = { ...admin, role: 'reviewer' };
    const commands: QueueCommand[] = [
      { kind: 'jobs', action: 'cancel', priority: 0, target: { kind: 'ids', ids: [id!] } },
      { kind: 'undo', auditId: 1 },
      { kind: 'pause', queue: 'exports', isPaused: true },
      { kind: 'concurrency', queue: 'exports', concurrency: 1 },
      { kind: 'run-schedule', key: 'sweep' },
    ];
    for (const each of commands) expect(await obeyQueueCommand(env.sql, bob, each)).toMatchObject({ kind: 'refused' });
    expect([...(await states([id!])).values()]).toEqual(['created']);
    expect(await auditEntries(env.sql, { limit: 1 })).toEqual([]);
  });
});

describe('a queue', () => {
  it('that is paused rests in all its processes, also in one that starts later, until it is resumed', async () => {
    work('background_jobs');
    work('background_jobs');
    await until(async () => expect((await queue('background_jobs')).processCount).toBe(2));
    await command({ kind: 'pause', queue: 'background_jobs', isPaused: true });
    await until(async () => expect((await queue('background_jobs')).placeCount).toBe(0));
    const ids = await waitingJobs(4);
    work('background_jobs');
    await until(async () => expect((await queue('background_jobs')).processCount).toBe(3));
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(new Set((await states(ids)).values())).toEqual(new Set(['created']));
    expect((await jobDetail(env.sql, ids[0]!))!.waitsFor).toContain('paused');
    await command({ kind: 'pause', queue: 'background_jobs', isPaused: false });
    await until(async () => expect([...(await states(ids)).values()]).not.toContain('created'));
    expect((await auditEntries(env.sql, { target: 'queue:background_jobs', limit: 5 })).map(({ action }) => action)).toEqual([
      'queue.resume',
      'queue.pause',
    ]);
  });

  it('gets more places and fewer while it works', async () => {
    work('exports');
    await until(async () => expect((await queue('exports')).placeCount).toBe(8));
    await command({ kind: 'concurrency', queue: 'exports', concurrency: 3 });
    await until(async () => expect(await queue('exports')).toMatchObject({ placeCount: 3, concurrency: 3 }));
    await command({ kind: 'concurrency', queue: 'exports', concurrency: null });
    await until(async () => expect((await queue('exports')).placeCount).toBe(8));
  });

  it('on which nobody works says so, and what to do', async () => {
    await waitingJobs(1);
    const { problems } = await queueOverview(env.sql);
    expect(problems).toEqual([
      expect.stringContaining('Nobody runs `default`'),
      expect.stringContaining('`background_jobs` has waiting jobs'),
    ]);
  });
});
