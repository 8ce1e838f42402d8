// `npm run backup`: the whole database as one file, consistent though the app goes on. `-- --to FILE` says where.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fail, HOME } from './install.js';
import { openDatabase } from './database-tools.js';

const { values } = parseArgs({ options: { to: { type: 'string' } } });
const stamp = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
const file = path.resolve(values.to ?? path.join(HOME, 'backups', `heaters-${stamp}.dump`));
if (fs.existsSync(file)) fail(`${file} is there already: name another file with --to.`);

const database = await openDatabase();
const part = `${file}.part`;
fs.mkdirSync(path.dirname(file), { recursive: true });
// It holds password hashes and sessions: for its owner alone, from the first byte.
fs.closeSync(fs.openSync(part, 'w', 0o600));
const run = (name, args) => spawnSync(database.program(name), args, { env: database.env, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
const dumped = run('pg_dump', ['--format=custom', '--no-owner', '--no-privileges', `--file=${part}`]);
const listed = dumped.status === 0 ? run('pg_restore', ['--list', part]) : null;
await database.stop();
if (listed === null || listed.status !== 0) {
  fs.rmSync(part, { force: true });
  fail(`${database.name} could not be saved: ${(listed ?? dumped).stderr?.trim() || 'pg_dump is missing'}`);
}
fs.renameSync(part, file);
console.log(`${database.name} is in ${file} (${(fs.statSync(file).size / 2 ** 20).toFixed(1)} MiB).`);
console.log('Media files are not in it: keep the bucket, or DATA_DIR/store, beside it. SECRET_KEY_BASE is not in it either.');
