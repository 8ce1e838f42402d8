import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTestDatabase } from './database.ts';
import { freePort } from './free-port.ts';

/** The whole app on a database and a data folder of its own: web and worker as real processes. */
export interface RunningApp {
  readonly origin: string;
  /** The origins of all web nodes, the first one too. */
  readonly origins: readonly string[];
  /** The URL that logs the first admin in. */
  readonly loginUrl: string;
  readonly worker: ChildProcess;
  /** The web nodes' processes, in the order of their origins. */
  readonly webs: readonly ChildProcess[];
  readonly databaseUrl: string;
  stop(): Promise<void>;
}

/**
 * Starts the built app on free ports, or the first on the one given, with the sample video on its way through the pipeline.
 * What it logs goes to `onLog`, else to the terminal.
 */
export async function startApp(
  givenPort?: number,
  webCount = 1,
  settings: Readonly<Record<string, string>> = {},
  onLog?: (text: string) => void,
): Promise<RunningApp> {
  const port = givenPort ?? (await freePort());
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'data-'));
  const origin = `http://localhost:${port}`;
  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    PORT: String(port),
    ORIGIN: origin,
    SECRET_KEY_BASE: 'only-for-tests-'.repeat(4),
    APP_ENV: 'test',
    ...settings,
  };
  const start = (name: string, more = {}) => {
    const to = onLog === undefined ? 'inherit' : 'pipe';
    const child = spawn(process.execPath, [`src/entries/${name}.ts`], { env: { ...env, ...more }, stdio: ['ignore', to, to] });
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => onLog?.(text));
    return child;
  };
  const webs = [start('web')];
  const origins = [origin];
  while (webs.length < webCount) {
    const otherPort = await freePort();
    origins.push(`http://localhost:${otherPort}`);
    webs.push(start('web', { PORT: String(otherPort), ORIGIN: origins.at(-1) }));
  }
  const worker = start('worker');
  for (const each of origins) {
    for (const deadline = Date.now() + 30_000; !(await fetch(`${each}/readyz`).catch(() => null))?.ok; await sleep(100)) {
      if (Date.now() > deadline) throw new Error('The app does not get ready.');
    }
  }
  // Not in step with this process, which may itself be what the app talks to.
  const prepared = await promisify(execFile)(process.execPath, ['src/entries/prepare.ts'], { env });
  const loginUrl = /http:\S+/.exec(prepared.stdout)?.[0];
  if (loginUrl === undefined) throw new Error(`No log-in link was printed: ${prepared.stdout}${prepared.stderr}`);
  return {
    origin,
    origins,
    loginUrl,
    worker,
    webs,
    databaseUrl: database.url,
    async stop() {
      for (const child of [...webs, worker]) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await Promise.race([ended, sleep(10_000)]);
        child.kill('SIGKILL');
      }
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
