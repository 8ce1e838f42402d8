import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '#lib/server/db.ts';
import type { Fault } from '../support/fault-proxy.ts';
import type { SeededRandom } from '../support/fly-sim/random.ts';
import { API_FAULTS } from '../support/pool/fly.ts';
import { processes, type Kept, type System } from './system.ts';

/** What can go wrong. A trouble ends by itself: its promise is done when all is as before. */
export type Troubles = Readonly<Record<string, () => Promise<unknown> | void>>;

const MINUTE_MS = 60_000;
/** All troubles of a system, drawn by the seed. `sql` is a connection of one's own, which may fail too. */
export function troublesOf(system: System, sql: Database, random: SeededRandom): Troubles {
  const pick = <T>(items: readonly T[]): T | undefined => items[random.integer(0, items.length - 1)];
  const app = [...system.webs, ...system.workers];

  const kill = (kept: Kept | undefined) => void kept?.child().kill('SIGKILL');
  const freeze = async (pids: readonly number[], ms: number) => {
    send(pids, 'SIGSTOP');
    await sleep(ms);
    send(pids, 'SIGCONT');
  };
  const strikeMachine = async (kind: 'crash' | 'out_of_memory' | 'partition') => {
    const machines = await sql<{ id: string }[]>`
      select machine_id as id from pool_runners where state <> 'gone' and machine_id is not null order by id`;
    const machineId = pick(machines)?.id;
    if (machineId === undefined) return;
    const { id } = system.fly.addFault({ kind, machineId });
    if (kind !== 'partition') return;
    await sleep(random.integer(1_000, 8_000));
    system.fly.clearFaults(id);
  };
  const troubleStore = async (fault: Fault, ms: number, matching = /./) => {
    system.s3.proxy.breakAll(matching, fault);
    await sleep(ms);
    system.s3.proxy.heal();
  };

  return {
    'a web node is killed': () => kill(pick(system.webs)),
    'a worker is killed': () => kill(pick(system.workers)),
    'a process of the app stands still': () => freeze([pick(app)!.child().pid ?? 0], random.integer(1_000, 12_000)),
    'a media process is killed': () => {
      const media = processes().filter(({ command }) => /ffmpeg|heaters_media/.test(command) && command.includes(system.dataDir));
      send([pick(media)?.pid ?? 0], 'SIGKILL');
    },
    'a machine crashes': () => strikeMachine('crash'),
    'a machine runs out of memory': () => strikeMachine('out_of_memory'),
    'a machine is cut off': () => strikeMachine('partition'),
    'the Fly API misbehaves': async () => {
      const { id } = system.fly.addFault(pick(API_FAULTS)!);
      await sleep(random.integer(1_000, 6_000));
      system.fly.clearFaults(id);
    },
    'the database is killed': async () => {
      send(system.databaseProcesses(), 'SIGKILL');
      await sleep(random.integer(200, 2_000));
      await system.restartDatabase();
    },
    'the database stands still': () => freeze(system.databaseProcesses(), random.integer(500, 5_000)),
    'database connections are cut': () => sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and random() < 0.4`,
    'sockets are cut': () => pick(system.links)?.cut(),
    'sockets are slow': async () => {
      const link = pick(system.links)!;
      link.delay(random.integer(100, 1_500));
      await sleep(random.integer(1_000, 6_000));
      link.delay(0);
    },
    'the store says 503': () => troubleStore('unavailable', random.integer(500, 4_000)),
    'the store is slow': () => troubleStore('slow', random.integer(1_000, 5_000)),
    'the store truncates what it sends': () => troubleStore('cut-answer', random.integer(500, 3_000)),
    'the store corrupts what it gets': () => troubleStore('corrupt', random.integer(500, 3_000), /^PUT /),
    'a clock jumps': async () => {
      const kept = pick(app)!;
      kept.skewClock(random.integer(-10, 10) * MINUTE_MS);
      await sleep(random.integer(1_000, 8_000));
      kept.skewClock(0);
    },
    ...(system.hasOwnDisk ? { 'the disk is full': () => fillDisk(system.dataDir, random.integer(500, 3_000)) } : {}),
  };
}

/** Sends a signal to processes that may have ended. */
function send(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      if (pid > 0) process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  }
}

async function fillDisk(folder: string, ms: number): Promise<void> {
  const file = path.join(folder, 'full');
  const descriptor = openSync(file, 'w');
  const chunk = Buffer.alloc(8 * 2 ** 20);
  try {
    for (;;) writeSync(descriptor, chunk);
  } catch {
    // No space is left.
  }
  closeSync(descriptor);
  await sleep(ms);
  rmSync(file);
}
