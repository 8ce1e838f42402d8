import { PgBoss } from 'pg-boss';
import * as v from 'valibot';
import { dispatch } from '#lib/jobs/dispatch.server.ts';
import type { StageHandlers } from '#lib/jobs/handler.server.ts';
import { runStage } from '#lib/jobs/run-stage.server.ts';
import { STAGES, type QueueName, type StageName } from '#lib/jobs/stages.ts';
import { sweep } from '#lib/jobs/sweep.server.ts';
import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';

/** Jobs of a queue that one process runs side by side. */
const CONCURRENCY: Record<QueueName, number> = {
  default: 2,
  media_processing: 5,
  exports: 2,
  temp_clips: 3,
  background_jobs: 2,
  maintenance: 1,
};

const StageJobSchema = v.object({
  stage: v.picklist(Object.keys(STAGES) as StageName[]),
  itemId: v.pipe(v.number(), v.integer()),
  videoId: v.pipe(v.number(), v.integer()),
});
const ScheduledSchema = v.object({ schedule: v.picklist(['dispatch', 'sweep']) });

/**
 * Opens pg-boss and works on those named until `stop` is called.
 *
 * Jobs wake their worker by NOTIFY; polling remains as the fallback. A worker that dies misses its
 * heartbeat, and the job is tried again.
 */
export async function startQueues(
  sql: Database,
  databaseUrl: string,
  queueNames: readonly QueueName[],
  handlers: StageHandlers,
): Promise<{ stop: () => Promise<void> }> {
  const boss = new PgBoss({
    connectionString: databaseUrl,
    max: 4,
    useListenNotify: true,
    superviseIntervalSeconds: 15,
    monitorIntervalSeconds: 15,
  });
  boss.on('error', (error) => log.error({ err: error }, 'the job queue reports an error'));
  await boss.start();
  await boss.schedule('default', '* * * * *', { schedule: 'dispatch' }, { key: 'dispatch', singletonKey: 'dispatch' });
  await boss.schedule('default', '0 */4 * * *', { schedule: 'sweep' }, { key: 'sweep', singletonKey: 'sweep' });

  const stopping = new AbortController();
  for (const name of queueNames) {
    await boss.work(
      name,
      { includeMetadata: true, localConcurrency: CONCURRENCY[name], pollingIntervalSeconds: 2, heartbeatRefreshSeconds: 8 },
      async ([job]) => {
        if (job === undefined) return;
        const scheduled = v.safeParse(ScheduledSchema, job.data);
        if (scheduled.success) {
          await (scheduled.output.schedule === 'dispatch' ? dispatch(sql) : sweep(sql));
          return;
        }
        await runStage(sql, handlers, v.parse(StageJobSchema, job.data), {
          number: job.retryCount + 1,
          isLast: job.retryCount >= job.retryLimit,
          signal: AbortSignal.any([job.signal, stopping.signal]),
        });
      },
    );
  }
  log.info({ queues: queueNames }, 'working');
  return {
    stop: async () => {
      stopping.abort(new Error('The worker is stopping; the job runs again elsewhere.'));
      await boss.stop({ graceful: true, timeout: 5_000 });
    },
  };
}
