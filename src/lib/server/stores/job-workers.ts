import type { QueueName } from '#lib/jobs/stages.ts';
import type { Sql } from '#lib/server/db.ts';

/** A process of which nothing was heard for so long is gone, or can't reach the database. */
const LOST_AFTER_SECONDS = 20;

/** A process that works on queues, as it says itself. */
export interface WorkerRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly role: string;
  readonly version: string;
  /** How many jobs of each queue it runs side by side; 0 for one that is paused. */
  readonly queues: Readonly<Partial<Record<QueueName, number>>>;
}

/** A process with when it was heard of. */
export interface KnownWorker extends WorkerRow {
  readonly startedAt: string;
  readonly heartbeatAt: string;
  readonly isLost: boolean;
}

/** Notes that a process works on queues, and that it lives. */
export async function noteWorker(sql: Sql, { id, host, pid, role, version, queues }: WorkerRow): Promise<void> {
  await sql`
    insert into job_workers (id, host, pid, role, version, queues)
    values (${id}, ${host}, ${pid}, ${role}, ${version}, ${sql.json({ ...queues })})
    on conflict (id) do update set queues = excluded.queues, heartbeat_at = now()`;
}

/** Forgets a process that ends as it should. */
export async function forgetWorker(sql: Sql, id: string): Promise<void> {
  await sql`delete from job_workers where id = ${id}`;
}

/** Forgets processes of which nothing was heard for an hour. */
export async function forgetLostWorkers(sql: Sql): Promise<void> {
  await sql`delete from job_workers where heartbeat_at < now() - interval '1 hour'`;
}

/** The processes that work on queues, and those that should; the oldest first. */
export async function knownWorkers(sql: Sql): Promise<KnownWorker[]> {
  return [
    ...(await sql<KnownWorker[]>`
      select id, host, pid, role, version, queues, to_char(started_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "startedAt",
             to_char(heartbeat_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "heartbeatAt",
             heartbeat_at < now() - make_interval(secs => ${LOST_AFTER_SECONDS}) as "isLost"
      from job_workers order by started_at, id`),
  ];
}
