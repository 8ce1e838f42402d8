import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Pool } from '#lib/server/pool/pool.ts';
import type { FlySimulator } from '../../support/fly-sim/simulator.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { startTestFly, testFlyBackend } from '../../support/pool/fly.ts';
import { callOptions, startTestPool } from '../../support/pool/pool.ts';
import { echo } from '../../support/pool/tasks.ts';

let env: TestEnvironment;
let fly: FlySimulator;
let pools: Pool[];
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());
beforeEach(async () => {
  await env.sql`
    update pools set idle_shutdown_ms = 300, lease_ms = 3000, boot_deadline_ms = 2500, boot_retry_at = null, boot_failures = 0, image = null`;
  fly = await startTestFly();
  pools = [];
});
afterEach(async () => {
  fly.clearFaults();
  await until(async () => expect(await env.sql`select from pool_runners where state <> 'gone'`).toHaveLength(0));
  await until(() => expect(fly.counts().existing).toBe(0));
  await Promise.all(pools.map((pool) => pool.stop()));
  await fly.close();
}, 40_000);

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 25_000, interval: 50 });
const parent = async () => {
  const pool = await startTestPool(env.sql, process.env.DATABASE_URL!, {
    dataDir: env.dataDir,
    backend: testFlyBackend(fly, { timeoutMs: 1_000 }),
  });
  pools.push(pool);
  return pool;
};
const running = () => env.sql<{ machineId: string }[]>`
  select r.machine_id as "machineId" from pool_calls c join pool_runners r on r.id = c.runner_id where c.state = 'running'`;
const lastCall = async () =>
  (
    await env.sql<{ attempt: number; memoryMb: number }[]>`
  select attempt, memory_mb as "memoryMb" from pool_calls order by id desc limit 1`
  )[0]!;

describe('a pool of Fly Machines', () => {
  it('grows for a burst from two parents, never beyond five, runs everything once, and shrinks to none', async () => {
    const [one, two] = [await parent(), await parent()];
    const results = await Promise.all(
      Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? one : two).call(echo, { text: `${index}`, ms: 100 }, callOptions())),
    );
    expect(new Set(results.map((result) => result.output.text)).size).toBe(24);
    expect(fly.counts().maxExisting).toBeLessThanOrEqual(5);
    expect(fly.counts().maxAlive).toBeGreaterThan(2);
  });

  it('gives runners what they need and no secret of the app', async () => {
    const pool = await parent();
    const ran = pool.call(echo, { text: 'look inside', ms: 2_000 }, callOptions());
    await until(async () => expect(await running()).toHaveLength(1));
    const { machineId } = (await running())[0]!;
    const environment = readFileSync(`/proc/${fly.pidOf(machineId)!}/environ`, 'utf8').split('\0');
    const names = environment.map((line) => line.split('=')[0]);
    expect(names).toEqual(expect.arrayContaining(['RUNNER_ID', 'RUNNER_TOKEN', 'DATABASE_URL', 'FLY_MACHINE_ID']));
    expect(names).not.toContain('FLY_API_TOKEN');
    expect(names).not.toContain('SECRET_KEY_BASE');
    await ran;
  });

  it('replaces a machine that is stuck in its boot', async () => {
    fly.addFault({ kind: 'stuck_created', count: 1 });
    const pool = await parent();
    expect((await pool.call(echo, { text: 'at last' }, callOptions())).output.text).toBe('at last');
    const [stuck] = await env.sql<{ message: string }[]>`select message from pool_events where kind = 'destroy' order by id desc limit 1`;
    expect(stuck!.message).toBe('It was not ready within 2.5 s.');
  });

  it('runs a call elsewhere when its machine crashes', async () => {
    const pool = await parent();
    const ran = pool.call(echo, { text: 'survivor', ms: 1_500 }, callOptions());
    await until(async () => expect(await running()).toHaveLength(1));
    fly.addFault({ kind: 'crash', machineId: (await running())[0]!.machineId });
    expect((await ran).output.text).toBe('survivor');
    expect((await lastCall()).attempt).toBe(2);
  });

  it('runs a call on a larger guest when its machine runs out of memory', async () => {
    const pool = await parent();
    const ran = pool.call(echo, { text: 'large', ms: 1_500 }, callOptions());
    await until(async () => expect(await running()).toHaveLength(1));
    fly.addFault({ kind: 'out_of_memory', machineId: (await running())[0]!.machineId });
    await ran;
    expect(await lastCall()).toEqual({ attempt: 2, memoryMb: 8192 });
    const [guest] = await env.sql<{ memoryMb: number }[]>`select memory_mb as "memoryMb" from pool_runners order by id desc limit 1`;
    expect(guest!.memoryMb).toBe(8192);
  });

  it('takes a call from a machine that is cut off, commits it once, and keeps the slot until that machine is gone', async () => {
    const pool = await parent();
    const ran = pool.call(echo, { text: 'once', ms: 1_500 }, callOptions());
    await until(async () => expect(await running()).toHaveLength(1));
    fly.addFault({ kind: 'partition', machineId: (await running())[0]!.machineId });
    const { output, commit } = await ran;
    expect(output.text).toBe('once');
    await env.sql.begin(commit);
    expect((await lastCall()).attempt).toBe(2);
    expect(fly.counts().maxExisting).toBeLessThanOrEqual(5);
  });

  it('goes on while the API is in trouble: limits, lost answers, stale lists, full regions, errors', async () => {
    fly.addFault({ kind: 'rate_limited', count: 3 });
    fly.addFault({ kind: 'response_lost', action: 'create', mode: 'drop', count: 2 });
    fly.addFault({ kind: 'server_error', count: 3 });
    fly.addFault({ kind: 'no_capacity', region: 'iad', count: 3 });
    const pool = await parent();
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) => pool.call(echo, { text: `${index}`, ms: 200 }, callOptions())),
    );
    expect(results).toHaveLength(10);
    expect(fly.counts().maxExisting).toBeLessThanOrEqual(5);
  });

  it('does not grow once the month has cost what it may, and says so', async () => {
    await env.sql`
      insert into pool_runners (pool, slot, epoch, backend, state, cpu_kind, cpus, memory_mb, started_at, gone_at)
      values ('media', 5, 5000, 'fly', 'gone', 'performance', 2, 4096, now() - interval '1 hour', now())`;
    await env.sql`update pools set spend_cap_usd = 0.05`;
    const pool = await parent();
    const call = pool.call(echo, { text: 'paid later' }, callOptions());
    const explanation = async () => (await env.sql<{ explanation: string }[]>`select explanation from pools`)[0]!.explanation;
    await until(async () => expect(await explanation()).toMatch(/spend of \$0\.\d\d has reached the cap of \$0\.05/));
    expect(fly.counts().existing).toBe(0);
    await env.sql`update pools set spend_cap_usd = null`;
    expect((await call).output.text).toBe('paid later');
  });

  it('destroys a machine of its deployment that nobody knows', async () => {
    await env.sql`update pools set boot_deadline_ms = 100`;
    const orphan = await testFlyBackend(fly).boot({
      ...{ name: 'test-media-1-99999', pool: 'media', mayExist: false, regions: [], image: null },
      ...{
        guest: { cpuKind: 'shared', cpus: 1, memoryMb: 256 },
        env: { RUNNER_ID: '0', RUNNER_TOKEN: 'none', DATABASE_URL: 'postgres://127.0.0.1:1/none' },
      },
    });
    await parent();
    await until(async () => expect(await testFlyBackend(fly).inspect(orphan.id)).toMatchObject({ state: 'gone' }));
  });

  it('lets machines of an older image leave after their call, and boots the new one', async () => {
    await env.sql`update pools set image = 'heaters:1', idle_shutdown_ms = 60000`;
    const pool = await parent();
    await pool.call(echo, { text: 'old' }, callOptions());
    await env.sql`update pools set image = 'heaters:2'`;
    await until(async () => expect(await env.sql`select from pool_runners where state <> 'gone'`).toHaveLength(0));
    await pool.call(echo, { text: 'new' }, callOptions());
    const images = await env.sql<{ image: string }[]>`select image from pool_runners order by id desc limit 2`;
    expect(images.map((row) => row.image)).toEqual(['heaters:2', 'heaters:1']);
    await env.sql`update pools set image = 'heaters:3'`;
  });
});
