import { handlers } from '#lib/jobs/handlers.server.ts';
import { startQueues } from '#lib/jobs/queues.server.ts';
import { STAGES, type QueueName } from '#lib/jobs/stages.ts';
import { config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { startPool } from '#lib/server/pool/start-pool.ts';

/**
 * Works on queues in this process until the function that it gives is called, which lets jobs finish for a while and hands
 * back the others. The process is a parent of the runner pool only where its jobs call it: elsewhere it would boot machines
 * that nobody has asked this one for. `role` is what the queue monitor calls it.
 */
export async function startWork(queueNames: readonly QueueName[], role: 'web' | 'worker'): Promise<() => Promise<void>> {
  if (queueNames.length === 0) return () => Promise.resolve();
  const isParent = Object.values(STAGES).some(({ where, queue }) => where === 'pool' && queueNames.includes(queue));
  const pool = await startPool({ isParent });
  const queues = await startQueues({ sql: db(), pool, handlers }, config(), queueNames, role);
  return async () => {
    await Promise.all([queues.stop(), pool.stop()]);
  };
}
