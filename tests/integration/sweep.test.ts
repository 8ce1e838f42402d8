import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sweep } from '#lib/jobs/sweep.server.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';

const HOUR_MS = 3_600_000;
let env: TestEnvironment;
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());

async function put(key: string): Promise<void> {
  const file = path.join(env.dataDir, 'new');
  writeFileSync(file, 'film');
  await objectStore().publish(key, file);
}
const keys = async () => (await Promise.all(['proxies/', 'clips/'].map((room) => objectStore().list(room)))).flat().map(({ key }) => key);

it('removes what nobody needs any more, and nothing that is shown or still being made', async () => {
  const ann = await env.addPerson('Ann', 'reviewer');
  const videoId = await env.addVideo(ann, 100, [50]);
  const shown = `proxies/${videoId}/2-2/proxy.mp4`;
  const overtaken = `proxies/${videoId}/1-1/proxy.mp4`;
  await env.sql`update videos set proxy_key = ${shown} where id = ${videoId}`;
  for (const key of [shown, overtaken, 'clips/99/1/0-50-3-3.mp4']) await put(key);
  mkdirSync(path.join(env.dataDir, 'work', 'left-by-a-crash'), { recursive: true });

  await sweep(env.sql, Date.now() + HOUR_MS);
  expect(await keys()).toHaveLength(3);
  await sweep(env.sql, Date.now() + 25 * HOUR_MS);
  expect(await keys()).toEqual([shown]);
  expect(() => mkdirSync(path.join(env.dataDir, 'work', 'left-by-a-crash'))).not.toThrow();
});
