import { db } from '#lib/server/db.ts';
import { readiness } from '#lib/server/features/check-health.ts';

const TIMEOUT_MS = 2_000;

/** Says whether this process can serve people: 200, or 503 with what is away and nothing that a stranger should not know. */
export const GET = async () => {
  const { isReady, checks } = await readiness(db(), TIMEOUT_MS);
  return Response.json(
    { status: isReady ? 'ready' : 'not ready', checks },
    { status: isReady ? 200 : 503, headers: { 'cache-control': 'no-store' } },
  );
};
