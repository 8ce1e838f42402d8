import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Database } from '#lib/server/db.ts';
import { LocalBackend } from '#lib/server/pool/backends/local.ts';
import type { RunnerBackend } from '#lib/server/pool/backends/backend.ts';
import { Pool, type CallOptions } from '#lib/server/pool/pool.ts';

/** The program of a runner that knows the test tasks. */
export const TEST_RUNNER = [process.execPath, fileURLToPath(new URL('runner.ts', import.meta.url))];

/** A parent of the pools that is quick to notice, with runners that know the test tasks. */
export async function startTestPool(
  sql: Database,
  databaseUrl: string,
  options: { readonly backend?: RunnerBackend; readonly parentId?: string; readonly dataDir: string },
): Promise<Pool> {
  const pool = new Pool(databaseUrl, {
    sql,
    backend: options.backend ?? new LocalBackend(TEST_RUNNER),
    parentId: options.parentId ?? randomUUID(),
    deployment: 'test',
    tokenFor: (name) => `token of ${name}`,
    runnerEnv: {
      ...{ HEATERS_ROLE: 'runner', DATABASE_URL: databaseUrl, PATH: process.env.PATH ?? '', DATA_DIR: options.dataDir },
      LOG_LEVEL: process.env.LOG_LEVEL ?? 'error',
    },
    ...{ tickMs: 200, checkMs: 200, orphanCheckMs: 1_000 },
  });
  await pool.start();
  return pool;
}

/** Options of a call that nothing hurries. */
export function callOptions(changes: Partial<CallOptions> = {}): CallOptions {
  return {
    ...{ pool: 'media', idemKey: randomUUID(), subject: null, priority: 0, timeoutMs: 60_000 },
    ...{ signal: new AbortController().signal, onProgress: () => undefined },
    ...changes,
  };
}
