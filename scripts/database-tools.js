// What backup and restore share: which database, and PostgreSQL's own programs for it.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { HOME, install } from './install.js';
import { runningPostgres, startPostgres } from './embedded-postgres.js';

/**
 * The database that DATABASE_URL names, else the embedded one, which is started if the app does not run.
 * Gives its programs' folder and the environment in which they find it; no password is on a command line.
 */
export async function openDatabase() {
  const { postgresBinaries: binaries } = await install();
  const embedded = { binaries, home: path.join(HOME, 'postgres') };
  const running = process.env.DATABASE_URL ?? runningPostgres(embedded);
  const started = running === null ? await startPostgres(embedded) : null;
  const url = new URL(running ?? started.url);
  const programs = newestPrograms(path.join(binaries, 'bin'));
  const env = {
    ...process.env,
    PGHOST: url.hostname,
    PGPORT: url.port || '5432',
    PGUSER: decodeURIComponent(url.username),
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATABASE: decodeURIComponent(url.pathname.slice(1)),
    ...(url.searchParams.has('sslmode') ? { PGSSLMODE: url.searchParams.get('sslmode') } : {}),
  };
  return {
    name: `${env.PGDATABASE} on ${env.PGHOST}`,
    env,
    program: (name) => path.join(programs, name),
    /** The rows of a query as text, columns apart by `|`; throws what psql says. */
    query(sql) {
      const { status, stdout, stderr } = spawnSync(path.join(programs, 'psql'), ['-XAtqc', sql], { env, encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr.trim());
      return stdout.trim().split('\n').filter(Boolean);
    },
    stop: () => started?.stop(),
  };
}

/** pg_dump reads servers up to its own version: the newer of what came with the packages and what is on the PATH. */
function newestPrograms(bundled) {
  const versionIn = (folder) =>
    Number(/(\d+)/.exec(spawnSync(path.join(folder, 'pg_dump'), ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 0);
  const onPath = spawnSync('sh', ['-c', 'command -v pg_dump'], { encoding: 'utf8' }).stdout.trim();
  return onPath !== '' && versionIn(path.dirname(onPath)) > versionIn(bundled) ? path.dirname(onPath) : bundled;
}
