// `npm run fly:sim -- [--config FILE] [--port N] [--token T] [--state-file FILE]`: a Fly Machines API whose
// machines are processes of this computer, to try RUNNER_BACKEND=fly without an account.
import { spawnSync } from 'node:child_process';
import { install, ROOT } from './install.js';

const tools = await install();
const { status } = spawnSync(tools.node, ['tests/support/fly-sim/main.ts', ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' });
process.exit(status ?? 1);
