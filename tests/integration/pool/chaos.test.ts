import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { SeededRandom } from '../../support/fly-sim/random.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { API_FAULTS, startTestFly } from '../../support/pool/fly.ts';

const SEED = process.env.CHAOS_SEED ?? 'heaters';
const STEPS = Number(process.env.CHAOS_STEPS ?? 25);
const PARENTS = 3;
const JOBS = 60;
const PARENT_PATH = fileURLToPath(new URL('../../support/pool/chaos-parent.ts', import.meta.url));

let env: TestEnvironment;
beforeAll(async () => {
  env = await openEnvironment();
});
afterAll(() => env.close());

it(`parents, machines, database links and the API fail at random: never six machines, each job committed once, none left (seed ${SEED})`, async () => {
  const random = new SeededRandom(SEED);
  const pick = <T>(items: readonly T[]): T | undefined => items[random.integer(0, items.length - 1)];
  await env.sql`update pools set idle_shutdown_ms = 500, lease_ms = 2500, boot_deadline_ms = 4000`;
  await env.sql`create table chaos_jobs (id integer primary key, ms integer not null, commits integer not null default 0, answer text)`;
  for (let id = 1; id <= JOBS; id += 1) await env.sql`insert into chaos_jobs (id, ms) values (${id}, ${random.integer(0, 900)})`;
  const fly = await startTestFly();
  const startParent = (): ChildProcess =>
    spawn(process.execPath, [PARENT_PATH], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, LOG_LEVEL: 'silent', FLY_ORIGIN: fly.origin, FLY_TOKEN: fly.token, DATA_DIR: env.dataDir },
    });
  const parents = Array.from({ length: PARENTS }, startParent);
  const machines = async () =>
    (await env.sql<{ id: string }[]>`select machine_id as id from pool_runners where state <> 'gone' and machine_id is not null`).map(
      (row) => row.id,
    );
  const strike = async (kind: 'crash' | 'out_of_memory' | 'partition') => {
    const machineId = pick(await machines());
    if (machineId !== undefined) fly.addFault({ kind, machineId });
  };
  const nemesis: Record<string, () => Promise<void> | void> = {
    'kill a parent': () => {
      const index = random.integer(0, PARENTS - 1);
      parents[index]!.kill('SIGKILL');
      parents[index] = startParent();
    },
    'crash a machine': () => strike('crash'),
    'starve a machine of memory': () => strike('out_of_memory'),
    'cut a machine off': () => strike('partition'),
    'cut database links': async () => {
      await env.sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and application_name = 'heaters' and random() < 0.3`.catch(
        () => undefined,
      );
    },
    'trouble the API': () => void fly.addFault(pick(API_FAULTS)!),
    'end all trouble': () => fly.clearFaults(),
  };
  const survived: Record<string, number> = {};
  try {
    for (let step = 0; step < STEPS; step += 1) {
      const name = pick(Object.keys(nemesis))!;
      survived[name] = (survived[name] ?? 0) + 1;
      await nemesis[name]!();
      await sleep(random.integer(50, 600));
      expect(fly.counts().maxExisting, `machines after “${name}”`).toBeLessThanOrEqual(5);
      expect(await env.sql`select id from chaos_jobs where commits > 1`).toEqual([]);
    }
    fly.clearFaults();
    const open = () =>
      env.sql`select j.id, c.state, c.attempt, c.error from chaos_jobs j left join pool_calls c on c.idem_key = 'job-' || j.id where j.commits = 0`;
    await vi.waitFor(async () => expect([...(await open())]).toEqual([]), { timeout: 60_000, interval: 200 });
    expect(await env.sql`select id from chaos_jobs where commits <> 1 or answer <> id::text`).toEqual([]);
    await vi.waitFor(() => expect(fly.counts().existing).toBe(0), { timeout: 60_000, interval: 200 });
    expect(fly.counts()).toMatchObject({ alive: 0 });
    await vi.waitFor(async () => expect(await machines()).toEqual([]), { timeout: 10_000, interval: 200 });
    expect(fly.counts().maxExisting).toBeLessThanOrEqual(5);
    console.log(
      `survived: ${Object.entries(survived)
        .map(([name, count]) => `${name} ×${count}`)
        .join(', ')}`,
    );
  } finally {
    for (const parent of parents) parent.kill('SIGKILL');
    await fly.close();
  }
}, 180_000);
