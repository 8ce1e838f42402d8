// `npm run bench -- NAME [arguments]`: runs bench/NAME.bench.ts on the pinned Node, with a database and a built app.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build, fail, install, ROOT } from './install.js';
import { startPostgres } from './embedded-postgres.js';

const [name, ...args] = process.argv.slice(2);
const names = fs
  .readdirSync(path.join(ROOT, 'bench'))
  .flatMap((file) => (file.endsWith('.bench.ts') ? [file.slice(0, -'.bench.ts'.length)] : []));
if (!names.includes(name)) fail(`Name a benchmark: ${names.map((known) => `npm run bench -- ${known}`).join(', ')}.`);
const tools = await install({ forTests: true });
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'heaters-bench-'));
fs.chmodSync(scratch, 0o755);
// Memory as a server has that is meant for it.
const postgres =
  process.env.TEST_DATABASE_URL === undefined
    ? await startPostgres({ binaries: tools.postgresBinaries, home: path.join(scratch, 'postgres'), sharedBuffers: '2GB' })
    : { url: process.env.TEST_DATABASE_URL, stop: () => undefined };
const env = { ...tools.env, TEST_DATABASE_URL: postgres.url, TEST_SCRATCH: scratch, LOG_LEVEL: 'error' };
await build({ node: tools.node, env });
const code = 'const { run } = await import(process.argv[1]); await run(process.argv.slice(2)); process.exit(0);';
const { status } = spawnSync(tools.node, ['--input-type=module', '-e', code, path.join(ROOT, 'bench', `${name}.bench.ts`), ...args], {
  cwd: ROOT,
  env,
  stdio: 'inherit',
});
await postgres.stop();
fs.rmSync(scratch, { recursive: true, force: true });
process.exit(status ?? 1);
