// `npm run doctor`: looks at all that a deploy needs. `-- --before`, `-- --after URL`, `--spawn`, `--json`.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { HOME, install, ROOT } from './install.js';
import { runningPostgres } from './embedded-postgres.js';

const tools = await install();
const secret = path.join(HOME, 'secret');
// Without DATABASE_URL it is the app of `npm start` that is looked at, with what that keeps in .heaters.
const own = process.env.DATABASE_URL
  ? {}
  : {
      DATABASE_URL: runningPostgres({ binaries: tools.postgresBinaries, home: path.join(HOME, 'postgres') }) ?? '',
      SECRET_KEY_BASE: process.env.SECRET_KEY_BASE ?? (fs.existsSync(secret) ? fs.readFileSync(secret, 'utf8') : ''),
      DATA_DIR: process.env.DATA_DIR ?? path.join(HOME, 'data'),
    };
const child = spawn(tools.node, ['src/entries/doctor.ts', ...process.argv.slice(2)], {
  cwd: ROOT,
  env: { LOG_LEVEL: 'silent', ...tools.env, ...own },
  stdio: 'inherit',
});
child.once('exit', (code) => process.exit(code ?? 1));
