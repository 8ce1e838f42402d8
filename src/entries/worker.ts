import { onParentGone } from './parent.ts';
import { handlers } from '#lib/jobs/handlers.server.ts';
import { startQueues } from '#lib/jobs/queues.server.ts';
import { config, ConfigError } from '#lib/server/config.ts';
import { closeDb, db } from '#lib/server/db.ts';
import { readMetrics } from '#lib/server/features/read-metrics.ts';
import { log } from '#lib/server/log.ts';
import { startPlaybackSweeper } from '#lib/server/playback-sweeper.ts';
import { startPool } from '#lib/server/pool/start-pool.ts';
import { serveMetrics } from '#lib/server/telemetry/serve-metrics.ts';
import { startTracing } from '#lib/server/telemetry/tracing.ts';

const flushTraces = await startTracing('worker');
try {
  const { databaseUrl, jobQueues } = config();
  const pool = await startPool();
  const queues = await startQueues({ sql: db(), pool, handlers }, databaseUrl, jobQueues);
  // Where playback files are made, they are also swept.
  const stopSweeping = jobQueues.includes('temp_clips') ? startPlaybackSweeper(db()) : () => undefined;
  const stopMetrics = serveMetrics(() => readMetrics(db()));
  const stop = async () => {
    stopSweeping();
    stopMetrics();
    await Promise.all([queues.stop(), pool.stop()]);
    await Promise.all([closeDb(), flushTraces()]);
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
