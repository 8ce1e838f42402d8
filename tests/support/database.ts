import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { migrateJobs } from '#lib/server/migrate-jobs.ts';
import { migrate } from '#lib/server/migrate.ts';

const TEMPLATE = 'heaters_template';

/** A database of one's own with everything migrated. `drop` only when the tests passed: a failed one is worth a look. */
export async function createTestDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const adminUrl = process.env.TEST_DATABASE_URL;
  if (adminUrl === undefined) throw new Error('TEST_DATABASE_URL is not set: run the tests with `npm test`.');
  const admin = postgres(adminUrl, { max: 1, onnotice: () => undefined });
  const name = `test_${randomBytes(6).toString('hex')}`;
  try {
    // One at a time: a template can't be copied while someone is connected to it.
    await admin`select pg_advisory_lock(7245)`;
    const made = await admin`select 1 from pg_database where datname = ${TEMPLATE}`;
    if (made.length === 0) {
      await admin.unsafe(`create database ${TEMPLATE}`);
      await migrate(urlOf(adminUrl, TEMPLATE));
      await migrateJobs(urlOf(adminUrl, TEMPLATE));
    }
    await admin.unsafe(`create database ${name} template ${TEMPLATE}`);
  } finally {
    await admin`select pg_advisory_unlock(7245)`;
    await admin.end();
  }
  return {
    url: urlOf(adminUrl, name),
    drop: async () => {
      const sql = postgres(adminUrl, { max: 1, onnotice: () => undefined });
      await sql.unsafe(`drop database if exists ${name} with (force)`);
      await sql.end();
    },
  };
}

function urlOf(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
