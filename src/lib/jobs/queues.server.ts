import { PgBoss } from 'pg-boss';
import * as v from 'valibot';
import { dispatch } from '#lib/jobs/dispatch.server.ts';
import type { StageHandlers } from '#lib/jobs/handler.server.ts';
import { runStage } from '#lib/jobs/run-stage.server.ts';
import { STAGES, type QueueName, type StageName } from '#lib/jobs/stages.ts';
import { sweep } from '#lib/jobs/sweep.server.ts';
import type { Database } from '#lib/server/db.ts';
import { bossDatabase, OriginEntries } from '#lib/server/enqueue.ts';
import { deliverWebhook } from '#lib/server/features/deliver-webhooks.ts';
import { log } from '#lib/server/log.ts';
import { ParentStops, type Pool } from '#lib/server/pool/pool.ts';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { inSpan } from '#lib/server/telemetry/tracing.ts';

/** Jobs of a queue that one process runs side by side. */
const CONCURRENCY: Record<QueueName, number> = {
  default: 2,
  // Handlers that wait for the pool take a place each: more places than machines.
  media_processing: 12,
  exports: 8,
  temp_clips: 3,
  background_jobs: 2,
  maintenance: 1,
};

/** How long a job that was told to end may take for it. */
const HANDING_BACK_MS = 3_000;

const StageJobSchema = v.object({
  stage: v.picklist(Object.keys(STAGES) as StageName[]),
  itemId: v.pipe(v.number(), v.integer()),
  videoId: v.pipe(v.number(), v.integer()),
  ...OriginEntries,
});
const DeliverySchema = v.object({ webhookDelivery: v.pipe(v.number(), v.integer()) });
const ScheduledSchema = v.object({ schedule: v.picklist(['dispatch', 'sweep']) });

/**
 * Opens pg-boss and works on those named until `stop` is called.
 *
 * Jobs wake their worker by NOTIFY; a look every two seconds finds those whose retry has come due. A worker that dies misses its
 * heartbeat, and the job is tried again. Told to stop, it takes no further job, lets go at once of what runs on machines of the pool,
 * since that goes on without it, gives the rest `drainMs`, and hands back what is left.
 */
export async function startQueues(
  context: { readonly sql: Database; readonly pool: Pool; readonly handlers: StageHandlers },
  { databaseUrl, drainMs }: { readonly databaseUrl: string; readonly drainMs: number },
  queueNames: readonly QueueName[],
): Promise<{ stop: () => Promise<void> }> {
  const boss = new PgBoss({
    connectionString: databaseUrl,
    max: 4,
    useListenNotify: true,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
  });
  boss.on('error', (error) => log.error({ err: error }, 'the job queue reports an error'));
  await boss.start();
  await boss.schedule('default', '* * * * *', { schedule: 'dispatch' }, { key: 'dispatch', singletonKey: 'dispatch' });
  await boss.schedule('default', '0 */4 * * *', { schedule: 'sweep' }, { key: 'sweep', singletonKey: 'sweep' });

  const letGo = new AbortController();
  const stopping = new AbortController();
  for (const name of queueNames) {
    await boss.work(
      name,
      {
        includeMetadata: true,
        localConcurrency: CONCURRENCY[name],
        pollingIntervalSeconds: 2,
        notifyPollingIntervalSeconds: 2,
        heartbeatRefreshSeconds: 3,
      },
      async ([job]) => {
        if (job === undefined) return;
        const scheduled = v.safeParse(ScheduledSchema, job.data);
        if (scheduled.success) {
          const { schedule } = scheduled.output;
          await withLogFields({ jobId: job.id, schedule }, () =>
            inSpan(`schedule ${schedule}`, { kind: 'CONSUMER' }, () =>
              schedule === 'dispatch' ? dispatch(context.sql) : sweep(context.sql),
            ),
          );
          return;
        }
        const delivery = v.safeParse(DeliverySchema, job.data);
        if (delivery.success) {
          const deliveryId = delivery.output.webhookDelivery;
          await withLogFields({ jobId: job.id, deliveryId }, () =>
            inSpan('webhook delivery', { kind: 'CONSUMER' }, () =>
              deliverWebhook(context.sql, deliveryId, AbortSignal.any([job.signal, stopping.signal])),
            ),
          );
          return;
        }
        const stageJob = v.parse(StageJobSchema, job.data);
        const end = STAGES[stageJob.stage].where === 'pool' ? letGo : stopping;
        await runStage(context, stageJob, {
          jobId: job.id,
          signal: AbortSignal.any([job.signal, end.signal]),
          complete: async (tx) => {
            // pg-boss gives the number of settled jobs, but its types leave it out.
            const { affected } = (await boss.complete(name, job.id, null, { db: bossDatabase(tx) })) as { affected?: number };
            if (affected !== 1) throw new Error('The job has been taken from this worker; it runs again.');
          },
        });
      },
    );
  }
  log.info({ queues: queueNames }, 'working');
  return {
    stop: async () => {
      const reason = new ParentStops('The worker is stopping; the job goes on elsewhere.');
      letGo.abort(reason);
      const impatience = setTimeout(() => stopping.abort(reason), drainMs);
      await boss.stop({ graceful: true, timeout: drainMs + HANDING_BACK_MS });
      clearTimeout(impatience);
    },
  };
}
