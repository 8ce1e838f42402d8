import type { QueueName } from '#lib/jobs/stages.ts';
import type { Sql } from '#lib/server/db.ts';

/** What a database server is and may do for us. */
export interface DatabaseFacts {
  readonly serverVersion: number;
  /** The installed version, and the one that could be installed; null for none. */
  readonly pgvector: string | null;
  readonly pgvectorAvailable: string | null;
  /** Whether this role may create extensions, if the server trusts them. */
  readonly mayCreate: boolean;
  readonly connections: { readonly used: number; readonly most: number };
}

/** Asks the server about itself. */
export async function databaseFacts(sql: Sql): Promise<DatabaseFacts> {
  const [facts] = await sql<DatabaseFacts[]>`
    select current_setting('server_version_num')::int / 10000 as "serverVersion",
           (select extversion from pg_extension where extname = 'vector') as pgvector,
           (select default_version from pg_available_extensions where name = 'vector') as "pgvectorAvailable",
           has_database_privilege(current_database(), 'create') as "mayCreate",
           json_build_object('used', (select count(*) from pg_stat_activity where backend_type = 'client backend'),
                             'most', current_setting('max_connections')::int) as connections`;
  return facts!;
}

/** The names of the migrations that this database has had. */
export async function appliedMigrations(sql: Sql): Promise<string[]> {
  const [table] = await sql`select 1 from pg_tables where schemaname = 'public' and tablename = 'migrations'`;
  if (table === undefined) return [];
  return (await sql<{ name: string }[]>`select name from migrations`).map(({ name }) => name);
}

/** How many seconds ago the dispatcher has run to its end; null when it has not within what is kept. */
export async function secondsSinceDispatch(sql: Sql): Promise<number | null> {
  const [row] = await sql<{ seconds: number | null }[]>`
    select extract(epoch from now() - max(completed_on))::float8 as seconds
    from pgboss.job where name = 'default' and state = 'completed' and data->>'schedule' = 'dispatch'`;
  return row?.seconds ?? null;
}

/** How a queue fares. */
export interface QueueHealth {
  readonly queue: QueueName;
  /** Jobs that failed for good, and those under way to fail, within the last hour. */
  readonly failed: number;
  readonly retrying: number;
  /** For how many seconds the oldest job waits that could run; 0 when none does. */
  readonly oldestWaitSeconds: number;
}

/** How each queue fares that has had jobs lately. */
export async function queuesHealth(sql: Sql): Promise<QueueHealth[]> {
  return sql<QueueHealth[]>`
    select name as queue,
           count(*) filter (where state = 'failed' and completed_on > now() - interval '1 hour')::int as failed,
           count(*) filter (where state = 'retry' and retry_count > 1)::int as retrying,
           coalesce(max(extract(epoch from now() - greatest(created_on, start_after)))
             filter (where state in ('created', 'retry') and start_after < now()), 0)::float8 as "oldestWaitSeconds"
    from pgboss.job where name !~ '^__' group by name order by name`;
}

/** The queues that a living process works on, by pg-boss's registry of its instances. */
export async function workedQueues(sql: Sql): Promise<string[]> {
  const rows = await sql<{ queue: string }[]>`
    select distinct worker->>'queue' as queue from pgboss.instance i, jsonb_array_elements(i.workers) as worker
    where i.stopped_on is null and i.heartbeat_on > now() - make_interval(secs => 3 * i.heartbeat_seconds)`;
  return rows.map(({ queue }) => queue);
}

/** The latest clip that people could review now; null when there is none. */
export async function latestPlayableClip(sql: Sql): Promise<{ id: number; videoId: number; startFrame: number; endFrame: number } | null> {
  const [clip] = await sql<{ id: number; videoId: number; startFrame: number; endFrame: number }[]>`
    select c.id, c.video_id as "videoId", c.start_frame as "startFrame", c.end_frame as "endFrame"
    from clips c join videos v on v.id = c.video_id
    where v.state = 'ready' and v.proxy_key is not null and v.deleted_at is null and c.superseded_at is null
    order by v.id desc, c.start_frame limit 1`;
  return clip ?? null;
}

/** An admin who may log in; null before the first one is made. */
export async function anyAdmin(sql: Sql): Promise<number | null> {
  const [user] = await sql<{ id: number }[]>`select id from users where role = 'admin' and disabled_at is null order by id limit 1`;
  return user?.id ?? null;
}
