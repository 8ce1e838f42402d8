// `npm run bench -- NAME [arguments]`: runs bench/NAME.bench.ts on the pinned Node.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fail, install, ROOT } from './install.js';

const [name, ...args] = process.argv.slice(2);
const names = fs
  .readdirSync(path.join(ROOT, 'bench'))
  .flatMap((file) => (file.endsWith('.bench.ts') ? [file.slice(0, -'.bench.ts'.length)] : []));
if (!names.includes(name)) fail(`Name a benchmark: ${names.map((known) => `npm run bench -- ${known}`).join(', ')}.`);
const { node, env } = await install();
const code = 'const { run } = await import(process.argv[1]); await run(process.argv.slice(2));';
const { status } = spawnSync(node, ['--input-type=module', '-e', code, path.join(ROOT, 'bench', `${name}.bench.ts`), ...args], {
  cwd: ROOT,
  env,
  stdio: 'inherit',
});
process.exit(status ?? 1);
