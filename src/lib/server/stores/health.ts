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
