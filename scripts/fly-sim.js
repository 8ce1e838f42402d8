// `npm run fly:sim`: the stand-in of the Fly Machines API on the pinned Node, until it is interrupted.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { install, ROOT } from './install.js';

const tools = await install();
const main = path.join(ROOT, 'tests', 'support', 'fly-sim', 'main.ts');
const child = spawn(tools.node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
// A terminal sends its interrupt to both; a TERM reaches this process alone.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.once('exit', (code) => process.exit(code ?? 1));
