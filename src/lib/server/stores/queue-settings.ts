import type { QueueName } from '#lib/jobs/stages.ts';
import type { Sql } from '#lib/server/db.ts';

/** Postgres channel on which processes that work on queues are told what to do. */
export const WORKERS_CHANNEL = 'heaters_workers';

/** What is said on `WORKERS_CHANNEL`. */
export type WorkerOrder =
  | { readonly kind: 'settings-changed' }
  /** Their processes are to be stopped. */
  | { readonly kind: 'stop-jobs'; readonly jobIds: readonly string[] };

/** How a queue is set, as far as it differs from what the code says. */
export interface QueueSettings {
  readonly queue: QueueName;
  readonly isPaused: boolean;
  /** Jobs that one process runs side by side; null for what the code says. */
  readonly concurrency: number | null;
}

/** All queues that somebody has changed. */
export async function queueSettings(sql: Sql): Promise<QueueSettings[]> {
  return [...(await sql<QueueSettings[]>`select queue, is_paused as "isPaused", concurrency from queue_settings`)];
}

/** Pauses a queue or lets it go on. Gives whether that is a change. */
export async function setQueuePaused(sql: Sql, queue: QueueName, isPaused: boolean): Promise<boolean> {
  const rows = await sql`
    insert into queue_settings as known (queue, is_paused) select ${queue}, ${isPaused}
    on conflict (queue) do update set is_paused = excluded.is_paused where known.is_paused <> excluded.is_paused
    returning queue`;
  return rows.length === 1;
}

/** Sets how many jobs of a queue one process runs side by side; null for what the code says. */
export async function setQueueConcurrency(sql: Sql, queue: QueueName, concurrency: number | null): Promise<void> {
  await sql`
    insert into queue_settings (queue, concurrency) values (${queue}, ${concurrency})
    on conflict (queue) do update set concurrency = excluded.concurrency`;
}

/** Tells all processes that work on queues; they hear it when the transaction commits. */
export async function orderWorkers(sql: Sql, order: WorkerOrder): Promise<void> {
  await sql`select pg_notify(${WORKERS_CHANNEL}, ${JSON.stringify(order)})`;
}
