import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { FlySimulator } from '../../support/fly-sim/simulator.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { startTestFly } from '../../support/pool/fly.ts';
import { importFilm, startWorker } from '../../support/worker.ts';

let env: TestEnvironment;
let fly: FlySimulator;
const workers: ChildProcess[] = [];
beforeAll(async () => {
  env = await openEnvironment();
  fly = await startTestFly();
});
afterAll(async () => {
  for (const worker of workers) worker.kill('SIGKILL');
  await fly.close();
  await env.close();
});

const startFlyWorker = () => {
  const worker = startWorker({
    ...{ RUNNER_BACKEND: 'fly', FLY_API_URL: fly.origin, FLY_API_TOKEN: fly.token, FLY_APP_NAME: 'heaters', FLY_IMAGE_REF: 'heaters:1' },
  });
  workers.push(worker);
  return worker;
};
const until = <T>(check: () => Promise<T>) => vi.waitFor(check, { timeout: 90_000, interval: 100 });

it('a video is encoded on Fly Machines though a worker dies in the middle, and people see nothing but progress', async () => {
  const ann = await env.addPerson('Ann', 'reviewer');
  const videoId = await importFilm(env, ann, 'testsrc2=s=1280x720:r=30:d=60');

  const first = startFlyWorker();
  const stage = async () =>
    (
      await env.sql<{ percent: number | null; attempt: number; error: string | null; state: string }[]>`
    select percent, attempt, error, state from stage_runs where stage = 'encode' and item_id = ${videoId}`
    )[0];
  await until(async () => expect((await stage())?.percent ?? 0).toBeGreaterThan(3));
  const seen: (number | null)[] = [];
  const watching = setInterval(() => void stage().then((now) => seen.push(now?.percent ?? null)), 100);
  first.kill('SIGKILL');
  startFlyWorker();
  const video = async () => (await env.sql<{ state: string }[]>`select state from videos where id = ${videoId}`)[0];
  await until(async () => expect(await video()).toEqual({ state: 'ready' }));
  clearInterval(watching);

  expect(await stage()).toMatchObject({ state: 'done', attempt: 1, error: null });
  expect(seen.every((percent, index) => percent !== null && percent >= (seen[index - 1] ?? 0))).toBe(true);
  const calls = await env.sql`select task, attempt, state from pool_calls where task = 'encode-video'`;
  expect([...calls]).toEqual([{ task: 'encode-video', attempt: 1, state: 'committed' }]);
  const story = await env.sql`select kind, runner_id, message, at from pool_events order by id`;
  expect(fly.counts().maxExisting, JSON.stringify(story)).toBe(1);
}, 180_000);
