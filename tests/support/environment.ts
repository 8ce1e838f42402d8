import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { closeDb, connect, type Database } from '#lib/server/db.ts';
import { insertUser } from '#lib/server/stores/users.ts';
import type { Actor } from '#lib/server/features/review-clip.ts';
import type { Role } from '#lib/live/views.ts';
import { createTestDatabase } from './database.ts';

/** A database and data folder of one's own, known to `config()` of this process. */
export interface TestEnvironment {
  readonly sql: Database;
  readonly dataDir: string;
  addPerson(name: string, role: Role): Promise<Actor>;
  close(): Promise<void>;
}

/** Opens a test environment; call it before anything else asks for the configuration. */
export async function openEnvironment(): Promise<TestEnvironment> {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'data-'));
  Object.assign(process.env, {
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    SECRET_KEY_BASE: 'only-for-tests-'.repeat(4),
    ORIGIN: 'http://localhost:3000',
  });
  const sql = connect(database.url, 10);
  return {
    sql,
    dataDir,
    async addPerson(name, role) {
      const user = await insertUser(sql, { email: `${name.toLowerCase()}@example.com`, name, role, passwordHash: null });
      if (user === null) throw new Error(`${name} is there already.`);
      return { userId: user.id, name, role };
    },
    async close() {
      await closeDb();
      await sql.end({ timeout: 5 });
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
