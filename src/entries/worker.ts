import { onParentGone } from './parent.ts';
import { handlers } from '#lib/jobs/handlers.server.ts';
import { startQueues } from '#lib/jobs/queues.server.ts';
import { config, ConfigError } from '#lib/server/config.ts';
import { closeDb, db } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';

try {
  const { databaseUrl, jobQueues } = config();
  const queues = await startQueues(db(), databaseUrl, jobQueues, handlers);
  const stop = async () => {
    await queues.stop();
    await closeDb();
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
  onParentGone(() => void stop());
} catch (error) {
  if (error instanceof ConfigError) console.error(error.message);
  else log.fatal({ err: error }, 'the worker could not start');
  process.exit(1);
}
