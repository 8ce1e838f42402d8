import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '#lib/server/db.ts';
import { CallTaken, ParentStops, TaskRefused, type Pool } from '#lib/server/pool/pool.ts';
import { poolLoad } from '#lib/server/stores/pool-runners.ts';
import { reserveApiRequest } from '#lib/server/stores/pools.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { callOptions, startTestPool } from '../../support/pool/pool.ts';
import { echo, misbehave } from '../../support/pool/tasks.ts';

let env: TestEnvironment;
let pool: Pool;
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());
beforeEach(async () => {
  await env.sql`update pools set min_machines = 0, max_machines = 5, idle_shutdown_ms = 30000, warm_until = null, lease_ms = 5000, is_paused = false`;
  pool = await startTestPool(env.sql, process.env.DATABASE_URL!, env);
});
afterEach(async () => {
  await pool.stop();
  await vi.waitFor(async () => expect(await holders()).toEqual([]), 10_000);
}, 20_000);

const holders = async () => (await poolLoad(env.sql, 'media', 0)).holders;
const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 30 });
const machinesEver = async () => (await env.sql`select count(*)::int as n from pool_runners`)[0]!.n as number;
const eventKinds = async () => (await env.sql<{ kind: string }[]>`select kind from pool_events order by id`).map((event) => event.kind);
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a pool', () => {
  it('boots a machine for a call, uses it again, and lets it go when idle', async () => {
    await env.sql`update pools set idle_shutdown_ms = 300`;
    const before = await machinesEver();
    const progress: number[] = [];
    const options = callOptions({ onProgress: ({ percent }) => progress.push(percent ?? 0) });
    const first = await pool.call(echo, { text: 'one', ms: 900 }, options);
    const second = await pool.call(echo, { text: 'two' }, callOptions());
    expect([first.output.text, second.output.text]).toEqual(['one', 'two']);
    expect(progress.length).toBeGreaterThan(0);
    expect(await machinesEver()).toBe(before + 1);
    await until(async () => expect(await holders()).toEqual([]));
    expect((await eventKinds()).slice(-2)).toEqual(['grow', 'shrink']);
  });

  it('never has more machines than its maximum, and runs everything', async () => {
    await env.sql`update pools set max_machines = 2`;
    let most = 0;
    const watching = setInterval(() => void holders().then((now) => (most = Math.max(most, now.length))), 20);
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) => pool.call(echo, { text: `${index}`, ms: 50 }, callOptions())),
    );
    clearInterval(watching);
    expect(results.map((result) => result.output.text)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(most).toBe(2);
  });

  it('keeps its minimum, also after one of them is killed', async () => {
    await env.sql`update pools set min_machines = 2, idle_shutdown_ms = 100`;
    const ready = async () => (await holders()).filter((holder) => holder.state === 'ready');
    await until(async () => expect(await ready()).toHaveLength(2));
    const [victim] = await ready();
    const [row] = await env.sql<{ machineId: string }[]>`select machine_id as "machineId" from pool_runners where id = ${victim!.id}`;
    process.kill(-Number(row!.machineId.split(':')[1]), 'SIGKILL');
    await until(async () => expect((await holders()).map((holder) => holder.id)).not.toContain(victim!.id));
    await until(async () => expect(await ready()).toHaveLength(2));
  });

  it('runs what is urgent first, otherwise in order', async () => {
    await env.sql`update pools set max_machines = 1`;
    const run = (text: string, priority: number) => pool.call(echo, { text }, callOptions({ priority }));
    const blocking = pool.call(echo, { text: 'first', ms: 900 }, callOptions());
    await until(async () => expect((await holders())[0]?.runningCount).toBe(1));
    const waiting: Promise<unknown>[] = [];
    for (const [text, priority] of [
      ['encode', 0],
      ['second encode', 0],
      ['export', 10],
    ] as const) {
      waiting.push(run(text, priority));
      await until(async () => expect((await env.sql`select from pool_calls where state = 'queued'`).length).toBe(waiting.length));
    }
    await Promise.all([blocking, ...waiting]);
    const started = await env.sql<{ text: string }[]>`select input ->> 'text' as text from pool_calls order by started_at desc limit 3`;
    expect(started.map((call) => call.text).toReversed()).toEqual(['export', 'encode', 'second encode']);
  });

  it('does not grow or start anything while it is paused, and says so', async () => {
    await env.sql`update pools set is_paused = true`;
    const call = pool.call(echo, { text: 'later' }, callOptions());
    const explanation = async () => (await env.sql<{ explanation: string }[]>`select explanation from pools`)[0]!.explanation;
    await until(async () => expect(await explanation()).toContain('The pool is paused.'));
    expect(await holders()).toEqual([]);
    await env.sql`update pools set is_paused = false`;
    expect((await call).output.text).toBe('later');
  });

  it('keeps a machine warm for who is about to need it', async () => {
    await env.sql`update pools set warm_until = now() + interval '1 minute', idle_shutdown_ms = 50`;
    await until(async () => expect((await holders()).map((holder) => holder.state)).toEqual(['ready']));
    await env.sql`update pools set warm_until = now()`;
    await until(async () => expect(await holders()).toEqual([]));
  });
});

it('all parents together stay within a limit of the provider', async () => {
  const waits = await Promise.all(Array.from({ length: 6 }, () => reserveApiRequest(env.sql, 'create', { perSecond: 1, burst: 3 })));
  const whole = waits.toSorted((one, other) => one - other).map((ms) => Math.ceil(ms / 1000));
  expect(whole).toEqual([0, 0, 0, 1, 2, 3]);
});

describe('a call', () => {
  it('that throws fails with its reason; one that refuses says so; the machine goes on', async () => {
    await expect(pool.call(misbehave, { how: 'throw' }, callOptions())).rejects.toThrow('It went wrong.');
    await expect(pool.call(misbehave, { how: 'refuse' }, callOptions())).rejects.toBeInstanceOf(TaskRefused);
    await expect(pool.call(misbehave, { how: 'exit' }, callOptions())).rejects.toThrow('ended with code 7');
    await expect(pool.call(misbehave, { how: 'nonsense' }, callOptions())).rejects.toThrow('no readable result');
    expect((await holders()).map((holder) => holder.state)).toEqual(['ready']);
  });

  it('whose process is killed again and again is given up with the reason', async () => {
    const logPath = path.join(env.dataDir, 'segfaults');
    await expect(pool.call(misbehave, { how: 'segfault', logPath }, callOptions())).rejects.toThrow('was killed by SIGSEGV');
    expect(readFileSync(logPath, 'utf8').trim().split('\n')).toHaveLength(4);
  });

  it('that blocks its process is stopped at its deadline, and its machine lives on', async () => {
    const ran = pool.call(misbehave, { how: 'spin' }, callOptions({ timeoutMs: 800 }));
    await expect(ran).rejects.toThrow('took longer than 1 s');
    expect((await pool.call(echo, { text: 'still here' }, callOptions())).output.text).toBe('still here');
    expect(await holders()).toHaveLength(1);
  });

  it('that is cancelled ends with all its processes, deaf ones too', async () => {
    const logPath = path.join(env.dataDir, 'deaf');
    const cancelling = new AbortController();
    const ran = pool.call(misbehave, { how: 'deaf-child', logPath }, callOptions({ signal: cancelling.signal }));
    const pids = () => readFileSync(logPath, 'utf8').trim().split('\n').map(Number);
    await until(() => expect(pids()).toHaveLength(2));
    cancelling.abort(new Error('no longer wanted'));
    await expect(ran).rejects.toThrow('no longer wanted');
    await until(() => expect(pids().filter(isAlive)).toEqual([]));
    await until(async () =>
      expect((await env.sql`select state from pool_calls order by id desc limit 1`)[0]).toEqual({ state: 'cancelled' }),
    );
  });

  it('that waits is cancelled at once', async () => {
    await env.sql`update pools set is_paused = true`;
    const cancelling = new AbortController();
    const ran = pool.call(echo, { text: 'never' }, callOptions({ signal: cancelling.signal }));
    await until(async () => expect((await env.sql`select from pool_calls where state = 'queued'`).length).toBe(1));
    cancelling.abort(new Error('no longer wanted'));
    await expect(ran).rejects.toThrow('no longer wanted');
    expect((await env.sql`select from pool_calls where state = 'queued'`).length).toBe(0);
  });

  it('goes on elsewhere when its machine is killed, under a new fence', async () => {
    const ran = pool.call(echo, { text: 'survivor', ms: 1_500 }, callOptions());
    await until(async () => expect((await holders())[0]?.runningCount).toBe(1));
    const [row] = await env.sql<{ machineId: string }[]>`select machine_id as "machineId" from pool_runners where state = 'ready'`;
    process.kill(-Number(row!.machineId.split(':')[1]), 'SIGKILL');
    const { output } = await ran;
    expect(output.text).toBe('survivor');
    const [call] = await env.sql<{ attempt: number; fence: number }[]>`select attempt, fence from pool_calls order by id desc limit 1`;
    expect(call!.attempt).toBe(2);
    expect(output.attemptId).toMatch(new RegExp(`-${call!.fence}$`));
    expect(await eventKinds()).toContain('lost');
  });

  it('is attached to by its key, and committed once', async () => {
    const other = await startTestPool(env.sql, process.env.DATABASE_URL!, env);
    const options = callOptions();
    const [one, two] = await Promise.all([
      pool.call(echo, { text: 'same', ms: 300 }, options),
      other.call(echo, { text: 'same', ms: 300 }, options),
    ]);
    expect(one.output).toEqual(two.output);
    const commits = await Promise.allSettled([one, two].map((result) => env.sql.begin((tx) => result.commit(tx))));
    expect(commits.map((commit) => commit.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(commits.find((commit) => commit.status === 'rejected')?.reason).toBeInstanceOf(CallTaken);
    await expect(other.call(echo, { text: 'same' }, options)).rejects.toBeInstanceOf(CallTaken);
    await other.stop();
  });

  it('goes on without a parent that stops, and the next one gets the result', async () => {
    const stopping = new AbortController();
    const options = callOptions({ signal: stopping.signal });
    const ran = pool.call(echo, { text: 'detached', ms: 800 }, options);
    await until(async () => expect((await holders())[0]?.runningCount).toBe(1));
    stopping.abort(new ParentStops('deploy'));
    await expect(ran).rejects.toBeInstanceOf(ParentStops);
    const { output } = await pool.call(echo, { text: 'detached', ms: 800 }, { ...options, signal: new AbortController().signal });
    expect(output.text).toBe('detached');
    expect((await env.sql`select attempt from pool_calls order by id desc limit 1`)[0]).toEqual({ attempt: 1 });
  });

  it('of a task that no runner knows waits for one that does', async () => {
    const unknown = { ...echo, version: 99 };
    const cancelling = new AbortController();
    const ran = pool.call(unknown, { text: 'new' }, callOptions({ signal: cancelling.signal }));
    await until(async () => expect((await holders()).map((holder) => holder.state)).toEqual(['ready']));
    expect((await pool.call(echo, { text: 'known' }, callOptions())).output.text).toBe('known');
    cancelling.abort(new Error('enough'));
    await expect(ran).rejects.toThrow('enough');
  });
});

describe('a runner', () => {
  it('leaves when the database has been out of reach for most of its lease', async () => {
    await env.sql`update pools set warm_until = now() + interval '1 minute'`;
    await until(async () => expect((await holders()).map((holder) => holder.state)).toEqual(['ready']));
    const [row] = await env.sql<{ machineId: string }[]>`select machine_id as "machineId" from pool_runners where state = 'ready'`;
    const pid = Number(row!.machineId.split(':')[1]);
    const admin = connect(process.env.TEST_DATABASE_URL!, 1);
    const name = new URL(process.env.DATABASE_URL!).pathname.slice(1);
    try {
      await admin.unsafe(`alter database ${name} with allow_connections false`);
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
      await until(() => expect(isAlive(pid)).toBe(false));
    } finally {
      await admin.unsafe(`alter database ${name} with allow_connections true`);
      await admin.end();
    }
    await env.sql`update pools set warm_until = now()`;
  });

  it('without its token is not let in', async () => {
    const [row] = await env.sql<{ id: number }[]>`
      insert into pool_runners (pool, slot, epoch, backend, cpu_kind, cpus, memory_mb, state, token_hash, machine_id, boot_lease_until)
      values ('media', 5, 9999, 'none', 'shared', 1, 256, 'booting', sha256('right'), 'none', now() + interval '1 hour') returning id`;
    const { supervise } = await import('#lib/server/pool/runner/supervise.ts');
    Object.assign(process.env, { RUNNER_ID: String(row!.id), RUNNER_TOKEN: 'wrong' });
    expect(await supervise([])).toBe(3);
    await env.sql`update pool_runners set state = 'gone' where id = ${row!.id}`;
  });
});
