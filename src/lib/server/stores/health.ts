import type { Sql } from '#lib/server/db.ts';

/** Resolves when the database answers a query; rejects when it doesn't. */
export async function ping(sql: Sql): Promise<void> {
  await sql`select 1`;
}
