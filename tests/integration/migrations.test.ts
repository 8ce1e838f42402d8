import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { PG_MIGRATE_LOCK_ID } from 'node-pg-migrate';
import postgres from 'postgres';
import { expect, it } from 'vitest';
import { migrate } from '#lib/server/migrate.ts';

/** An empty database and who owns it; it is dropped afterwards. */
async function withEmptyDatabase(run: (url: string) => Promise<void>): Promise<void> {
  const admin = postgres(process.env.TEST_DATABASE_URL!, { max: 1, onnotice: () => undefined });
  const name = `empty_${randomBytes(6).toString('hex')}`;
  await admin.unsafe(`create database ${name}`);
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${name}`;
  try {
    await run(url.href);
  } finally {
    await admin.unsafe(`drop database ${name} with (force)`);
    await admin.end();
  }
}

it('several releases that migrate at once end up with one schema, and each of them succeeds', async () => {
  await withEmptyDatabase(async (url) => {
    const env = { ...process.env, DATABASE_URL: url, SECRET_KEY_BASE: 'only-for-tests-'.repeat(4) };
    const release = () => promisify(execFile)(process.execPath, ['src/entries/migrate.ts'], { env });
    await Promise.all([release(), release(), release()]);
    const sql = postgres(url, { max: 1 });
    const [twice] = await sql`select name from migrations group by name having count(*) > 1`;
    const [videos] = await sql`select count(*)::int as count from videos`;
    await sql.end();
    expect(twice).toBeUndefined();
    expect(videos).toEqual({ count: 0 });
  });
});

it('a release waits for one that takes longer than a lock may, and then has nothing left to do', async () => {
  await withEmptyDatabase(async (url) => {
    const sql = postgres(url, { max: 2, onnotice: () => undefined });
    const other = await sql.reserve();
    await other`select pg_advisory_lock(${String(PG_MIGRATE_LOCK_ID)})`;
    let isDone = false;
    const migrating = migrate(url).then(() => (isDone = true));
    await sleep(6_000);
    expect(isDone).toBe(false);
    await other`select pg_advisory_unlock(${String(PG_MIGRATE_LOCK_ID)})`;
    other.release();
    await migrating;
    expect((await sql`select 1 from migrations`).length).toBeGreaterThan(15);
    await sql.end();
  });
}, 30_000);
