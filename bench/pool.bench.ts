/**
 * The runner pool beside a bare process for each task: `npm run bench -- pool`.
 *
 * Warm dispatch is a call on a machine that is ready; a cold start is a call on an empty pool, without
 * the start of a bare process. The burst is 50 calls of 2 s on at most 5 machines, down to none again.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { poolLoad } from '#lib/server/stores/pool-runners.ts';
import { openEnvironment } from '../tests/support/environment.ts';
import { callOptions, startTestPool, TEST_RUNNER } from '../tests/support/pool/pool.ts';
import { echo } from '../tests/support/pool/tasks.ts';
import { percentile } from './support.ts';

const CALLS = 100;
const BURST_CALLS = 50;
const BURST_CALL_MS = 2_000;

/** Runs the bench. */
export async function run(): Promise<void> {
  const env = await openEnvironment();
  const pool = await startTestPool(env.sql, process.env.DATABASE_URL!, env);
  const call = (ms = 0) => pool.call(echo, { text: 'bench', ms }, callOptions());
  try {
    await spawnCall();
    const spawnsMs = await timesMs(20, spawnCall);
    const [coldMs] = await timesMs(1, () => call());
    const warmMs: number[] = [];
    for (let index = 0; index < CALLS; index += 1) {
      warmMs.push(...(await timesMs(1, () => call())));
      // A call is measured, not the machine's preparing for the next.
      await sleep(200);
    }
    await untilEmpty(async () => (await poolLoad(env.sql, 'media', 0)).holders);

    const startedAtMs = performance.now();
    let peak = 0;
    const watching = setInterval(() => void poolLoad(env.sql, 'media', 0).then((now) => (peak = Math.max(peak, now.holders.length))), 50);
    await Promise.all(Array.from({ length: BURST_CALLS }, () => call(BURST_CALL_MS)));
    const doneMs = performance.now();
    await untilEmpty(async () => (await poolLoad(env.sql, 'media', 0)).holders);
    clearInterval(watching);
    const [use] = await env.sql<{ machineSeconds: number; busySeconds: number }[]>`
      select extract(epoch from sum(gone_at - started_at))::float8 as "machineSeconds", sum(busy_ms)::float8 / 1000 as "busySeconds"
      from pool_runners where reserved_at > now() - ${(performance.now() - startedAtMs) / 1000} * interval '1 second'`;

    const figures = {
      warmDispatchP50Ms: round(percentile(warmMs, 0.5)),
      warmDispatchP99Ms: round(percentile(warmMs, 0.99)),
      spawnP50Ms: round(percentile(spawnsMs, 0.5)),
      coldOverheadMs: round(coldMs! - percentile(spawnsMs, 0.5)),
      peak,
      busyRatio: Math.round((use!.machineSeconds / use!.busySeconds) * 100) / 100,
      secondsToZero: round((performance.now() - doneMs) / 1000),
    };
    console.log(`${BURST_CALLS} calls of ${BURST_CALL_MS} ms in ${round((doneMs - startedAtMs) / 1000)} s`);
    console.table([figures]);
    console.log(JSON.stringify(figures));
  } finally {
    await pool.stop();
    await env.close();
  }
}

/** The same task in a process that is started for it. */
async function spawnCall(): Promise<void> {
  const [program, ...args] = TEST_RUNNER;
  const child = spawn(program!, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, HEATERS_ROLE: 'call' },
  });
  child.stdin.write(`${JSON.stringify({ task: 'echo', version: 1, attemptId: '1-1', input: { text: 'bench' } })}\n`);
  for await (const line of createInterface({ input: child.stdout })) if (line.includes('"result"')) break;
  child.kill('SIGKILL');
}

async function timesMs(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedAtMs = performance.now();
    await work();
    times.push(performance.now() - startedAtMs);
  }
  return times;
}

async function untilEmpty(holders: () => Promise<readonly unknown[]>): Promise<void> {
  while ((await holders()).length > 0) await sleep(50);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
