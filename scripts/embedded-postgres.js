// A real PostgreSQL with pgvector in a local folder: the binaries come from a Python wheel.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const DATABASE = 'heaters';
const USER = 'heaters';

/**
 * Starts PostgreSQL on a loopback port, a free one unless it is named, and gives its URL and a function that stops it.
 *
 * `binaries` is the folder that holds bin/, lib/ and share/; `home` is made if missing and keeps
 * the data. As root the server runs as an unprivileged user, which PostgreSQL insists on.
 */
export async function startPostgres({ binaries, home, durable = true, port: wantedPort, sharedBuffers = '128MB' }) {
  const runAs = process.getuid?.() === 0 ? unprivilegedUser() : null;
  if (runAs !== null) ({ binaries, home } = reachable({ binaries, home, runAs }));
  fs.mkdirSync(home, { recursive: true, mode: 0o755 });
  if (runAs !== null) fs.chownSync(home, runAs.uid, runAs.gid);
  const as = runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid };
  const dataDir = path.join(home, 'data');
  const program = (name) => path.join(binaries, 'bin', name);

  const passwordFile = path.join(home, 'password');
  if (!fs.existsSync(path.join(dataDir, 'PG_VERSION'))) {
    fs.rmSync(dataDir, { recursive: true, force: true });
    fs.writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (runAs !== null) fs.chownSync(passwordFile, runAs.uid, runAs.gid);
    const made = spawnSync(
      program('initdb'),
      ['-D', dataDir, '-U', USER, '-A', 'scram-sha-256', '--pwfile', passwordFile, '-E', 'UTF8', '--no-locale'],
      { ...as, cwd: home, encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`PostgreSQL could not make its data folder: ${made.stderr || made.error}`);
  }
  const password = fs.readFileSync(passwordFile, 'utf8').trim();
  await stopLeftover(dataDir);
  const port = wantedPort ?? (await freePort());
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: sharedBuffers,
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
  };
  const server = spawn(
    program('postgres'),
    ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    // A group of its own: Ctrl-C in the terminal must not reach it before the app has let go.
    { ...as, cwd: home, detached: true, stdio: ['ignore', 'ignore', fs.openSync(path.join(home, 'log'), 'a')] },
  );
  const ended = new Promise((resolve) => server.once('exit', resolve));
  // However the command ends, the server does not outlive it; where this comes too late, the next start stops it.
  const endWithUs = () => server.kill('SIGINT');
  process.once('exit', endWithUs);
  void ended.then(() => process.removeListener('exit', endWithUs));
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));

  const env = { ...process.env, PGPASSWORD: password };
  const psql = (database, sql) =>
    spawnSync(program('psql'), ['-h', '127.0.0.1', '-p', String(port), '-U', USER, '-d', database, '-XAtqc', sql], {
      env,
      encoding: 'utf8',
    });
  for (const deadline = Date.now() + 30_000; psql('postgres', 'select 1').status !== 0; await sleep(100)) {
    if (hasEnded || Date.now() > deadline) throw new Error(`PostgreSQL does not start; its log is ${path.join(home, 'log')}.`);
  }
  if (psql('postgres', `select 1 from pg_database where datname = '${DATABASE}'`).stdout.trim() !== '1') {
    psql('postgres', `create database ${DATABASE}`);
  }
  return {
    url: urlOf(password, port),
    home,
    pid: server.pid,
    async stop() {
      // SIGINT is PostgreSQL's fast shutdown: sessions are cut, data is flushed.
      server.kill('SIGINT');
      const patience = setTimeoutKill(server);
      await ended;
      clearTimeout(patience);
    },
  };
}

/** The URL of the server that runs on the data in `home`, started by another process; null when none does. */
export function runningPostgres({ binaries, home }) {
  if (!fs.existsSync(home)) return null;
  const runAs = process.getuid?.() === 0 ? unprivilegedUser() : null;
  if (runAs !== null) ({ home } = reachable({ binaries, home, runAs }));
  const pidFile = path.join(home, 'data', 'postmaster.pid');
  if (!fs.existsSync(pidFile)) return null;
  // Source: PostgreSQL's documentation, “Database File Layout”: process id, data folder, start, port.
  const [pid, , , port] = fs.readFileSync(pidFile, 'utf8').split('\n');
  return isAlive(Number(pid)) ? urlOf(fs.readFileSync(path.join(home, 'password'), 'utf8').trim(), port) : null;
}

function urlOf(password, port) {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;
}

/** Stops a server that a killed run has left behind on the same data. */
async function stopLeftover(dataDir) {
  const pidFile = path.join(dataDir, 'postmaster.pid');
  if (!fs.existsSync(pidFile)) return;
  const pid = Number(fs.readFileSync(pidFile, 'utf8').split('\n')[0]);
  const isOurs = () => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataDir);
    } catch {
      return process.platform !== 'linux' && isAlive(pid);
    }
  };
  if (isOurs()) {
    process.kill(pid, 'SIGINT');
    for (const deadline = Date.now() + 15_000; isAlive(pid); await sleep(100)) {
      if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
    }
  }
  fs.rmSync(pidFile, { force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** An account without rights that PostgreSQL may run as. */
function unprivilegedUser() {
  for (const name of ['postgres', 'nobody']) {
    const id = (flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout?.trim();
    if (id('-u')) return { uid: Number(id('-u')), gid: Number(id('-g')) };
  }
  return { uid: 65534, gid: 65534 };
}

/** Where the unprivileged user can reach binaries and data: here, or beside, when a folder above is closed to it. */
function reachable({ binaries, home, runAs }) {
  fs.mkdirSync(home, { recursive: true });
  const canReach = (file) => spawnSync('test', ['-r', file], { uid: runAs.uid, gid: runAs.gid }).status === 0;
  if (canReach(path.join(binaries, 'bin', 'postgres')) && canReach(home)) return { binaries, home };
  const beside = path.join('/var/tmp', `heaters-${Buffer.from(home).toString('base64url').slice(-40)}`);
  const copied = path.join(beside, 'binaries');
  fs.mkdirSync(beside, { recursive: true, mode: 0o755 });
  if (!fs.existsSync(path.join(copied, 'bin', 'postgres'))) {
    fs.cpSync(binaries, copied, { recursive: true });
    spawnSync('chmod', ['-R', 'a+rX', beside]);
  }
  return { binaries: copied, home: path.join(beside, 'postgres') };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function setTimeoutKill(server) {
  return setTimeout(() => server.kill('SIGKILL'), 15_000);
}
