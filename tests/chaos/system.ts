import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startPostgres, type EmbeddedPostgres } from '../../scripts/embedded-postgres.js';
import type { FlySimulator } from '../support/fly-sim/simulator.ts';
import { freePort } from '../support/free-port.ts';
import { startTestFly } from '../support/pool/fly.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';
import { openLink, type Link } from './link.ts';

const WEBS = 2;
const WORKERS = 2;
const DISK_MIB = 512;
const CLOCK = fileURLToPath(new URL('clock.ts', import.meta.url));

/** A process of the app that is started again whenever it ends, as its host would. */
export interface Kept {
  readonly name: string;
  child(): ChildProcess;
  /** Sets its wall clock off; 0 ends it. */
  skewClock(ms: number): void;
}

/** The whole of Heaters as it is deployed, with all that it stands on, each within reach of a nemesis. */
export interface System {
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly webs: readonly Kept[];
  readonly workers: readonly Kept[];
  /** What lies between people and each web node. */
  readonly links: readonly Link[];
  readonly fly: FlySimulator;
  readonly s3: S3Server;
  /** Processes of the database: its postmaster first. */
  databaseProcesses(): number[];
  /** Starts the database again after its processes were killed. */
  restartDatabase(): Promise<void>;
  /** Whether the work folder lies on a disk of its own, which can be filled. */
  readonly hasOwnDisk: boolean;
  /** How often processes were started again. */
  restarts(): number;
  /** Stops the app's processes for good and waits until they are gone. */
  stopApp(): Promise<void>;
  /** Ends all of it. Its logs stay where the tests' scratch folder stays. */
  close(): Promise<void>;
}

/** Boots it, with the settings of this process's environment on top. */
export async function startSystem(): Promise<System> {
  const home = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'chaos-'));
  execFileSync('chmod', ['755', home]);
  const binaries = process.env.POSTGRES_BINARIES;
  if (binaries === undefined) throw new Error('POSTGRES_BINARIES is not set: run this with `npm run chaos`.');
  const databasePort = await freePort();
  const start = () => startPostgres({ binaries, home: path.join(home, 'postgres'), port: databasePort });
  let postgres: EmbeddedPostgres = await start();
  const s3 = await startS3Server();
  const fly = await startTestFly({ logFolder: path.join(home, 'machines') });
  const dataDir = path.join(home, 'data');
  const hasOwnDisk = mountDisk(dataDir);

  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...s3.environment,
    ...{
      DATABASE_URL: postgres.url,
      DATA_DIR: dataDir,
      SECRET_KEY_BASE: 'only-for-tests-'.repeat(4),
      APP_ENV: 'test',
      LOG_LEVEL: 'info',
    },
    ...{ RUNNER_BACKEND: 'fly', FLY_API_URL: fly.origin, FLY_API_TOKEN: fly.token, FLY_APP_NAME: 'heaters', FLY_IMAGE_REF: 'heaters:1' },
    // Short parts: films of seconds are encoded on several machines.
    ENCODE_PART_SECONDS: '4',
    PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
  };
  execFileSync(process.execPath, ['src/entries/migrate.ts'], { env: environment });

  let isStopping = false;
  let restarts = 0;
  const keep = (entry: string, index: number, settings: Readonly<Record<string, string>>): Kept => {
    const name = `${entry} ${index + 1}`;
    const clockFile = path.join(home, `${entry}-${index}.clock`);
    writeFileSync(clockFile, '0');
    const log = openSync(path.join(home, `${entry}-${index}.log`), 'a');
    const launch = () => {
      const child = spawn(process.execPath, ['--import', CLOCK, `src/entries/${entry}.ts`], {
        env: { ...environment, ...settings, CHAOS_CLOCK_FILE: clockFile },
        stdio: ['ignore', log, log],
      });
      child.once('exit', () => {
        if (isStopping) return;
        restarts += 1;
        setTimeout(() => {
          if (!isStopping) current = launch();
        }, 300);
      });
      return child;
    };
    let current = launch();
    return { name, child: () => current, skewClock: (ms) => writeFileSync(clockFile, String(ms)) };
  };
  const webPorts = await Promise.all(Array.from({ length: WEBS }, freePort));
  const links = await Promise.all(webPorts.map(openLink));
  const webs = webPorts.map((port, index) =>
    keep('web', index, { PORT: String(port), ORIGIN: `http://localhost:${links[index]!.port}`, JOB_QUEUES: 'default' }),
  );
  const workers = Array.from({ length: WORKERS }, (_, index) => keep('worker', index, {}));
  const kept = [...webs, ...workers];

  return {
    ...{ databaseUrl: postgres.url, dataDir, webs, workers, links, fly, s3, hasOwnDisk },
    databaseProcesses: () => [postgres.pid, ...childrenOf(postgres.pid)],
    restartDatabase: async () => {
      postgres = await start();
    },
    restarts: () => restarts,
    async stopApp() {
      isStopping = true;
      await Promise.all(
        kept.map(async (each) => {
          const child = each.child();
          if (child.exitCode !== null || child.signalCode !== null) return;
          const ended = once(child, 'exit');
          child.kill('SIGTERM');
          const patience = setTimeout(() => child.kill('SIGKILL'), 15_000);
          await ended;
          clearTimeout(patience);
        }),
      );
    },
    async close() {
      isStopping = true;
      for (const each of kept) each.child().kill('SIGKILL');
      await Promise.all([...links.map((link) => link.close()), fly.close(), s3.close()]);
      await postgres.stop();
      if (hasOwnDisk) execFileSync('umount', ['--lazy', dataDir]);
    },
  };
}

/** A small disk of its own for the work folder, where this process may mount one. */
function mountDisk(folder: string): boolean {
  mkdirSync(folder);
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    // A container that may not mount: the disk is not filled there.
    return false;
  }
}

/** The processes that a process has started, by Linux's /proc; elsewhere none are found. */
export function childrenOf(pid: number): number[] {
  return processes().flatMap((each) => (each.parent === pid ? [each.pid] : []));
}

/** All processes with their parents and command lines. */
export function processes(): { readonly pid: number; readonly parent: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [, ...fields] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ');
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return [{ pid: Number(name), parent: Number(fields.at(-1)!.split(' ')[1]), command }];
    } catch {
      return [];
    }
  });
}

/** Waits until every web node says that it is ready. */
export async function untilReady(links: readonly Link[]): Promise<void> {
  for (const { port } of links) {
    for (const deadline = Date.now() + 60_000; !(await fetch(`http://localhost:${port}/readyz`).catch(() => null))?.ok; await sleep(100)) {
      if (Date.now() > deadline) throw new Error('A web node does not get ready.');
    }
  }
}
