import { config, ConfigError } from '#lib/server/config.ts';
import { migrateJobs } from '#lib/server/migrate-jobs.ts';
import { migrate } from '#lib/server/migrate.ts';

// Brings the database up to date: our tables, then the job queue's schema and queues.
try {
  await migrate(config().databaseUrl);
  await migrateJobs(config().databaseUrl);
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : `The database could not be brought up to date: ${String(error)}`);
  process.exit(1);
}
process.exit(0);
