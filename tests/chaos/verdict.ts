import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import { sweep } from '#lib/jobs/sweep.server.ts';
import type { Database } from '#lib/server/db.ts';
import { measureVideo } from '#lib/server/media/probe.ts';
import { ATTEMPT_PREFIXES } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { unreferencedKeys } from '#lib/server/stores/media-keys.ts';
import { processes, type System } from './system.ts';

const DAY_MS = 24 * 3_600_000;

/** Every approved clip has one export of exactly its frames, and none was published twice for one decision. Gives their number. */
export async function expectExportedOnce(sql: Database): Promise<number> {
  const clips = await sql<{ id: number; key: string; frameCount: number }[]>`
    select id, export_key as key, end_frame - start_frame as "frameCount" from clips where superseded_at is null and state = 'approved'`;
  for (const { id, key, frameCount } of clips) {
    const measured = await measureVideo(await objectStore().inputFor(key));
    expect(measured.frameCount, `frames of the export of clip ${id}`).toBe(frameCount);
  }
  const twice = await sql`
    select c->>'id' as id, c->>'version' as version, count(*) from events, jsonb_array_elements(payload->'clips') c
    where type = 'clips-changed' and payload->>'cause' = 'export-done' and topic like 'video:%'
    group by 1, 2 having count(*) > 1`;
  expect([...twice]).toEqual([]);
  return clips.length;
}

/** No job, stage or call is left that nobody will end. */
export async function expectNothingStuck(sql: Database): Promise<void> {
  const jobs = await sql`
    select name, state, data from pgboss.job where state in ('created', 'retry', 'active') and data ? 'stage'`;
  expect([...jobs]).toEqual([]);
  expect([...(await sql`select stage, item_id, state from stage_runs where state in ('queued', 'running')`)]).toEqual([]);
  expect([...(await sql`select task, state from pool_calls where state in ('queued', 'running')`)]).toEqual([]);
}

/** Once what is overtaken has been swept: no process, work folder or object that nothing refers to, and every object that something does. */
export async function expectNothingLeft(system: System, sql: Database): Promise<void> {
  const running = processes().filter(({ command }) => command.includes(system.dataDir));
  expect(running.map(({ command }) => command)).toEqual([]);
  await sweep(sql, Date.now() + 9 * DAY_MS);
  expect(await readdir(path.join(system.dataDir, 'work')).catch(() => [])).toEqual([]);
  const keys = (await Promise.all(ATTEMPT_PREFIXES.map((prefix) => objectStore().list(prefix)))).flat().map(({ key }) => key);
  expect(await unreferencedKeys(sql, keys)).toEqual([]);
  const wanted = await sql<{ key: string }[]>`
    select unnest(array[source_key, proxy_key, master_key, thumbnail_key]) as key from videos
    union all select export_key from clips where superseded_at is null and export_state = 'exported'`;
  const there = new Set(keys);
  expect(wanted.flatMap(({ key }) => (key === null || there.has(key) ? [] : [key]))).toEqual([]);
  expect(await system.s3.unfinishedUploads()).toBe(0);
}

/** How things stand, for a run that did not come to its end. */
export async function describeState(system: System, sql: Database): Promise<string> {
  const tables = {
    videos: await sql`select id, state, failed_stage, error from videos order by id`,
    stages: await sql`select stage, item_id, state, attempt, failures, percent, error from stage_runs where state <> 'done'`,
    jobs: await sql`select name, state, retry_count, start_after, heartbeat_on, data from pgboss.job where state in ('created', 'retry', 'active')`,
    calls: await sql`select id, idem_key, task, state, attempt, runner_id, error, not_before from pool_calls where state <> 'committed'`,
    runners: await sql`select id, slot, state, failure, reserved_at, lease_until, draining_at from pool_runners order by id desc limit 12`,
    processes: processes().filter(({ command }) => command.includes(system.dataDir)),
    pool: await sql`select explanation, boot_failures, boot_retry_at, now() from pools`,
  };
  return Object.entries(tables)
    .map(([name, rows]) => `${name}\n${rows.map((row) => `  ${JSON.stringify(row)}`).join('\n')}`)
    .join('\n');
}
