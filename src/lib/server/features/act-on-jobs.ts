import { actionsFor, isUndoable, statesFor, type JobAction } from '#lib/core/job-rules.ts';
import type { QueueName } from '#lib/jobs/stages.ts';
import type { ActOnJobs, QueueReply } from '#lib/live/job-views.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { changeJobs, moveJob } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { failStage, reopenStage } from '#lib/server/features/settle-stage.ts';
import { readCursor, writeCursor } from '#lib/server/features/watch-queues.ts';
import { recordAudit } from '#lib/server/stores/audit.ts';
import {
  auditedAction,
  growAuditedAction,
  noteActionItems,
  takeActionItems,
  type ActionItem,
} from '#lib/server/stores/job-action-items.ts';
import { forgetAttempts } from '#lib/server/stores/job-attempts.ts';
import { endAgain, jobsToActOn, matchingJobs, replacedJobs, type ActedJob } from '#lib/server/stores/jobs.ts';
import { cancelCallsOfJobs } from '#lib/server/stores/pool-calls.ts';
import { orderWorkers } from '#lib/server/stores/queue-settings.ts';

/** Jobs of one transaction: few enough that nobody waits for them. */
const JOBS_AT_ONCE = 200;
/** Job ids of one notification, which has 8 000 bytes. */
const IDS_PER_ORDER = 100;
const TRIES = 5;
/** What goes before all others of its queue. */
const FIRST_PRIORITY = 1000;

/** Only admins act on queues. */
export const NOT_ADMIN = { kind: 'refused', message: 'Only an admin can do this.' } as const;

/** A job has changed between the look at it and the action: look again. */
class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

/** Jobs that were acted on, and why others were not. */
interface Acted {
  readonly done: readonly ActedJob[];
  readonly skipped: string | null;
}

/** Does something to jobs, as far as their states allow. Of those that match a filter it does a part; the reply says where the next begins. */
export async function actOnJobs(sql: Database, actor: Actor, command: ActOnJobs): Promise<QueueReply> {
  if (actor.role !== 'admin') return NOT_ADMIN;
  return untilNotOvertaken(sql, async (tx): Promise<QueueReply> => {
    const { action, target } = command;
    const isFilter = target.kind === 'filter';
    const found = isFilter
      ? await matchingJobs(tx, target.filter, statesFor(action), readCursor(target.cursor), JOBS_AT_ONCE)
      : await jobsToActOn(tx, target.ids);
    const { done, skipped } = await perform(tx, actor, command, found);
    let auditId = isFilter ? target.auditId : null;
    if (auditId !== null) {
      const isOwn = await growAuditedAction(tx, { auditId, actorId: actor.userId, action }, done.length);
      if (!isOwn) return { kind: 'refused', message: 'This action has been lost; start it again.' };
    } else if (done.length > 0) {
      auditId = await recordAudit(tx, {
        ...{ actor, action: `job.${action}`, target: !isFilter && done.length === 1 ? `job:${done[0]!.id}` : 'jobs' },
        details: {
          count: done.length,
          ...(isFilter ? { filter: Object.fromEntries(Object.entries(target.filter).filter(([, value]) => value !== null)) } : {}),
          ...(isFilter ? {} : { jobs: done.slice(0, 50).map(({ id }) => id) }),
          ...(action === 'priority' ? { priority: command.priority } : {}),
        },
      });
    }
    if (auditId !== null && isUndoable(action)) await noteActionItems(tx, auditId, done.map(itemOf));
    const last = isFilter && found.length === JOBS_AT_ONCE ? found.at(-1) : undefined;
    const counts = { doneCount: done.length, skippedCount: (isFilter ? found.length : target.ids.length) - done.length };
    return { kind: 'ok', auditId, ...counts, skipped, cursor: last === undefined ? null : writeCursor(last) };
  });
}

/** Takes an action on jobs back, a part of it at a time, for those that have not gone on since. */
export async function undoJobAction(sql: Database, actor: Actor, auditId: number): Promise<QueueReply> {
  if (actor.role !== 'admin') return NOT_ADMIN;
  return untilNotOvertaken(sql, async (tx): Promise<QueueReply> => {
    const action = await auditedAction(tx, auditId);
    const items = await takeActionItems(tx, auditId, JOBS_AT_ONCE);
    if (action === null || items.length === 0) return { kind: 'refused', message: 'There is nothing left of this to undo.' };
    const now = await jobsToActOn(
      tx,
      items.map(({ jobId }) => jobId),
    );
    const { done, skipped } = await takeBack(tx, actor, action, items, now);
    await recordAudit(tx, {
      actor,
      action: 'job.undo',
      target: `audit:${auditId}`,
      details: { undone: `job.${action}`, count: done.length },
    });
    const counts = { doneCount: done.length, skippedCount: items.length - done.length };
    return { kind: 'ok', auditId: null, ...counts, skipped, cursor: items.length === JOBS_AT_ONCE ? 'more' : null };
  });
}

async function takeBack(
  tx: Transaction,
  actor: Actor,
  action: JobAction,
  items: readonly ActionItem[],
  now: readonly ActedJob[],
): Promise<Acted> {
  const before = new Map(items.map((item) => [item.jobId, item.before]));
  const isWaiting = ({ state }: ActedJob) => state === 'created' || state === 'retry';
  if (action === 'cancel')
    return retry(
      tx,
      actor,
      now.filter(({ state }) => state === 'cancelled'),
    );
  const waiting = now.filter(isWaiting);
  const skipped = waiting.length === items.length ? null : 'they have begun or ended since';
  if (action === 'retry') {
    for (const job of byVideo(waiting)) {
      const reason = before.get(job.id)!.error ?? 'Cancelled.';
      if (job.stage !== null) await failStage(tx, job.stage, stageItem(job), reason, actor);
    }
    const ended = await endAgain(
      tx,
      waiting.map(({ queue, id }) => ({ queue, id, ...before.get(id)! })),
    );
    if (ended.length < waiting.length) throw new Overtaken();
  } else {
    for (const { queue, id } of waiting) if (!(await moveJob(tx, queue, id, before.get(id)!))) throw new Overtaken();
  }
  return { done: waiting, skipped };
}

async function perform(tx: Transaction, actor: Actor, { action, priority }: ActOnJobs, found: readonly ActedJob[]): Promise<Acted> {
  const able = found.filter(({ state }) => actionsFor(state).includes(action));
  const skipped = able.length === found.length ? null : 'their state does not allow it';
  switch (action) {
    case 'retry': {
      const retried = await retry(tx, actor, able);
      return { done: retried.done, skipped: retried.skipped ?? skipped };
    }
    case 'cancel':
      await cancel(tx, actor, able);
      return { done: able, skipped };
    case 'delete':
      for (const [queue, ids] of idsByQueue(able)) await change(tx, 'deleteJob', queue, ids);
      await forgetAttempts(
        tx,
        able.map(({ id }) => id),
      );
      return { done: able, skipped };
    case 'run-now':
    case 'priority':
      for (const { queue, id, startAfter } of able) {
        const place = action === 'priority' ? { priority, startAfter } : { priority: FIRST_PRIORITY, startAfter: new Date().toISOString() };
        if (!(await moveJob(tx, queue, id, place))) throw new Overtaken();
      }
      return { done: able, skipped };
  }
}

async function retry(tx: Transaction, actor: Actor, jobs: readonly ActedJob[]): Promise<Acted> {
  const replaced = await replacedJobs(
    tx,
    jobs.map(({ id }) => id),
  );
  // Of several for the same thing the newest: two can't wait beside each other.
  const newest = new Map(jobs.toReversed().map((job) => [`${job.queue} ${job.singletonKey ?? ''}`, job.id]));
  const free = jobs.filter((job) => !replaced.has(job.id) && newest.get(`${job.queue} ${job.singletonKey ?? ''}`) === job.id);
  let skipped = free.length === jobs.length ? null : 'another job for the same thing waits or runs already';
  const done: ActedJob[] = [];
  for (const job of byVideo(free)) {
    const isThere = job.stage === null || (await reopenStage(tx, job.stage, stageItem(job), actor));
    if (isThere) done.push(job);
    else skipped = 'their video has been removed';
  }
  for (const [queue, ids] of idsByQueue(done.filter(({ state }) => state === 'failed'))) await change(tx, 'retry', queue, ids);
  for (const [queue, ids] of idsByQueue(done.filter(({ state }) => state === 'cancelled'))) await change(tx, 'resume', queue, ids);
  return { done, skipped };
}

/** Cancels jobs, and has their processes stopped, wherever they run. */
async function cancel(tx: Transaction, actor: Actor, jobs: readonly ActedJob[]): Promise<void> {
  for (const job of byVideo(jobs)) {
    if (job.stage !== null) await failStage(tx, job.stage, stageItem(job), `Cancelled by ${actor.name}.`, actor);
  }
  for (const [queue, ids] of idsByQueue(jobs)) await change(tx, 'cancel', queue, ids);
  const running = jobs.filter(({ state }) => state === 'active').map(({ id }) => id);
  for (let from = 0; from < running.length; from += IDS_PER_ORDER) {
    await orderWorkers(tx, { kind: 'stop-jobs', jobIds: running.slice(from, from + IDS_PER_ORDER) });
  }
  // Also where the process that waits for them is gone.
  await cancelCallsOfJobs(
    tx,
    jobs.map(({ id }) => id),
  );
}

async function change(tx: Transaction, what: Parameters<typeof changeJobs>[1], queue: QueueName, ids: readonly string[]): Promise<void> {
  if ((await changeJobs(tx, what, queue, ids)) !== ids.length) throw new Overtaken();
}

function idsByQueue(jobs: readonly ActedJob[]): [QueueName, string[]][] {
  return [...Map.groupBy(jobs, ({ queue }) => queue)].map(([queue, each]) => [queue, each.map(({ id }) => id)]);
}

/** Videos are locked in the order of their ids, so that two actions never wait for each other in a circle. */
function byVideo(jobs: readonly ActedJob[]): ActedJob[] {
  return jobs.toSorted((one, other) => (one.videoId ?? 0) - (other.videoId ?? 0));
}

function stageItem({ itemId, videoId }: ActedJob): { itemId: number; videoId: number } {
  return { itemId: itemId ?? 0, videoId: videoId ?? 0 };
}

function itemOf({ id, queue, state, priority, startAfter, endedAt, error }: ActedJob): ActionItem {
  return { jobId: id, queue, before: { state, priority, startAfter, endedAt, error } };
}

/** Runs a transaction again when jobs have changed under it, or when two such have got in each other's way. */
async function untilNotOvertaken<T>(sql: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await sql.begin(run)) as T;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      // 23505: another job for the same thing has come to wait. 40P01: a deadlock was broken here.
      const isOvertaken = error instanceof Overtaken || code === '23505' || code === '40P01';
      if (!isOvertaken || attempt === TRIES) throw error;
    }
  }
}
