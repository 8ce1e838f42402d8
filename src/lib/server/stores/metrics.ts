import type { Sql } from '#lib/server/db.ts';

/** Jobs of a queue by state, as pg-boss counted them some seconds ago. */
export interface QueueCounts {
  readonly queue: string;
  readonly deferred: number;
  readonly ready: number;
  readonly active: number;
  readonly failed: number;
}

/** How many jobs each queue has. pg-boss keeps the numbers itself: counting a million rows for each look would hurt. */
export async function queueCounts(sql: Sql): Promise<QueueCounts[]> {
  return sql<QueueCounts[]>`
    select name as queue, deferred_count as deferred, ready_count as ready, active_count as active, failed_count as failed
    from pgboss.queue where name not like '\\_\\_%' order by name`;
}

/** Machines by pool and state, those that are gone left out. */
export async function machineCounts(sql: Sql): Promise<{ pool: string; state: string; count: number }[]> {
  return sql<{ pool: string; state: string; count: number }[]>`
    select p.name as pool, s.state, count(r.id)::int as count
    from pools p cross join unnest(array['reserved', 'booting', 'ready', 'draining']) as s (state)
    left join pool_runners r on r.pool = p.name and r.state = s.state
    group by p.name, s.state`;
}

/** Calls that wait and that run, by pool. */
export async function callCounts(sql: Sql): Promise<{ pool: string; state: string; count: number }[]> {
  return sql<{ pool: string; state: string; count: number }[]>`
    select p.name as pool, s.state, count(c.id)::int as count
    from pools p cross join unnest(array['queued', 'running']) as s (state)
    left join pool_calls c on c.pool = p.name and c.state = s.state
    group by p.name, s.state`;
}

/** Connections to this database by what they do, and how many the server allows. */
export async function connectionCounts(sql: Sql): Promise<{ byState: { state: string; count: number }[]; allowed: number }> {
  const byState = await sql<{ state: string; count: number }[]>`
    select coalesce(state, 'other') as state, count(*)::int as count from pg_stat_activity
    where datname = current_database() group by 1 order by 1`;
  const [row] = await sql<{ allowed: number }[]>`select current_setting('max_connections')::int as allowed`;
  return { byState: [...byState], allowed: row!.allowed };
}
