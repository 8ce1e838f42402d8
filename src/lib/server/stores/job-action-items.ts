import type { JobAction, JobState } from '#lib/core/job-rules.ts';
import type { QueueName } from '#lib/jobs/stages.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** A job that an action has changed, and how it was. */
export interface ActionItem {
  readonly jobId: string;
  readonly queue: QueueName;
  readonly before: {
    readonly state: JobState;
    readonly priority: number;
    readonly startAfter: string;
    readonly endedAt: string | null;
    readonly error: string | null;
  };
}

/** Notes how jobs were before an action, so that it can be undone. */
export async function noteActionItems(tx: Transaction, auditId: number, items: readonly ActionItem[]): Promise<void> {
  if (items.length === 0) return;
  const rows = items.map(({ jobId, queue, before }) => ({ audit_id: auditId, job_id: jobId, queue, before: tx.json({ ...before }) }));
  await tx`insert into job_action_items ${tx(rows as never)} on conflict do nothing`;
}

/** Takes jobs of an action that is being undone, at most `limit`. */
export async function takeActionItems(tx: Transaction, auditId: number, limit: number): Promise<ActionItem[]> {
  return [
    ...(await tx<ActionItem[]>`
      delete from job_action_items
      where (audit_id, job_id) in (select audit_id, job_id from job_action_items where audit_id = ${auditId} limit ${limit} for update)
      returning job_id as "jobId", queue, before`),
  ];
}

/** The action on jobs that an entry of the log tells of; null when it tells of something else. */
export async function auditedAction(sql: Sql, auditId: number): Promise<JobAction | null> {
  const [row] = await sql<{ action: JobAction }[]>`
    select split_part(action, '.', 2) as action from audit_log where id = ${auditId} and action like 'job.%'`;
  return row?.action ?? null;
}

/** Adds to the number of jobs of an entry of the log, whose action goes on in parts. False when it is not this person's. */
export async function growAuditedAction(
  tx: Transaction,
  entry: { readonly auditId: number; readonly actorId: number; readonly action: JobAction },
  count: number,
): Promise<boolean> {
  const rows = await tx`
    update audit_log set details = jsonb_set(details, '{count}', to_jsonb((details ->> 'count')::int + ${count}::int))
    where id = ${entry.auditId} and actor_id = ${entry.actorId} and action = ${`job.${entry.action}`} returning id`;
  return rows.length === 1;
}

/** Which of these entries of the log can still be undone. */
export async function undoableEntries(sql: Sql, auditIds: readonly number[]): Promise<Set<number>> {
  const rows = await sql<{ id: number }[]>`
    select distinct audit_id::float8 as id from job_action_items where audit_id = any(${[...auditIds]}::bigint[])`;
  return new Set(rows.map(({ id }) => id));
}

/** Forgets how jobs were before actions of long ago. */
export async function removeOldActionItems(sql: Sql, olderThanDays: number): Promise<void> {
  await sql`
    delete from job_action_items i using audit_log a
    where a.id = i.audit_id and a.at < now() - make_interval(days => ${olderThanDays})`;
}
