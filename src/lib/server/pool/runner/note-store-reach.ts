import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { reach } from '#lib/server/reach.ts';
import type { RunnerIdentity } from '#lib/server/stores/pool-calls.ts';
import { recordStoreReach } from '#lib/server/stores/pool-runners.ts';
import { hint } from '#lib/server/stores/pools.ts';

/** The first call goes first: the store's client takes a moment to load. */
const AFTER_MS = 1_000;

/** Notes, once, how this machine reaches the object store, for the pages of the pool and the system. */
export async function noteStoreReach(sql: Database, identity: RunnerIdentity): Promise<void> {
  await sleep(AFTER_MS);
  const { objectStore } = await import('#lib/server/storage/object-store.ts');
  const found = await reach(() => objectStore().check());
  if (found.kind === 'failed')
    log.error({ runnerId: identity.runnerId, reason: found.reason }, 'this runner does not reach the object store');
  await recordStoreReach(sql, identity, found);
  await hint(sql, { kind: 'pool-changed' });
}
