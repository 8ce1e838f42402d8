import type { QueueName } from '#lib/jobs/stages.ts';
import type { QueueCommand, QueueReply } from '#lib/live/job-views.ts';
import type { Database } from '#lib/server/db.ts';
import { enqueueSchedule } from '#lib/server/enqueue.ts';
import { actOnJobs, NOT_ADMIN, undoJobAction } from '#lib/server/features/act-on-jobs.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { tellQueuesChanged } from '#lib/server/features/watch-queues.ts';
import { recordAudit } from '#lib/server/stores/audit.ts';
import { orderWorkers, queueSettings, setQueueConcurrency, setQueuePaused } from '#lib/server/stores/queue-settings.ts';

const DONE: QueueReply = { kind: 'ok', auditId: null, doneCount: 1, skippedCount: 0, skipped: null, cursor: null };

/** Does what the monitor asks for. */
export async function obeyQueueCommand(sql: Database, actor: Actor, command: QueueCommand): Promise<QueueReply> {
  switch (command.kind) {
    case 'jobs':
      return actOnJobs(sql, actor, command);
    case 'undo':
      return undoJobAction(sql, actor, command.auditId);
    case 'pause':
      return pauseQueue(sql, actor, command.queue, command.isPaused);
    case 'concurrency':
      return changeConcurrency(sql, actor, command.queue, command.concurrency);
    case 'run-schedule':
      return runSchedule(sql, actor, command.key);
  }
}

/** Pauses a queue in all processes, or lets it go on. Jobs that run finish; it stays so until somebody resumes it. */
async function pauseQueue(sql: Database, actor: Actor, queue: QueueName, isPaused: boolean): Promise<QueueReply> {
  if (actor.role !== 'admin') return NOT_ADMIN;
  return (await sql.begin(async (tx) => {
    if (!(await setQueuePaused(tx, queue, isPaused))) {
      return { kind: 'refused', message: isPaused ? `${queue} is paused already.` : `${queue} is not paused.` };
    }
    await recordAudit(tx, { actor, action: isPaused ? 'queue.pause' : 'queue.resume', target: `queue:${queue}` });
    await orderWorkers(tx, { kind: 'settings-changed' });
    await tellQueuesChanged(tx);
    return DONE;
  })) as QueueReply;
}

/** Changes how many jobs of a queue each process runs side by side. When it becomes fewer, those that run finish. */
async function changeConcurrency(sql: Database, actor: Actor, queue: QueueName, concurrency: number | null): Promise<QueueReply> {
  if (actor.role !== 'admin') return NOT_ADMIN;
  return (await sql.begin(async (tx) => {
    const before = (await queueSettings(tx)).find((each) => each.queue === queue)?.concurrency ?? null;
    await setQueueConcurrency(tx, queue, concurrency);
    await recordAudit(tx, { actor, action: 'queue.concurrency', target: `queue:${queue}`, details: { before, after: concurrency } });
    await orderWorkers(tx, { kind: 'settings-changed' });
    await tellQueuesChanged(tx);
    return DONE;
  })) as QueueReply;
}

async function runSchedule(sql: Database, actor: Actor, key: 'dispatch' | 'sweep'): Promise<QueueReply> {
  if (actor.role !== 'admin') return NOT_ADMIN;
  return (await sql.begin(async (tx) => {
    if (!(await enqueueSchedule(tx, 'default', key))) return { kind: 'refused', message: `${key} waits or runs already.` };
    await recordAudit(tx, { actor, action: 'schedule.run', target: `schedule:${key}` });
    return DONE;
  })) as QueueReply;
}
