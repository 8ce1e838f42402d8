import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { changePool, drainMachine, keepWarm, pausePool, stopMachine } from '#lib/server/features/run-pool.ts';
import { poolPage } from '#lib/server/features/watch-pool.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import type { Pool } from '#lib/server/pool/pool.ts';
import { auditEntries } from '#lib/server/stores/audit.ts';
import { actions } from '../../../src/routes/(app)/admin/pool/+page.server.ts';
import type { FlySimulator } from '../../support/fly-sim/simulator.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { startTestFly, testFlyBackend } from '../../support/pool/fly.ts';
import { callOptions, startTestPool } from '../../support/pool/pool.ts';
import { echo } from '../../support/pool/tasks.ts';

const SETTINGS = { minMachines: 0, maxMachines: 5, concurrency: 1, idleShutdownMs: 300, spendCapUsd: null, regions: [] };
let env: TestEnvironment;
let ada: Actor;
let fly: FlySimulator;
let pools: Pool[];
beforeAll(async () => {
  env = await openEnvironment();
  ada = await env.addPerson('Ada', 'admin');
});
afterAll(() => env.close());
beforeEach(async () => {
  await env.sql`
    update pools set min_machines = 0, max_machines = 5, concurrency = 1, idle_shutdown_ms = 300, lease_ms = 3000, warm_until = null,
      spend_cap_usd = null, regions = '{}', is_paused = false, boot_retry_at = null, boot_failures = 0, image = null`;
  fly = await startTestFly();
  pools = await Promise.all(
    [0, 1].map(() => startTestPool(env.sql, process.env.DATABASE_URL!, { dataDir: env.dataDir, backend: testFlyBackend(fly) })),
  );
});
afterEach(async () => {
  await env.sql`update pools set min_machines = 0, warm_until = null, is_paused = false`;
  await until(async () => expect(await living()).toHaveLength(0));
  await Promise.all(pools.map((pool) => pool.stop()));
  await fly.close();
}, 60_000);

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 40_000, interval: 50 });
const living = async () => (await poolPage(env.sql)).machines.filter((machine) => machine.state !== 'gone');
const working = () =>
  until(async () => {
    const machine = (await living()).find(({ calls }) => calls.length > 0);
    expect(machine).toBeDefined();
    return machine;
  }).then(async () => (await living()).find(({ calls }) => calls.length > 0)!);
const lastAudit = async () => (await auditEntries(env.sql, { limit: 1 }))[0]!;

describe('an admin, with two parents and the Machines API', () => {
  it('drains a machine: it ends its call and goes, and the log says who wanted it', async () => {
    const ran = pools[0]!.call(echo, { text: 'whole', ms: 1_500 }, callOptions());
    const machine = await working();
    expect((await drainMachine(env.sql, ada, machine.id)).kind).toBe('ok');
    expect((await drainMachine(env.sql, ada, machine.id)).kind).toBe('refused');
    expect((await ran).output.text).toBe('whole');
    await until(async () => expect((await poolPage(env.sql)).machines.find(({ id }) => id === machine.id)?.state).toBe('gone'));
    expect(await lastAudit()).toMatchObject({ actor: 'Ada', action: 'machine.drain', target: `machine:${machine.id}` });
    const { events, machines } = await poolPage(env.sql);
    expect(events.map(({ message }) => message)).toContain('Ada drains it.');
    const view = machines.find(({ id }) => id === machine.id)!;
    expect(view.phases.map(({ name, isOver }) => [name, isOver])).toEqual([
      ['decided', true],
      ['asked', true],
      ['started', true],
      ['ready', true],
    ]);
    expect(view.use.usd).toBeGreaterThan(0);
    expect((await poolPage(env.sql)).spend.spentUsd).toBeGreaterThanOrEqual(view.use.usd);
  });

  it('stops a machine at once, and its call runs again elsewhere', async () => {
    const ran = pools[0]!.call(echo, { text: 'again', ms: 2_000 }, callOptions());
    const machine = await working();
    expect((await stopMachine(env.sql, ada, machine.id)).kind).toBe('ok');
    expect((await ran).output.text).toBe('again');
    const [row] = await env.sql<{ attempt: number }[]>`select attempt from pool_calls order by id desc limit 1`;
    expect(row!.attempt).toBe(2);
    expect((await poolPage(env.sql)).machines.find(({ id }) => id === machine.id)?.failure).toBe('stopped by Ada');
    expect(await lastAudit()).toMatchObject({ action: 'machine.stop', target: `machine:${machine.id}` });
    expect((await stopMachine(env.sql, ada, machine.id)).kind).toBe('refused');
  });

  it('changes minimum and maximum while it runs: machines come, and go again', async () => {
    expect((await changePool(env.sql, ada, { ...SETTINGS, minMachines: 2 })).kind).toBe('ok');
    await until(async () => expect((await living()).filter(({ state }) => state === 'ready')).toHaveLength(2));
    // Each has said how it reaches the object store.
    await until(async () => expect((await living()).map(({ reach }) => reach?.kind)).toEqual(['ok', 'ok']));
    expect((await lastAudit()).details).toEqual({ before: { minMachines: 0 }, after: { minMachines: 2 } });
    expect((await changePool(env.sql, ada, { ...SETTINGS, maxMachines: 1 })).kind).toBe('ok');
    await until(async () => expect((await living()).every(({ slot }) => slot <= 1)).toBe(true));
  });

  it('pauses it: no call begins until it goes on', async () => {
    expect((await pausePool(env.sql, ada, true)).kind).toBe('ok');
    const ran = pools[1]!.call(echo, { text: 'later' }, callOptions());
    await until(async () => expect((await poolPage(env.sql)).pool.explanation).toContain('The pool is paused.'));
    expect(await living()).toHaveLength(0);
    expect((await poolPage(env.sql)).waiting.count).toBe(1);
    expect((await pausePool(env.sql, ada, false)).kind).toBe('ok');
    expect((await ran).output.text).toBe('later');
  });

  it('keeps one warm, and lets it go', async () => {
    await keepWarm(env.sql, ada, 5);
    await until(async () => expect((await living()).filter(({ state }) => state === 'ready')).toHaveLength(1));
    await keepWarm(env.sql, ada, 0);
    await until(async () => expect(await living()).toHaveLength(0));
  });
});

describe('the pool page’s actions', () => {
  const post = (name: string, role: 'admin' | 'reviewer', fields: Record<string, string>) => {
    const form = new FormData();
    for (const [key, value] of Object.entries(fields)) form.set(key, value);
    const request = new Request('http://localhost/admin/pool', { method: 'POST', body: form });
    const user = { id: ada.userId, name: 'Ada', email: 'ada@example.com', role };
    return actions[name]!({ request, locals: { user, requestId: 'x' }, url: new URL(request.url) } as never) as Promise<unknown>;
  };
  const form = { minMachines: '0', maxMachines: '5', concurrency: '1', idleSeconds: '30', spendCapUsd: '', regions: 'iad, lhr' };

  it('are refused to everyone but admins, and change nothing', async () => {
    for (const name of Object.keys(actions)) {
      await expect(post(name, 'reviewer', { ...form, runnerId: '1', minutes: '5' })).rejects.toMatchObject({ status: 403 });
    }
    expect((await poolPage(env.sql)).pool.warmUntilMs).toBeNull();
  });

  it('say what is wrong with a value', async () => {
    const wrong = async (changes: Record<string, string>) =>
      ((await post('change', 'admin', { ...form, ...changes })) as { data: { error: string } }).data.error;
    expect(await wrong({ maxMachines: '21' })).toBe('The maximum can be 20 at most.');
    expect(await wrong({ minMachines: '3', maxMachines: '2' })).toBe('The minimum can’t be more than the maximum.');
    expect(await wrong({ spendCapUsd: 'much' })).toContain('The cap must be dollars');
    expect(await wrong({ regions: 'Iowa' })).toContain('three letters');
    expect(await post('change', 'admin', form)).toMatchObject({ error: null });
    expect((await poolPage(env.sql)).pool.regions).toEqual(['iad', 'lhr']);
  });
});
