import { onParentGone } from './parent.ts';
import { handlers } from '#lib/jobs/handlers.server.ts';
import { startQueues } from '#lib/jobs/queues.server.ts';
import { config, ConfigError } from '#lib/server/config.ts';
import { closeDb, db } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { startPlaybackSweeper } from '#lib/server/playback-sweeper.ts';
import { startPool } from '#lib/server/pool/start-pool.ts';

try {
  const { databaseUrl, jobQueues } = config();
  const pool = await startPool();
  const queues = await startQueues({ sql: db(), pool, handlers }, databaseUrl, jobQueues);
  // Where playback files are made, they are also swept.
  const stopSweeping = jobQueues.includes('temp_clips') ? startPlaybackSweeper(db()) : () => undefined;
  const stop = async () => {
    stopSweeping();
    await Promise.all([queues.stop(), pool.stop()]);
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
