// `npm start`: from a bare clone to the running app.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build, fail, HOME, install, ROOT, run, step } from './install.js';
import { startPostgres } from './embedded-postgres.js';

const STOP_PATIENCE_MS = 10_000;
const children = new Map();
let postgres = null;
let isStopping = false;

process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));
process.on('uncaughtException', (error) => {
  console.error(`\n${error.message}`);
  void stop(1);
});

const tools = await install();
if (!process.env.DATABASE_URL) {
  postgres = await step('Starting PostgreSQL', () =>
    startPostgres({ binaries: tools.postgresBinaries, home: path.join(HOME, 'postgres') }),
  );
}
const port = await freePortFrom(Number(process.env.PORT ?? 3000));
const env = {
  ...tools.env,
  DATABASE_URL: process.env.DATABASE_URL ?? postgres.url,
  SECRET_KEY_BASE: process.env.SECRET_KEY_BASE ?? localSecret(),
  DATA_DIR: process.env.DATA_DIR ?? path.join(HOME, 'data'),
  PORT: String(port),
  ORIGIN: process.env.ORIGIN ?? `http://localhost:${port}`,
  APP_ENV: process.env.APP_ENV ?? 'development',
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
};
await step('Bringing the database up to date', () =>
  run(tools.node, ['src/entries/migrate.ts'], 'The database could not be migrated.', env),
);
await build({ node: tools.node, env });
keepRunning('web');
keepRunning('worker');
await step('Starting the app', untilReady);
spawnEntry('prepare').once('exit', (code) => {
  if (code !== 0 && !isStopping) console.error('The sample video and the log-in link could not be made; the lines above say why.');
  else if (!isStopping) console.log('Press Ctrl-C to stop.');
});

function spawnEntry(name) {
  return spawn(tools.node, [`src/entries/${name}.ts`], {
    cwd: ROOT,
    env: { ...env, HEATERS_ROLE: name, HEATERS_PARENT: 'stdin', HEATERS_LAUNCHER_PID: String(process.pid) },
    // Our end of their stdin closes with us, however we end: none is left behind.
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
  });
}

/** Starts a process and starts it again, more slowly each time, when it dies. */
function keepRunning(name, failures = 0) {
  const startedAtMs = Date.now();
  const child = spawnEntry(name);
  children.set(name, child);
  child.once('exit', async (code, signal) => {
    children.delete(name);
    if (isStopping) return;
    const inARow = Date.now() - startedAtMs > 30_000 ? 0 : failures + 1;
    if (inARow > 5) fail(`The ${name} process does not stay up; the lines above say why.`);
    console.error(`The ${name} process ended (${signal ?? `code ${code}`}); starting it again.`);
    await sleep(Math.min(10_000, 500 * 2 ** inARow));
    if (!isStopping) keepRunning(name, inARow);
  });
}

async function untilReady() {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(150)) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    if (answer?.ok) return;
  }
  console.error('\nThe app does not answer; the lines above say why.');
  await stop(1);
}

async function stop(exitCode) {
  if (isStopping) return;
  isStopping = true;
  console.log('\nStopping…');
  const running = [...children.values()];
  const gone = Promise.all(running.map((child) => new Promise((resolve) => child.once('exit', resolve))));
  for (const child of running) child.kill('SIGTERM');
  await Promise.race([gone, sleep(STOP_PATIENCE_MS)]);
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  await postgres?.stop();
  process.exit(exitCode);
}

function localSecret() {
  const file = path.join(HOME, 'secret');
  if (!fs.existsSync(file)) fs.writeFileSync(file, randomBytes(48).toString('base64url'), { mode: 0o600 });
  return fs.readFileSync(file, 'utf8');
}

async function freePortFrom(first) {
  for (let candidate = first; candidate < first + 50; candidate += 1) {
    const isFree = await new Promise((resolve) => {
      const probe = net.createServer();
      probe.once('error', () => resolve(false));
      probe.listen(candidate, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (isFree) return candidate;
  }
  return fail(`Ports ${first} to ${first + 49} are all taken: name a free one with PORT.`);
}
