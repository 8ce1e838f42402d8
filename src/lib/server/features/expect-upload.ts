import { RUNNER_POOL } from '#lib/jobs/stages.ts';
import { config } from '#lib/server/config.ts';
import type { Database } from '#lib/server/db.ts';
import { warmPool } from '#lib/server/stores/pools.ts';

const WARM_MS = 120_000;

/**
 * Has a machine ready for who is about to upload. Only where machines take seconds to boot: a process of
 * this machine is there before the first byte of an upload.
 */
export async function expectUpload(sql: Database): Promise<void> {
  if (config().fly !== null) await warmPool(sql, RUNNER_POOL, WARM_MS);
}
