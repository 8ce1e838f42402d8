// `npm run restore -- FILE`: puts a backup into the database, all of it or nothing. `--overwrite` replaces what is there.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { fail } from './install.js';
import { openDatabase } from './database-tools.js';

const { values, positionals } = parseArgs({ options: { overwrite: { type: 'boolean', default: false } }, allowPositionals: true });
const [file] = positionals;
if (file === undefined || positionals.length > 1) fail('Name the file of the backup: `npm run restore -- FILE`.');
if (!fs.existsSync(file)) fail(`There is no ${file}.`);

const database = await openDatabase();
try {
  refuseUnlessSafe();
  await restore();
} catch (error) {
  await database.stop();
  fail(error.message);
}
const [counts] = database.query(
  `select (select count(*) from videos), (select count(*) from clips), (select count(*) from decisions), (select count(*) from pgboss.job where state < 'completed')`,
);
const [videos, clips, decisions, jobs] = counts.split('|');
await database.stop();
console.log(`${database.name} has ${videos} videos, ${clips} clips, ${decisions} decisions and ${jobs} jobs to do, as in ${file}.`);
console.log('Now start the app of the same version, or a newer one: it brings the database up to date, and jobs go on.');

function refuseUnlessSafe() {
  const listed = spawnSync(database.program('pg_restore'), ['--list', file], { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
  if (listed.status !== 0 || !/TABLE DATA public decisions /.test(listed.stdout)) throw new Error(`${file} is no backup of Heaters.`);
  const using = database.query(
    `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
  );
  if (using.length > 0) throw new Error(`${database.name} is in use: stop the app (web and worker) first.`);
  const tables = database.query(`select 1 from pg_tables where schemaname in ('public', 'pgboss')`);
  if (tables.length > 0 && !values.overwrite) {
    throw new Error(`${database.name} is not empty. \`npm run restore -- ${file} --overwrite\` replaces all that is in it.`);
  }
}

/** One transaction, committed only when the whole file has been read: a restore that fails leaves what was there. */
async function restore() {
  const reader = spawn(database.program('pg_restore'), ['--no-owner', '--no-privileges', '--file=-', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const writer = spawn(database.program('psql'), ['-Xq', '-v', 'ON_ERROR_STOP=1', '-f', '-'], {
    env: database.env,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const [read, written] = [ended(reader), ended(writer)];
  writer.stdin.on('error', () => reader.kill());
  writer.stdin.write('begin; drop schema if exists pgboss cascade; drop schema if exists public cascade; create schema public;\n');
  reader.stdout.pipe(writer.stdin, { end: false });
  const [readStatus, readSaid] = await read;
  writer.stdin.end(readStatus === 0 ? 'commit;\n' : '');
  const [writtenStatus, writtenSaid] = await written;
  if (readStatus !== 0 || writtenStatus !== 0) {
    throw new Error(`Nothing was changed, for the restore failed: ${(writtenSaid || readSaid).trim()}`);
  }
}

function ended(child) {
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  return new Promise((resolve, reject) => child.once('error', reject).once('close', (status) => resolve([status, said])));
}
