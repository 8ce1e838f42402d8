import { db } from '#lib/server/db.ts';
import { isReady } from '#lib/server/features/check-health.ts';

const TIMEOUT_MS = 2000;

/** Says whether this process can serve people: 200, or 503 when the database doesn't answer. */
export const GET = async () => {
  const ready = await isReady(db(), TIMEOUT_MS);
  return new Response(ready ? 'ok\n' : 'The database does not answer.\n', {
    status: ready ? 200 : 503,
    headers: { 'cache-control': 'no-store' },
  });
};
