import { PgBoss } from 'pg-boss';
import type postgres from 'postgres';
import * as v from 'valibot';
import { STAGES, type QueueName, type StageName } from '#lib/jobs/stages.ts';
import { sideDb, type Sql, type Transaction } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { logField } from '#lib/server/telemetry/log-fields.ts';
import { traceparent } from '#lib/server/telemetry/tracing.ts';
import { markQueued } from '#lib/server/stores/stage-runs.ts';

/** What a job tells of what has asked for it, for the log and the trace: a request, and a W3C trace context. */
export const OriginEntries = { requestId: v.optional(v.string()), traceparent: v.optional(v.string()) };

/** What a stage's job carries. `itemId` is a video or a clip, as the stage says. */
export interface StageJob extends v.InferOutput<v.ObjectSchema<typeof OriginEntries, undefined>> {
  readonly stage: StageName;
  readonly itemId: number;
  readonly videoId: number;
}

/** pg-boss's view of one of our connections: its statements join the caller's transaction. */
export function bossDatabase(sql: Sql) {
  return {
    async executeSql(text: string, values: unknown[] = []) {
      const rows = await sql.unsafe(text, values as postgres.ParameterOrJSON<never>[]);
      return { rows: [...rows] };
    },
  };
}

let sender: Promise<PgBoss> | undefined;

/**
 * A pg-boss that only sends: no schedules, no supervision. What it reads about its queues goes beside
 * the pool, since its callers hold a connection of the pool while they wait for it.
 */
function boss(): Promise<PgBoss> {
  sender ??= (async () => {
    const instance = new PgBoss({ db: bossDatabase(sideDb()), supervise: false, schedule: false, migrate: false });
    instance.on('error', (error) => log.error({ err: error }, 'the job sender failed'));
    await instance.start();
    return instance;
  })();
  sender.catch(() => (sender = undefined));
  return sender;
}

/**
 * Enqueues a stage in the caller's transaction, so that there is never a state without its job.
 *
 * A job that is already waiting or running for the same stage and item (and `revision`, where the
 * same item may be made anew) is not doubled. Higher `priority` runs first.
 */
export async function enqueueStage(
  tx: Transaction,
  stage: StageName,
  item: { readonly itemId: number; readonly videoId: number },
  options: { readonly priority?: number; readonly revision?: string } = {},
): Promise<void> {
  const { queue, expireInSeconds, item: itemKind } = STAGES[stage];
  const requestId = logField('requestId') as string | undefined;
  const parent = traceparent();
  const job: StageJob = {
    ...{ stage, itemId: item.itemId, videoId: item.videoId },
    ...(requestId === undefined ? {} : { requestId }),
    ...(parent === undefined ? {} : { traceparent: parent }),
  };
  const sentId = await (
    await boss()
  ).send(queue, job, {
    db: bossDatabase(tx),
    singletonKey: [stage, itemKind, item.itemId, ...(options.revision ? [options.revision] : [])].join(':'),
    priority: options.priority ?? 0,
    // A stage counts its failures itself: a job also runs again because its worker was lost or stopped.
    retryLimit: 50,
    retryDelay: 3,
    expireInSeconds,
    heartbeatSeconds: 10,
  });
  if (sentId !== null) await markQueued(tx, stage, item);
}

/**
 * Enqueues an attempt to deliver to a webhook, in the caller's transaction. The time at which it is due names it, so that
 * asking again for the same attempt doubles nothing.
 */
export async function enqueueDelivery(tx: Transaction, { id, dueAt }: { readonly id: number; readonly dueAt: Date }): Promise<void> {
  await (
    await boss()
  ).send(
    'background_jobs',
    { webhookDelivery: id },
    {
      db: bossDatabase(tx),
      singletonKey: `webhook:${id}:${dueAt.getTime()}`,
      // Short, and somebody waits for it: ahead of pictures and embeddings.
      priority: 5,
      ...(dueAt.getTime() > Date.now() ? { startAfter: dueAt } : {}),
      retryLimit: 50,
      retryDelay: 3,
      expireInSeconds: 60,
      heartbeatSeconds: 10,
    },
  );
}

/** Has a scheduled job run now. False when one waits or runs already. */
export async function enqueueSchedule(tx: Transaction, queue: QueueName, schedule: string): Promise<boolean> {
  return (await (await boss()).send(queue, { schedule }, { db: bossDatabase(tx), singletonKey: schedule })) !== null;
}

/** When a schedule runs next, the soonest first. */
export async function nextRuns(cron: string, count: number): Promise<Date[]> {
  return (await boss()).previewSchedule(cron, { count });
}

/** What is done to several jobs of a queue, in the caller's transaction. Gives to how many it was done. */
export async function changeJobs(
  tx: Transaction,
  change: 'cancel' | 'resume' | 'retry' | 'deleteJob',
  queue: QueueName,
  ids: readonly string[],
): Promise<number> {
  // pg-boss gives the number of jobs, but its types leave it out.
  const { affected } = (await (await boss())[change](queue, [...ids], { db: bossDatabase(tx) })) as { affected?: number };
  return affected ?? 0;
}

/** Gives a waiting job another place in its queue. False when it does not wait any more. */
export async function moveJob(
  tx: Transaction,
  queue: QueueName,
  id: string,
  place: { readonly priority: number; readonly startAfter: string },
): Promise<boolean> {
  return (await (await boss()).update(queue, undefined, { id, ...place, db: bossDatabase(tx) })).updated === 1;
}
