import { config, ConfigError } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { migrateJobs } from '#lib/server/migrate-jobs.ts';
import { migrate } from '#lib/server/migrate.ts';
import { setPoolImage } from '#lib/server/stores/pools.ts';

// Brings the database up to date: our tables, then the job queue's schema and queues.
try {
  await migrate(config().databaseUrl);
  await migrateJobs(config().databaseUrl);
  // A release: from now on machines boot its image, and those of another one leave after their call.
  const { fly } = config();
  if (fly !== null) await setPoolImage(db(), fly.image);
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : `The database could not be brought up to date: ${String(error)}`);
  process.exit(1);
}
process.exit(0);
