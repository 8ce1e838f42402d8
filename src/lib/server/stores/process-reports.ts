import type { KnownProcess, ProcessReport } from '#lib/core/troubles.ts';
import type { Sql } from '#lib/server/db.ts';

/** A process of which nothing was heard for so long is gone, or can't reach the database. */
const LOST_AFTER_SECONDS = 45;

/** A process as it names itself. */
export interface ProcessIdentity {
  readonly id: string;
  readonly role: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Date;
}

/** A process with when it was heard of, in ms since 1970. */
export type ReportedProcess = KnownProcess & { readonly id: string; readonly startedAtMs: number; readonly reportedAtMs: number };

/** Stores how a process sees the world, and forgets those of which nothing was heard for an hour. */
export async function storeReport(sql: Sql, { id, role, host, pid, startedAt }: ProcessIdentity, report: ProcessReport): Promise<void> {
  await sql`
    with old as (delete from process_reports where reported_at < now() - interval '1 hour')
    insert into process_reports (id, role, host, pid, started_at, report)
    values (${id}, ${role}, ${host}, ${pid}, ${startedAt}, ${sql.json(report as never)})
    on conflict (id) do update set report = excluded.report, reported_at = now()`;
}

/** Forgets a process that ends as it should. */
export async function forgetProcess(sql: Sql, id: string): Promise<void> {
  await sql`delete from process_reports where id = ${id}`;
}

/** All processes that have reported within the hour, web nodes last. */
export async function reportedProcesses(sql: Sql): Promise<ReportedProcess[]> {
  return sql<ReportedProcess[]>`
    select id, role, host, pid, report, (extract(epoch from started_at) * 1000)::float8 as "startedAtMs",
      (extract(epoch from reported_at) * 1000)::float8 as "reportedAtMs",
      reported_at < now() - make_interval(secs => ${LOST_AFTER_SECONDS}) as "isLost"
    from process_reports order by role desc, started_at`;
}
