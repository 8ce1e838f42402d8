import type { Database } from '#lib/server/db.ts';
import { foldJobChanges, tellQueuesChanged, workersFingerprint } from '#lib/server/features/watch-queues.ts';
import { log } from '#lib/server/log.ts';

const LOOK_EVERY_MS = 1_000;
const LOOK_AT_WORKERS_EVERY = 3;

/**
 * Once a second folds what has become of jobs, and tells the pages of admins of it and of workers that came or went, until
 * the function that it gives is called. It runs in web processes: where the pages are, also when no worker is left.
 */
export function startQueueWatch(sql: Database): () => void {
  let looks = 0;
  let known = '';
  let isLooking = false;
  const look = async () => {
    // A burst is folded at once and told in parts.
    while (await foldJobChanges(sql));
    looks += 1;
    if (looks % LOOK_AT_WORKERS_EVERY !== 1) return;
    const workers = await workersFingerprint(sql);
    if (workers !== known) await tellQueuesChanged(sql);
    known = workers;
  };
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((error: unknown) => log.warn({ err: error }, 'changes of jobs were not folded; trying again'))
      .finally(() => (isLooking = false));
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
