import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { fail, pass, skip, type Check, type Outcome } from '#lib/server/doctor/check.ts';
import { distribution, store, uploads } from '#lib/server/doctor/storage-checks.ts';
import { pendingMigrations } from '#lib/server/migrate.ts';
import { FlyApi } from '#lib/server/pool/backends/fly-api.ts';
import { databaseFacts } from '#lib/server/stores/doctor.ts';

const run = promisify(execFile);

/** The filters of `media/recipes.ts` and the sample video, and what writes their results. */
const FILTERS = ['scale', 'fps', 'split', 'trim', 'setpts', 'aresample', 'asetpts', 'format', 'bwdif', 'zscale', 'tonemap', 'thumbnail'];
const ENCODERS = ['libx264', 'aac', 'mjpeg'];
const MODULES = ['cv2', 'numpy', 'onnxruntime', 'tokenizers', 'blurhash', 'yt_dlp'];
const LEAST_POSTGRES = 14;
const LEAST_PGVECTOR = [0, 7];

/** What must hold on the machine and around it before people are let in. */
export function beforeDeploy(config: Config): Check[] {
  return [
    { name: 'ffmpeg', cure: 'Install ffmpeg 5 or newer, or name it with FFMPEG_PATH and FFPROBE_PATH.', look: () => ffmpeg(config) },
    {
      name: 'Python',
      cure: 'Install Python 3.11 with python/requirements.txt, or name it with HEATERS_PYTHON.',
      look: () => python(config),
    },
    { name: 'model of the search', cure: 'Run `npm run model`, or build the image with WITH_MODEL=true.', look: () => model(config) },
    { name: 'database', cure: 'Check DATABASE_URL, that PostgreSQL runs, and that it may be reached from here.', look: database },
    { name: 'migrations', cure: 'Run `node src/entries/migrate.ts`; on Fly.io the release command does it.', look: migrations },
    ...[store, uploads, distribution].map((check) => check(config)),
    {
      name: 'Fly.io',
      cure: 'Make a token with `fly tokens create deploy` and set it as the secret FLY_API_TOKEN.',
      look: () => fly(config),
    },
  ];
}

async function ffmpeg({ ffmpegPath, ffprobePath }: Config): Promise<Outcome> {
  const ask = async (...args: string[]) => (await run(ffmpegPath, ['-hide_banner', ...args], { maxBuffer: 2 ** 24 })).stdout;
  const version = /version (\S+)/.exec(await ask('-version'))?.[1] ?? 'unknown';
  const missing = [...absent(ENCODERS, await ask('-encoders')), ...absent(FILTERS, await ask('-filters'))];
  await run(ffprobePath, ['-version']);
  return missing.length === 0
    ? pass(`${version} with libx264 and all filters, and ffprobe`)
    : fail(`${version} has no ${missing.join(', ')}`, 'Install an ffmpeg that was built with them, such as Debian’s.');
}

/** Of these names, those that no line of a list of ffmpeg has as its second word. */
function absent(names: readonly string[], list: string): string[] {
  const known = new Set(list.split('\n').map((line) => line.trim().split(/\s+/)[1]));
  return names.filter((name) => !known.has(name));
}

async function python({ pythonPath }: Config): Promise<Outcome> {
  const code = `import sys, importlib\nprint(sys.version.split()[0])\nfor name in sys.argv[1:]:\n  try: importlib.import_module(name)\n  except Exception: print(name)`;
  const [version, ...missing] = (await run(pythonPath, ['-c', code, ...MODULES])).stdout.trim().split('\n');
  return missing.length === 0
    ? pass(`${version} with ${MODULES.join(', ')}`)
    : fail(`${version} can’t import ${missing.join(', ')}`, 'Install python/requirements.txt into it.');
}

async function model({ modelDir }: Config): Promise<Outcome> {
  return existsSync(path.join(modelDir, 'model.json'))
    ? pass(`is in ${modelDir}`)
    : skip('is not installed: clips can’t be found by text or likeness');
}

async function database(): Promise<Outcome> {
  const facts = await databaseFacts(db());
  if (facts.serverVersion < LEAST_POSTGRES)
    return fail(`PostgreSQL ${facts.serverVersion} is too old`, `Use PostgreSQL ${LEAST_POSTGRES} or newer.`);
  const pgvector = facts.pgvector ?? facts.pgvectorAvailable;
  if (pgvector === null)
    return fail('pgvector is not there', 'Install pgvector 0.7 or newer on the server; managed ones list it among their extensions.');
  const [major = 0, minor = 0] = pgvector.split('.').map(Number);
  if (major === LEAST_PGVECTOR[0] && minor < LEAST_PGVECTOR[1]!)
    return fail(`pgvector ${pgvector} is too old`, 'Update it to 0.7 or newer.');
  if (facts.pgvector === null && !facts.mayCreate) {
    return fail(
      'the role may not create the extension vector',
      'As the owner of the database: `create extension vector; create extension btree_gist;`.',
    );
  }
  const { used, most } = facts.connections;
  if (used > most * 0.8)
    return fail(`${used} of ${most} connections are used`, 'Lower POOL_SIZE or the number of machines, or raise max_connections.');
  return pass(`PostgreSQL ${facts.serverVersion}, pgvector ${pgvector}, ${used} of ${most} connections used`);
}

async function migrations(): Promise<Outcome> {
  const pending = await pendingMigrations(db());
  if (pending.length === 0) return pass('all are applied');
  return fail(
    `${pending.length} are not applied yet: ${pending.join(', ')}`,
    'Run `node src/entries/migrate.ts`; on Fly.io the release command does it.',
  );
}

async function fly({ fly: settings }: Config): Promise<Outcome> {
  if (settings === null) return skip('is not used: runners are processes of the worker’s machine (RUNNER_BACKEND=local)');
  const { origin, app, token, image } = settings;
  const api = new FlyApi({ origin, app, token, reserve: () => Promise.resolve(0), timeoutMs: 5_000 });
  const machines = await api.list({});
  return pass(`the token reaches the app ${app}, which has ${machines.length} machines; runners boot ${image}`);
}
