import type { QueueName } from '#lib/jobs/stages.ts';
import type { Sql } from '#lib/server/db.ts';

/** Resolves when the database answers a query; rejects when it doesn't. */
export async function ping(sql: Sql): Promise<void> {
  await sql`select 1`;
}

/** Those of these queues that pg-boss does not know; rejects where it has no schema at all. */
export async function missingQueues(sql: Sql, names: readonly string[]): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select name from unnest(${[...names]}::text[]) as name where not exists (select from pgboss.queue q where q.name = name.name)`;
  return rows.map(({ name }) => name);
}

/** How the database stands now. */
export interface DatabaseLoad {
  readonly sizeBytes: number;
  readonly connections: number;
  readonly allowed: number;
  /** Of the transactions that are open. */
  readonly oldestTransactionMs: number;
  readonly version: string;
  readonly vectorVersion: string | null;
}

/** Asks the database how it stands. */
export async function databaseLoad(sql: Sql): Promise<DatabaseLoad> {
  const [row] = await sql<DatabaseLoad[]>`
    select pg_database_size(current_database())::float8 as "sizeBytes",
      (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
      current_setting('max_connections')::int as allowed,
      coalesce((select extract(epoch from max(clock_timestamp() - xact_start)) * 1000 from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()), 0)::float8 as "oldestTransactionMs",
      current_setting('server_version') as version,
      (select extversion from pg_extension where extname = 'vector') as "vectorVersion"`;
  return row!;
}

/** Boots of a pool that failed one after another, and why the last machine ended. */
export async function bootFailures(sql: Sql, pool: string): Promise<{ failures: number; lastFailure: string | null }> {
  const [row] = await sql<{ failures: number; lastFailure: string | null }[]>`
    select p.boot_failures as failures,
      (select failure from pool_runners where pool = p.name and failure is not null order by gone_at desc limit 1) as "lastFailure"
    from pools p where p.name = ${pool}`;
  return row!;
}

/** Attempts at jobs of a queue within a day that failed one after another, up to now, and why the last one did. */
export async function failuresInARow(sql: Sql, queue: QueueName): Promise<{ failures: number; lastError: string | null }> {
  const [row] = await sql<{ failures: number; lastError: string | null }[]>`
    with recent as (
      select id, outcome, error from job_attempts
      where queue = ${queue} and outcome in ('done', 'failed') and started_at > now() - interval '1 day'
    ), failed as (
      select id, error from recent where id > coalesce((select max(id) from recent where outcome = 'done'), 0)
    )
    select (select count(*)::int from failed) as failures,
      (select split_part(error, chr(10), 1) from failed order by id desc limit 1) as "lastError"`;
  return row!;
}
