import { randomUUID } from 'node:crypto';
import os from 'node:os';
import { PgBoss } from 'pg-boss';
import * as v from 'valibot';
import { withoutUrls } from '#lib/core/without-urls.ts';
import { dispatch } from '#lib/jobs/dispatch.server.ts';
import type { StageHandlers } from '#lib/jobs/handler.server.ts';
import { keepJobLog } from '#lib/jobs/keep-job-log.server.ts';
import { QueuePlaces, type FetchedJob } from '#lib/jobs/queue-places.server.ts';
import { runStage, type StageOutcome } from '#lib/jobs/run-stage.server.ts';
import { STAGES, type QueueName, type StageName } from '#lib/jobs/stages.ts';
import { sweep } from '#lib/jobs/sweep.server.ts';
import { config } from '#lib/server/config.ts';
import { connect, type Database } from '#lib/server/db.ts';
import { bossDatabase, OriginEntries } from '#lib/server/enqueue.ts';
import { deliverWebhook } from '#lib/server/features/deliver-webhooks.ts';
import { log } from '#lib/server/log.ts';
import { ParentStops, type Pool } from '#lib/server/pool/pool.ts';
import { beginAttempt, endAttempt, type AttemptOutcome } from '#lib/server/stores/job-attempts.ts';
import { failJobForGood } from '#lib/server/stores/jobs.ts';
import { forgetWorker, noteWorker } from '#lib/server/stores/job-workers.ts';
import { WORKERS_CHANNEL, type WorkerOrder } from '#lib/server/stores/queue-settings.ts';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { inSpan } from '#lib/server/telemetry/tracing.ts';
import { version } from '#lib/server/version.ts';

const HEARTBEAT_MS = 5_000;
const TAKEN = 'The job has been taken from this worker; it runs again.';

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

/** Why a job's process is stopped: somebody has cancelled it. */
class JobCancelled extends Error {
  override readonly name = 'JobCancelled';
}

/**
 * Opens pg-boss and works on those named until `stop` is called, as far as they are not paused; `role` is what the
 * process calls itself.
 *
 * Jobs wake their worker by NOTIFY; a look every two seconds finds those whose retry has come due. A worker that dies misses its
 * heartbeat, and the job is tried again. Told to stop, it takes no further job, lets go at once of what runs on machines of the pool,
 * since that goes on without it, gives the rest `drainMs`, and hands back what is left.
 */
export async function startQueues(
  context: { readonly sql: Database; readonly pool: Pool; readonly handlers: StageHandlers },
  { databaseUrl, drainMs }: { readonly databaseUrl: string; readonly drainMs: number },
  queueNames: readonly QueueName[],
  role: string,
): Promise<{ stop: () => Promise<void> }> {
  const { sql } = context;
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

  const self = { id: randomUUID(), host: config().machineId ?? os.hostname(), pid: process.pid };
  const letGo = new AbortController();
  const stopping = new AbortController();
  const running = new Map<string, AbortController>();
  const jobLog = keepJobLog(sql);

  /** Runs one attempt and notes how it ends. */
  const run = async (queue: QueueName, job: FetchedJob): Promise<void> => {
    const cancelled = new AbortController();
    running.set(job.id, cancelled);
    const signal = AbortSignal.any([job.signal, cancelled.signal]);
    let attemptId: number | null = null;
    try {
      attemptId = await beginAttempt(sql, { jobId: job.id, queue, workerId: self.id, host: self.host, pid: self.pid });
      const outcome = await withLogFields({ jobId: job.id, attemptId }, () => {
        log.info({ queue, host: self.host }, 'attempt begins');
        return work(queue, job, signal);
      });
      if (outcome.kind === 'given-up') await endAttempt(sql, attemptId, 'failed', withoutUrls(outcome.reason));
      else await endAttempt(sql, attemptId, 'done', null);
    } catch (error) {
      const outcome: AttemptOutcome = cancelled.signal.aborted ? 'cancelled' : error instanceof ParentStops ? 'released' : 'failed';
      if (attemptId !== null)
        await endAttempt(sql, attemptId, outcome, withoutUrls(error instanceof Error ? error.message : String(error)));
      throw error;
    } finally {
      running.delete(job.id);
    }
  };

  const work = async (queue: QueueName, job: FetchedJob, signal: AbortSignal): Promise<StageOutcome> => {
    const scheduled = v.safeParse(ScheduledSchema, job.data);
    if (scheduled.success) {
      const { schedule } = scheduled.output;
      await withLogFields({ schedule }, () =>
        inSpan(`schedule ${schedule}`, { kind: 'CONSUMER' }, () => (schedule === 'dispatch' ? dispatch(sql) : sweep(sql))),
      );
      return { kind: 'done' };
    }
    const delivery = v.safeParse(DeliverySchema, job.data);
    if (delivery.success) {
      const deliveryId = delivery.output.webhookDelivery;
      await withLogFields({ deliveryId }, () =>
        inSpan('webhook delivery', { kind: 'CONSUMER' }, () => deliverWebhook(sql, deliveryId, AbortSignal.any([signal, stopping.signal]))),
      );
      return { kind: 'done' };
    }
    const stageJob = v.parse(StageJobSchema, job.data);
    const end = STAGES[stageJob.stage].where === 'pool' ? letGo : stopping;
    return runStage(context, stageJob, {
      jobId: job.id,
      signal: AbortSignal.any([signal, end.signal]),
      complete: async (tx) => {
        // pg-boss gives the number of settled jobs, but its types leave it out.
        const { affected } = (await boss.complete(queue, job.id, null, { db: bossDatabase(tx) })) as { affected?: number };
        if (affected !== 1) throw new Error(TAKEN);
      },
      fail: async (tx, reason) => {
        if (!(await failJobForGood(tx, queue, job.id, reason))) throw new Error(TAKEN);
      },
    });
  };

  const places = new QueuePlaces({ boss, sql, queues: queueNames, run });
  const beat = () =>
    noteWorker(sql, { ...self, role, version: version(), queues: places.sizes }).catch((error: unknown) =>
      log.warn({ err: error }, 'the heartbeat of this worker was not stored'),
    );
  const adjust = async () => {
    await places.adjust();
    await beat();
  };
  const obey = (order: WorkerOrder) => {
    if (order.kind === 'settings-changed') void adjust();
    else for (const id of order.jobIds) running.get(id)?.abort(new JobCancelled('The job was cancelled.'));
  };
  await adjust();
  const orders = connect(databaseUrl, 1);
  await orders.listen(
    WORKERS_CHANNEL,
    (text) => obey(JSON.parse(text) as WorkerOrder),
    () => void adjust(),
  );
  // An order that was lost with its connection is made up for: settings here, a cancelled job by pg-boss's own heartbeat.
  const heartbeat = setInterval(() => void adjust(), HEARTBEAT_MS);
  log.info({ queues: queueNames }, 'working');
  return {
    stop: async () => {
      places.close();
      const reason = new ParentStops('The worker is stopping; the job goes on elsewhere.');
      letGo.abort(reason);
      const impatience = setTimeout(() => stopping.abort(reason), drainMs);
      await boss.stop({ graceful: true, timeout: drainMs + HANDING_BACK_MS });
      clearTimeout(impatience);
      clearInterval(heartbeat);
      await orders.end({ timeout: 1 });
      await jobLog.stop();
      await forgetWorker(sql, self.id);
    },
  };
}
