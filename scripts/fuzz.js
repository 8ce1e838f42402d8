// `npm run fuzz -- --minutes N --seed S`: damaged and devious media files through the pipeline, on the pinned Node. `--only FILE` looks at one again.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { install, ROOT } from './install.js';

const tools = await install();
const main = path.join(ROOT, 'tests', 'support', 'fuzz', 'main.ts');
const env = { ...tools.env, LOG_LEVEL: process.env.LOG_LEVEL ?? 'silent' };
process.exit(spawnSync(tools.node, [main, ...process.argv.slice(2)], { env, stdio: 'inherit' }).status ?? 1);
