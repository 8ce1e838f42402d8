import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate } from '#lib/server/migrate.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { createTestDatabase } from '../support/database.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

const folder = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'backup-'));
const file = path.join(folder, 'heaters.dump');
let env: TestEnvironment;
let ann: Actor;
beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann “the cutter” Ö’Neil', 'admin');
  const videoId = await env.addVideo(ann, 300, [100, 200]);
  await env.sql`insert into embedding_models (name, version, dimensions) values ('clip', '1', 3)`;
  await env.sql`
    insert into clip_embeddings (clip_id, model_id, video_id, start_frame, end_frame, strategy, embedding)
    select id, 1, video_id, start_frame, end_frame, 'mean', ('[' || start_frame || ',1,0.5]')::halfvec from clips`;
  await env.sql.begin((tx) => enqueueStage(tx, 'keyframes', { itemId: videoId, videoId }, { priority: 7 }));
});
afterAll(async () => {
  await env.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs one of the commands on a database. */
function run(script: string, databaseUrl: string, ...args: string[]): Promise<{ status: number | null; said: string }> {
  const child = spawn(process.execPath, [`scripts/${script}.js`, ...args], { env: { ...process.env, DATABASE_URL: databaseUrl } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, said })));
}

/** Every table with a digest of its rows. Nobody stays connected. */
async function contentOf(databaseUrl: string): Promise<Record<string, string>> {
  const sql = postgres(databaseUrl, { max: 1 });
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('public', 'pgboss') order by 1`;
  const digests: [string, string][] = [];
  for (const { name } of tables) {
    const [row] = await sql.unsafe(
      `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as digest from ${name} t`,
    );
    digests.push([name, String(row!.digest)]);
  }
  await sql.end();
  return Object.fromEntries(digests);
}

async function emptyDatabase() {
  const database = await createTestDatabase();
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  await sql`drop schema pgboss cascade`;
  await sql`drop schema public cascade`;
  await sql`create schema public`;
  await sql.end();
  return database;
}

it('a backup of the database in use becomes another database with the same rows, vectors and jobs', async () => {
  const before = await contentOf(process.env.DATABASE_URL!);
  const saved = await run('backup', process.env.DATABASE_URL!, '--to', file);
  expect(saved).toMatchObject({ status: 0, said: expect.stringContaining('Media files are not in it') as string });
  expect(statSync(file).mode & 0o077).toBe(0);
  expect(await run('backup', process.env.DATABASE_URL!, '--to', file)).toMatchObject({ status: 1 });

  const other = await emptyDatabase();
  const restored = await run('restore', other.url, file);
  expect(restored.said).toContain('1 videos, 3 clips, 0 decisions and 1 jobs to do');
  expect(restored.status).toBe(0);
  expect(await contentOf(other.url)).toEqual(before);

  // It is whole: a newer app can go on from it, and vectors are found by likeness.
  await migrate(other.url);
  const sql = postgres(other.url, { max: 1 });
  const near = await sql`select start_frame from clip_embeddings order by embedding <=> '[200,1,0.5]' limit 1`;
  expect([...near]).toEqual([{ start_frame: 200 }]);
  const [job] = await sql`select name, data->>'stage' as stage, priority, state from pgboss.job where name = 'background_jobs'`;
  expect(job).toEqual({ name: 'background_jobs', stage: 'keyframes', priority: 7, state: 'created' });
  await expect(sql`insert into clips (video_id, start_frame, end_frame) values (1, 10, 20)`).rejects.toThrow();
  await sql.end();
  await other.drop();
});

it('a restore refuses to overwrite, and what is in use, and does so whole when it is told to', async () => {
  const other = await createTestDatabase();
  const sql = postgres(other.url, { max: 1 });
  await sql`insert into users (email, name, role) values ('ben@example.com', 'Ben', 'reviewer')`;
  const inUse = await run('restore', other.url, file, '--overwrite');
  expect(inUse).toMatchObject({ status: 1, said: expect.stringContaining('stop the app') as string });
  await sql.end();

  const before = await contentOf(other.url);
  const refused = await run('restore', other.url, file);
  expect(refused).toMatchObject({ status: 1, said: expect.stringContaining('--overwrite') as string });
  const damaged = path.join(folder, 'damaged.dump');
  copyFileSync(file, damaged);
  truncateSync(damaged, statSync(file).size - 2_000);
  const failed = await run('restore', other.url, damaged, '--overwrite');
  expect(failed).toMatchObject({ status: 1, said: expect.stringMatching(/Nothing was changed|is no backup/) as string });
  expect(await contentOf(other.url)).toEqual(before);

  expect(await run('restore', other.url, file, '--overwrite')).toMatchObject({ status: 0 });
  expect(await contentOf(other.url)).toEqual(await contentOf(process.env.DATABASE_URL!));
  expect(existsSync(`${file}.part`)).toBe(false);
  await other.drop();
});
