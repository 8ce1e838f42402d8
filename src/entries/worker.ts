import { configOrExit } from './config-or-exit.ts';
import { onParentGone } from './parent.ts';
import { startWork } from './work.ts';
import { QUEUES } from '#lib/jobs/stages.ts';
import { closeDb, db } from '#lib/server/db.ts';
import { readMetrics } from '#lib/server/features/read-metrics.ts';
import { log } from '#lib/server/log.ts';
import { startPlaybackSweeper } from '#lib/server/playback-sweeper.ts';
import { startSystemReporter } from '#lib/server/system-reporter.ts';
import { serveMetrics } from '#lib/server/telemetry/serve-metrics.ts';
import { startTracing } from '#lib/server/telemetry/tracing.ts';

const { jobQueues } = configOrExit();
const queueNames = jobQueues ?? QUEUES;
if (queueNames.length === 0) {
  process.stderr.write('JOB_QUEUES names no queue: a worker would have nothing to do. Leave it out for all queues.\n');
  process.exit(1);
}
const flushTraces = await startTracing('worker');
try {
  const stopWork = await startWork(queueNames, 'worker');
  // Where playback files are made, they are also swept.
  const stopSweeping = queueNames.includes('temp_clips') ? startPlaybackSweeper(db()) : () => undefined;
  const stopMetrics = serveMetrics(() => readMetrics(db()));
  const stopReporting = startSystemReporter(db(), { role: 'worker', queues: queueNames });
  const stop = async () => {
    stopSweeping();
    stopMetrics();
    await Promise.all([stopWork(), stopReporting()]);
    await Promise.all([closeDb(), flushTraces()]);
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
  onParentGone(() => void stop());
} catch (error) {
  log.fatal({ err: error }, 'the worker could not start');
  process.exit(1);
}
