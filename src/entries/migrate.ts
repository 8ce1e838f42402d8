import { config, ConfigError } from '#lib/server/config.ts';
import { migrate } from '#lib/server/migrate.ts';
import { PgBoss } from 'pg-boss';

// Brings the database up to date: our tables, then the job queue's own schema.
try {
  await migrate(config().databaseUrl);
  const boss = new PgBoss({ connectionString: config().databaseUrl, supervise: false, schedule: false });
  boss.on('error', () => undefined);
  await boss.start();
  await boss.stop({ graceful: false });
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : `The database could not be brought up to date: ${String(error)}`);
  process.exit(1);
}
process.exit(0);
