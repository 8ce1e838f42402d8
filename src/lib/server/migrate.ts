import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type { Sql } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { appliedMigrations } from '#lib/server/stores/doctor.ts';

const MIGRATIONS_DIR = fileURLToPath(new URL('../../../migrations', import.meta.url));
const LOCK_PATIENCE_MS = 5_000;
const TRIES = 12;
/** PostgreSQL's code for a lock that did not come in time. */
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Brings a database up to date, all in one transaction. Several processes may call it at once: one works, the others wait.
 *
 * The last version still works on the tables meanwhile. Who waits for a table's lock makes everybody after it wait too, so
 * a migration gives up soon, and tries again.
 */
export async function migrate(databaseUrl: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await runner({
        databaseUrl: { connectionString: databaseUrl, options: `-c lock_timeout=${LOCK_PATIENCE_MS}` },
        dir: MIGRATIONS_DIR,
        direction: 'up',
        migrationsTable: 'migrations',
        singleTransaction: true,
        advisoryLockMode: 'wait',
        log: () => undefined,
      });
      return;
    } catch (error) {
      const isLocked = error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE;
      if (!isLocked || attempt === TRIES) throw error;
      log.warn({ attempt }, 'a table is in use: the migration tries again');
    }
  }
}

/** The migrations of this version that a database has not had, in order. */
export async function pendingMigrations(sql: Sql): Promise<string[]> {
  const applied = new Set(await appliedMigrations(sql));
  const names = (await readdir(MIGRATIONS_DIR)).map((file) => path.parse(file).name);
  return names.filter((name) => !applied.has(name)).sort();
}
