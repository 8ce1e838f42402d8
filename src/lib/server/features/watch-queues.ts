import { queueProblems, whyWaiting } from '#lib/core/job-rules.ts';
import { foldChanges, periodsUntil } from '#lib/core/job-statistics.ts';
import { withoutUrls } from '#lib/core/without-urls.ts';
import { QUEUES, STAGES, type QueueName, type StageName } from '#lib/jobs/stages.ts';
import type {
  JobDetail,
  JobFilter,
  JobLogLine,
  JobPage,
  JobView,
  QueueOverview,
  QueueView,
  ScheduleView,
  WorkerView,
} from '#lib/live/job-views.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { nextRuns } from '#lib/server/enqueue.ts';
import { attemptsOf, logOf } from '#lib/server/stores/job-attempts.ts';
import { addToCounts, addToPeriods, jobCounts, periodsSince, takeChanges } from '#lib/server/stores/job-statistics.ts';
import * as jobs from '#lib/server/stores/jobs.ts';
import { knownWorkers, type KnownWorker } from '#lib/server/stores/job-workers.ts';
import { databaseNowMs, signal } from '#lib/server/stores/outbox.ts';
import { queueSettings } from '#lib/server/stores/queue-settings.ts';

/** Jobs of a page of the list. */
export const JOBS_AT_ONCE = 50;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MINUTES = 60;
const HOURS = 48;
const CHANGES_AT_ONCE = 5_000;
/** A notification has 8 000 bytes. */
const IDS_TOLD = 50;
const MAX_COUNT = 10_000;
const MAX_LOG_LINES = 1_000;
const OTHERS = 20;

/** The queues, who works on them, the schedules, and what is wrong. */
export async function queueOverview(sql: Sql): Promise<QueueOverview> {
  const nowMs = await databaseNowMs(sql);
  const [counts, settings, oldest, minutes, hours, workers, scheduled] = await Promise.all([
    jobCounts(sql),
    queueSettings(sql),
    jobs.oldestWaiting(sql),
    periodsSince(sql, 'minute', nowMs - MINUTES * MINUTE_MS),
    periodsSince(sql, 'hour', nowMs - HOURS * HOUR_MS),
    workerViews(sql),
    scheduleViews(sql, nowMs),
  ]);
  const living = workers.filter((worker) => !worker.isLost);
  const queues = QUEUES.map((name): QueueView => {
    const set = settings.find(({ queue }) => queue === name);
    return {
      name,
      counts: counts.get(name)!,
      isPaused: set?.isPaused ?? false,
      concurrency: set?.concurrency ?? null,
      placeCount: living.reduce((sum, { queues: places }) => sum + (places[name] ?? 0), 0),
      oldestWaitingMs: oldest.get(name) ?? null,
      processCount: living.filter(({ queues: places }) => places[name] !== undefined).length,
      minutes: periodsUntil(minutes.get(name) ?? [], nowMs, MINUTE_MS, MINUTES),
      hours: periodsUntil(hours.get(name) ?? [], nowMs, HOUR_MS, HOURS),
    };
  });
  const standings = queues.map((queue) => ({ ...queue, waitingCount: queue.counts.created + queue.counts.retry }));
  const runners = living.filter(({ queues: places }) => places.default !== undefined);
  const sinceMs = Math.min(...runners.map(({ startedAt }) => Date.parse(startedAt)));
  const problems = queueProblems(
    standings,
    scheduled.map(({ key, queue, everyMs, lastRunAt, lastState }) => ({
      ...{ key, queue, everyMs, lastRunMs: lastRunAt === null ? null : Date.parse(lastRunAt), isLastFailed: lastState === 'failed' },
    })),
    nowMs,
    sinceMs,
  );
  return { nowMs, queues, workers, schedules: scheduled, problems };
}

async function workerViews(sql: Sql): Promise<WorkerView[]> {
  const [workers, running] = await Promise.all([knownWorkers(sql), jobs.runningJobs(sql)]);
  const labels = new Map(
    (
      await jobs.jobsById(
        sql,
        running.map(({ jobId }) => jobId),
      )
    ).map((job) => [job.id, describe(job)]),
  );
  return workers.map((worker: KnownWorker) => ({
    ...worker,
    running: running
      .filter(({ workerId }) => workerId === worker.id)
      .map(({ jobId, startedAt, machine }) => ({ jobId, startedAt, machine, label: labels.get(jobId) ?? 'removed' })),
  }));
}

function describe({ label, item }: JobView): string {
  if (item === null) return label;
  const of = item.kind === 'clip' ? `clip ${item.id}` : (item.title ?? `video ${item.videoId}`);
  return `${label}: ${of}`;
}

async function scheduleViews(sql: Sql, nowMs: number): Promise<(ScheduleView & { readonly everyMs: number })[]> {
  return Promise.all(
    (await jobs.schedules(sql)).map(async (schedule) => {
      const [first, second] = await nextRuns(schedule.cron, 2);
      const nextMs = first?.getTime() ?? nowMs;
      return { ...schedule, nextRunAt: new Date(nextMs).toISOString(), everyMs: (second?.getTime() ?? nextMs) - nextMs };
    }),
  );
}

/** Jobs that match a filter, newest first, after a cursor that another page has given. */
export async function jobPage(sql: Sql, filter: JobFilter, after: string | null, size = JOBS_AT_ONCE): Promise<JobPage> {
  const [found, count] = await Promise.all([jobs.findJobs(sql, filter, readCursor(after), size + 1), countOf(sql, filter)]);
  const last = found.length > size ? found[size - 1] : undefined;
  return { jobs: found.slice(0, size), next: last === undefined ? null : writeCursor(last), ...count };
}

/** By state and queue alone the counters know; other filters are counted, up to a bound. */
async function countOf(sql: Sql, filter: JobFilter): Promise<Pick<JobPage, 'count' | 'isCountExact'>> {
  const { state, queue, ...others } = filter;
  if (Object.values(others).every((value) => value === null)) {
    const known = [...(await jobCounts(sql))].filter(([name]) => queue === null || name === queue);
    const count = known.flatMap(([, counts]) => (state === null ? Object.values(counts) : [counts[state]]));
    return { count: count.reduce((sum, each) => sum + each, 0), isCountExact: true };
  }
  const count = await jobs.countJobs(sql, filter, MAX_COUNT + 1);
  return { count: Math.min(count, MAX_COUNT), isCountExact: count <= MAX_COUNT };
}

/** A cursor as it goes to the page and back. */
export function writeCursor({ createdAt, id }: jobs.JobCursor): string {
  return `${createdAt},${id}`;
}

/** What `writeCursor` has written; null for anything else. */
export function readCursor(text: string | null): jobs.JobCursor | null {
  const [, createdAt, id] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z),([0-9a-f-]{36})$/.exec(text ?? '') ?? [];
  return createdAt === undefined || id === undefined ? null : { createdAt, id };
}

/** All that a job's page shows; null when there is no such job. */
export async function jobDetail(sql: Sql, id: string): Promise<JobDetail | null> {
  const [contents, [job]] = await Promise.all([jobs.jobContents(sql, id), jobs.jobsById(sql, [id])]);
  if (contents === null || job === undefined) return null;
  const [attempts, calls, log, waitsFor, family] = await Promise.all([
    attemptsOf(sql, id),
    jobs.callsOf(sql, id),
    logOf(sql, id, 0, MAX_LOG_LINES),
    whyItWaits(sql, job),
    job.item === null ? [] : jobs.findJobs(sql, { ...NO_FILTER, videoId: job.item.videoId }, null, 200),
  ]);
  const latest = (stage: StageName) => family.find((other) => other.stage === stage && other.item?.id === job.item?.id) ?? null;
  const link = (stage: StageName) => ({ stage, label: STAGES[stage].label, job: latest(stage) });
  const stages = Object.keys(STAGES) as StageName[];
  const previous = stages.find((stage) => STAGES[stage].next.some((next) => next === job.stage));
  return {
    ...{ job, ...contents, attempts, calls, log, waitsFor },
    output: JSON.parse(withoutUrls(JSON.stringify(contents.output))),
    next: job.stage === null ? [] : STAGES[job.stage].next.map(link),
    previous: previous === undefined ? null : link(previous),
    others: family.filter((other) => other.id !== id).slice(0, OTHERS),
  };
}

const NO_FILTER: JobFilter = { state: null, queue: null, stage: null, videoId: null, clipId: null, from: null, to: null, text: null };

/** The lines that a job has logged after one. */
export function jobLog(sql: Sql, id: string, afterId: number): Promise<JobLogLine[]> {
  return logOf(sql, id, afterId, MAX_LOG_LINES);
}

async function whyItWaits(sql: Sql, job: JobView): Promise<string | null> {
  if (job.state !== 'created' && job.state !== 'retry') return null;
  const { queue } = job;
  const [settings, workers, aheadCount, counts, nowMs] = await Promise.all([
    ...([queueSettings(sql), knownWorkers(sql), jobs.jobsAhead(sql, job), jobCounts(sql), databaseNowMs(sql)] as const),
  ]);
  const places = workers.filter((worker) => !worker.isLost).flatMap((worker) => worker.queues[queue] ?? []);
  return whyWaiting({
    ...{ queue, aheadCount, processCount: places.length, placeCount: places.reduce((sum, size) => sum + size, 0) },
    isPaused: settings.some((each) => each.queue === queue && each.isPaused),
    runningCount: counts.get(queue)!.active,
    startsInMs: Date.parse(job.startAfter) - nowMs,
  });
}

/**
 * Folds what has become of jobs into counts and statistics, and tells the pages of admins. Several processes may do it:
 * each folds others. Gives whether there was anything.
 */
export async function foldJobChanges(sql: Database): Promise<boolean> {
  const changes = await sql.begin(async (tx) => {
    const taken = await takeChanges(tx, CHANGES_AT_ONCE);
    if (taken.length === 0) return taken;
    const minutes = foldChanges(taken, MINUTE_MS);
    await addToCounts(tx, minutes.counts);
    await addToPeriods(tx, 'minute', minutes.periods);
    await addToPeriods(tx, 'hour', foldChanges(taken, HOUR_MS).periods);
    return taken;
  });
  if (changes.length === 0) return false;
  const changed = new Set(changes.map(({ queue }) => queue));
  const counts = [...(await jobCounts(sql))].flatMap(([queue, each]) => (changed.has(queue) ? [{ queue, counts: each }] : []));
  const ids = [...new Set(changes.flatMap(({ jobIds }) => jobIds))];
  const total = changes.reduce((sum, { count }) => sum + count, 0);
  const isMore = ids.length > IDS_TOLD || total > changes.reduce((sum, { jobIds }) => sum + jobIds.length, 0);
  await signal(sql, { topic: 'queues', type: 'jobs-changed', payload: { counts, jobIds: ids.slice(0, IDS_TOLD), isMore } });
  return true;
}

/** Tells the pages of admins that something else than a job has changed. */
export async function tellQueuesChanged(sql: Sql): Promise<void> {
  await signal(sql, { topic: 'queues', type: 'jobs-changed', payload: { counts: [], jobIds: [], isMore: true } });
}

/** Which processes work on which queues, in a word: another word when that has changed. */
export async function workersFingerprint(sql: Sql): Promise<string> {
  return JSON.stringify(
    (await knownWorkers(sql)).map(({ id, isLost, queues }: KnownWorker) => [
      id,
      isLost,
      queues satisfies Partial<Record<QueueName, number>>,
    ]),
  );
}
