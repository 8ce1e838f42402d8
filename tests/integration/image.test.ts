import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LiveSocket } from '#lib/client/socket.ts';
import { createSession, sessionCookie } from '#lib/server/auth/lucia.ts';
import type { Finding } from '#lib/server/doctor/check.ts';
import { userTopic } from '#lib/live/topics.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import { parseConfig } from '#lib/server/config.ts';
import { QUEUES } from '#lib/jobs/stages.ts';
import { openEnvironment, type TestEnvironment } from '../support/environment.ts';
import { contextFilter, copiedFromContext, holds, readDockerfile, tryImage, type TriedImage } from '../support/image.ts';
import { freePort } from '../support/free-port.ts';
import { importFilm, stopWorker } from '../support/worker.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SECRET = randomBytes(48).toString('base64');
const TOPIC = userTopic(1);
const VENV = path.dirname(path.dirname(process.env.HEATERS_PYTHON ?? ''));

describe('the Dockerfile', () => {
  const instructions = readDockerfile(path.join(ROOT, 'Dockerfile'));

  it('has nothing that a linter objects to', () => {
    const said = execFileSync(path.join(VENV, 'bin', 'hadolint'), ['--no-color', path.join(ROOT, 'Dockerfile')], { encoding: 'utf8' });
    expect(said).toBe('');
  });

  it('copies only what is there and reaches the build', () => {
    const reaches = contextFilter(ROOT);
    const copied = instructions.flatMap((instruction) => copiedFromContext(instruction) ?? []);
    expect(copied.length).toBeGreaterThan(10);
    for (const file of copied) {
      const full = path.join(ROOT, file);
      expect(existsSync(full), file).toBe(true);
      if (!statSync(full).isDirectory()) expect(reaches(full), `${file} is ignored`).toBe(true);
    }
    for (const kept of ['.heaters/secret', '.git/config', 'tests/support/app.ts', 'node_modules/vite/package.json']) {
      expect(reaches(path.join(ROOT, kept)), kept).toBe(false);
    }
  });

  it('stands on the Node that the tests run on', () => {
    expect(instructions[0]?.getArgumentsContent()).toMatch(new RegExp(`^node:${process.versions.node}-`));
  });
});

describe('fly.toml', () => {
  const fly = parse(readFileSync(path.join(ROOT, 'fly.toml'), 'utf8')) as {
    env: Record<string, string>;
    processes: Record<string, string>;
    deploy: { release_command: string };
    kill_timeout: string;
    http_service: { processes: string[]; internal_port: number; checks: { path: string }[] };
    metrics: { processes: string[]; port: number };
    vm: { processes: string[] }[];
  };
  const entryOf = (command: string) => /\bnode (src\/entries\/\w+\.ts)$/.exec(command)?.[1] ?? '';
  const settingsOf = (command: string) =>
    Object.fromEntries([...command.matchAll(/\b([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name!, value!]));

  it('starts entries that exist, in groups that exist', () => {
    for (const command of [fly.deploy.release_command, ...Object.values(fly.processes)]) {
      expect(existsSync(path.join(ROOT, entryOf(command))), command).toBe(true);
    }
    const groups = Object.keys(fly.processes);
    expect(fly.vm.flatMap((vm) => vm.processes).sort()).toEqual([...groups].sort());
    expect(fly.metrics.port).toBe(Number(fly.env.METRICS_PORT));
    for (const named of [...fly.http_service.processes, ...fly.metrics.processes]) expect(groups).toContain(named);
  });

  it('has each queue worked on by somebody, and playback files made where they are served', () => {
    const queues = Object.values(fly.processes).map((command) => settingsOf(command).JOB_QUEUES!.split(','));
    expect(queues.flat().sort()).toEqual([...QUEUES].sort());
    expect(settingsOf(fly.processes.web!).JOB_QUEUES).toContain('temp_clips');
  });

  it('gives each process, with the secrets, a configuration that is whole', () => {
    const secrets = {
      ...{ DATABASE_URL: 'postgres://db/heaters', SECRET_KEY_BASE: randomBytes(48).toString('base64'), FLY_API_TOKEN: 't' },
      ...{ PROD_S3_BUCKET_NAME: 'films', AWS_ACCESS_KEY_ID: 'i', AWS_SECRET_ACCESS_KEY: 's' },
    };
    const byFly = { FLY_APP_NAME: 'heaters', FLY_IMAGE_REF: 'heaters:1', FLY_MACHINE_ID: 'm', FLY_REGION: 'fra' };
    for (const command of Object.values(fly.processes)) {
      const config = parseConfig({
        ...fly.env,
        ...secrets,
        ...byFly,
        ...settingsOf(command),
        PORT: String(fly.http_service.internal_port),
      });
      expect(config.appEnv).toBe('production');
      expect(Number.parseInt(fly.kill_timeout)).toBeGreaterThan(config.drainMs / 1000 + 10);
    }
  });

  it('asks for health at pages that are there', () => {
    for (const { path: page } of fly.http_service.checks)
      expect(existsSync(path.join(ROOT, 'src/routes', page, '+server.ts')), page).toBe(true);
  });
});

describe('the image, as far as it can be made without a container engine', () => {
  const outDir = mkdtempSync(path.join(process.env.TEST_SCRATCH ?? os.tmpdir(), 'image-'));
  const processes: ChildProcess[] = [];
  let image: TriedImage;
  let env: TestEnvironment;
  beforeAll(async () => {
    env = await openEnvironment();
    // The packages of Python are those of the tests, by the same lock: fetching them again takes minutes.
    const linked = process.env.IMAGE_PYTHON === 'fetch' ? null : `mkdir .venv; ln -s ${VENV}/* .venv/`;
    image = await tryImage(ROOT, outDir, (command) => (/-m venv/.test(command) ? linked : null));
  }, 600_000);
  afterAll(async () => {
    for (const each of processes) await stopWorker(each);
    await env.close();
    rmSync(outDir, { recursive: true, force: true });
  });

  const settings = () => ({
    ...{ PATH: process.env.PATH!, ...image.env, DATABASE_URL: process.env.DATABASE_URL!, DATA_DIR: env.dataDir, HOST: '127.0.0.1' },
    ...{ ORIGIN: 'https://films.example', ADDRESS_HEADER: 'x-client', SECRET_KEY_BASE: SECRET },
  });
  const start = (command: readonly string[], more: Readonly<Record<string, string>> = {}, cwd = image.folder) => {
    const child = spawn(process.execPath, command.slice(1), { cwd, env: { ...settings(), ...more }, stdio: 'inherit' });
    processes.push(child);
    return child;
  };

  it('holds nothing that only development needs', () => {
    for (const absent of [
      'node_modules/vite/package.json',
      'node_modules/typescript/package.json',
      'node_modules/@playwright/test/package.json',
      'tests',
      'package-lock.json',
      '.git',
    ]) {
      expect(holds(image, absent), absent).toBe(false);
    }
    for (const present of ['node_modules/pg-boss', 'migrations', 'build/handler.js', 'python/heaters_media'])
      expect(holds(image, present), present).toBe(true);
  });

  const ready = (port: string) =>
    vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200), { timeout: 60_000, interval: 200 });
  const ends = async (child: ChildProcess) => {
    await vi.waitFor(() => expect(child.exitCode ?? child.signalCode).not.toBeNull(), { timeout: 60_000 });
    return child.exitCode;
  };
  const doctor = async (...args: string[]) => {
    const child = spawn(process.execPath, ['src/entries/doctor.ts', '--json', ...args], {
      cwd: image.folder,
      env: { ...settings(), LOG_LEVEL: 'silent' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = JSON.parse(await text(child.stdout)) as { ok: boolean; findings: Finding[] };
    return Object.fromEntries(said.findings.map((finding) => [finding.name, finding]));
  };
  let firstPort: string;
  let firstWeb: ChildProcess;

  it('migrates, and serves pages in production', async () => {
    expect(await ends(start(['node', 'src/entries/migrate.ts']))).toBe(0);
    firstPort = String(await freePort());
    firstWeb = start(image.command, { PORT: firstPort, JOB_QUEUES: 'default,temp_clips' });
    await ready(firstPort);
    const page = await fetch(`http://127.0.0.1:${firstPort}/login`, { headers: { 'x-client': '192.0.2.1' } });
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('Heaters');
  }, 120_000);

  it('has a worker and runners that make a video ready for review', async () => {
    const ann = await env.addPerson('Ann', 'admin');
    const videoId = await importFilm(env, ann, 'testsrc2=s=320x180:r=25:d=3');
    start(['node', 'src/entries/worker.ts'], { JOB_QUEUES: 'media_processing,exports,background_jobs,maintenance' });
    const state = async () => (await env.sql<{ state: string }[]>`select state from videos where id = ${videoId}`)[0]?.state;
    await vi.waitFor(async () => expect(await state()).toBe('ready'), { timeout: 120_000, interval: 200 });
  }, 150_000);

  it('has a doctor who finds all of it well, a runner too, once the minute’s schedule has run', async () => {
    const dispatched = () => env.sql`select 1 from pgboss.job where data->>'schedule' = 'dispatch' and state = 'completed'`;
    await vi.waitFor(async () => expect((await dispatched()).length).toBeGreaterThan(0), { timeout: 100_000, interval: 500 });
    const found = await doctor('--before', '--after', `http://127.0.0.1:${firstPort}`, '--spawn');
    expect(Object.values(found).filter(({ kind }) => kind === 'fail')).toEqual([]);
    for (const name of [
      'ffmpeg',
      'Python',
      'database',
      'migrations',
      'health',
      'live connection',
      'dispatcher',
      'queues',
      'clip playback',
      'a runner for an encode',
    ]) {
      expect(found[name], name).toMatchObject({ kind: 'pass' });
    }
  }, 240_000);

  it('is taken over by the next version, with its migration, while a page is open that misses no event', async () => {
    const next = path.join(outDir, 'next');
    cpSync(image.folder, next, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => !file.startsWith(path.join(image.folder, 'node_modules')),
    });
    symlinkSync(path.join(image.folder, 'node_modules'), path.join(next, 'node_modules'));
    writeFileSync(path.join(next, 'migrations', '9999-next-version.sql'), 'alter table videos add column next_version text;');
    const nextPort = String(await freePort());
    const front = await startFront([firstPort, nextPort]);
    const page = await openPage(front.url, env);
    let published = 0;
    let isOver = false;
    const publishing = (async () => {
      for (; !isOver; await sleep(20))
        published = await env.sql.begin((tx) => publish(tx, TOPIC, { type: 'video-removed', payload: { videoId: 1 } }, null));
    })();
    await vi.waitFor(() => expect(page.seqs.length).toBeGreaterThan(5), { timeout: 20_000 });

    expect(await ends(start(['node', 'src/entries/migrate.ts'], {}, next))).toBe(0);
    start(image.command, { PORT: nextPort, JOB_QUEUES: 'default,temp_clips' }, next);
    await ready(nextPort);
    firstWeb.kill('SIGTERM');
    expect(await ends(firstWeb)).toBe(0);
    await vi.waitFor(() => expect(front.lastPort()).toBe(nextPort), { timeout: 20_000 });
    await sleep(500);
    isOver = true;
    await publishing;
    await vi.waitFor(() => expect(page.seqs.at(-1)).toBe(published), { timeout: 20_000 });
    expect(page.seqs).toEqual(Array.from({ length: published }, (_, index) => index + 1));
    expect(page.resets()).toBe(0);
    page.close();
    front.close();
    // Two versions kept the schedule, and worked on it, side by side.
    const twice = await env.sql`
      select date_trunc('minute', created_on) from pgboss.job where data->>'schedule' = 'dispatch' group by 1 having count(*) > 1`;
    expect(twice).toHaveLength(0);
  }, 120_000);
});

/** What stands before web machines: a connection goes to the first of the ports that takes it. */
async function startFront(ports: readonly string[]) {
  let lastPort = '';
  const server = createServer((client) => {
    const attempt = ([port, ...rest]: readonly string[]): void => {
      if (port === undefined) return void client.destroy();
      let isOpen = false;
      const target = connect({ host: '127.0.0.1', port: Number(port) });
      target.once('connect', () => {
        lastPort = port;
        isOpen = true;
        client.pipe(target).pipe(client);
        client.once('close', () => target.destroy());
        target.once('close', () => client.destroy());
        target.on('error', () => client.destroy());
      });
      target.once('error', () => isOpen || attempt(rest));
    };
    client.on('error', () => undefined);
    attempt(ports);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, lastPort: () => lastPort, close: () => server.close() };
}

/** A page that is logged in and follows a topic. */
async function openPage(url: string, env: TestEnvironment) {
  const [user] = await env.sql<{ id: number }[]>`select id from users limit 1`;
  const { name, value } = sessionCookie(await createSession(env.sql, user!.id));
  const raw = io(url, {
    transports: ['websocket'],
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    extraHeaders: { cookie: `${name}=${value}` },
  });
  const seqs: number[] = [];
  let resets = 0;
  const live = new LiveSocket(
    () => raw,
    () => undefined,
  );
  live.follow(TOPIC, 0, { onEvent: ({ seq }) => void seqs.push(seq), onSignal: () => undefined, onReset: () => (resets += 1) });
  return { seqs, resets: () => resets, close: () => void raw.disconnect() };
}
