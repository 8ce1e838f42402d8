import type { Sql } from '#lib/server/db.ts';
import { ping } from '#lib/server/stores/health.ts';

/** Whether the database answers within a time. */
export async function isReady(sql: Sql, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const answer = ping(sql).then(
    () => true,
    () => false,
  );
  return await Promise.race([answer, tooLate]).finally(() => clearTimeout(timer));
}
