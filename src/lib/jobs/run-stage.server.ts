import { RUNNER_POOL, STAGES, type StageName } from '#lib/jobs/stages.ts';
import { StageRefused, type StageContext, type StageHandlers } from '#lib/jobs/handler.server.ts';
import { videoTopic, type Topic } from '#lib/live/topics.ts';
import type { StageView } from '#lib/live/views.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import type { StageJob } from '#lib/server/enqueue.ts';
import { failStage } from '#lib/server/features/settle-stage.ts';
import { log } from '#lib/server/log.ts';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { stageDuration } from '#lib/server/telemetry/metrics.ts';
import { inSpan } from '#lib/server/telemetry/tracing.ts';
import { CallTaken, TaskRefused, type CallResult, type Pool } from '#lib/server/pool/pool.ts';
import { countFailure, markFinished, markRunning, recordProgress, type StageProgress } from '#lib/server/stores/stage-runs.ts';
import { signal as sendSignal } from '#lib/server/stores/outbox.ts';
import { findVideo, publishVideo } from '#lib/server/stores/videos.ts';

const PROGRESS_INTERVAL_MS = 350;

/** One attempt of a job. */
export interface Attempt {
  readonly jobId: string;
  readonly signal: AbortSignal;
  /** Settles the job, in the transaction that commits what it has made. Throws when the job is no longer this attempt's. */
  readonly complete: (tx: Transaction) => Promise<void>;
  /** Settles the job as failed for good, in the transaction that says so. Throws like `complete`. */
  readonly fail: (tx: Transaction, reason: string) => Promise<void>;
}

/**
 * Runs one attempt of a stage and commits its result, or its failure when no attempt is left.
 * Throws to let the queue try again.
 */
export function runStage(context: StageRunner, job: StageJob, attempt: Attempt): Promise<StageOutcome> {
  const { stage, itemId, videoId, requestId } = job;
  const ids = { stage, itemId, videoId, jobId: attempt.jobId };
  const span = { kind: 'CONSUMER', attributes: ids, parent: job.traceparent } as const;
  return withLogFields({ ...ids, requestId }, () =>
    inSpan(`job ${stage}`, span, async () => {
      const end = stageDuration.startTimer({ stage });
      let outcome: StageOutcome | null = null;
      try {
        outcome = await runAttempt(context, job, attempt);
        return outcome;
      } finally {
        end({ outcome: outcome?.kind ?? 'failed' });
      }
    }),
  );
}

/** What stages are run with. */
interface StageRunner {
  readonly sql: Database;
  readonly pool: Pool;
  readonly handlers: StageHandlers;
}

/** How an attempt has ended that no other is to follow; one that throws has failed and is tried again. */
export type StageOutcome = { readonly kind: 'done' | 'nothing-to-do' } | { readonly kind: 'given-up'; readonly reason: string };

async function runAttempt({ sql, pool, handlers }: StageRunner, job: StageJob, attempt: Attempt): Promise<StageOutcome> {
  const { stage, itemId, videoId } = job;
  const item = { itemId, videoId };
  // A video's own stages show on the library; its clips' stages only matter to the clip.
  const isShown = STAGES[stage].item === 'video';
  if ((await findVideo(sql, videoId)) === null) {
    log.info('the video was removed: nothing to do');
    return { kind: 'nothing-to-do' };
  }
  const started = await markRunning(sql, stage, item);
  await announce(sql, started, isShown);
  const progress = throttledProgress(sql, stage, item, started.attempt, isShown);
  const handler = handlers[stage];
  let taken: CallResult<unknown> | null = null;
  const callOptions = {
    ...{ pool: RUNNER_POOL, subject: videoTopic(videoId), priority: STAGES[stage].priority },
    timeoutMs: STAGES[stage].expireInSeconds * 1000,
  };
  const context: StageContext = {
    ...{ sql, ...item, signal: attempt.signal, report: progress.report },
    call: async (task, input) => {
      const idemKey = attempt.jobId;
      const result = await pool.call(task, input, { ...callOptions, idemKey, signal: attempt.signal, onProgress: progress.report });
      taken = result;
      return result.output;
    },
    begin: (task, input, { name, signal, onProgress }) => {
      const both = AbortSignal.any([attempt.signal, signal]);
      return pool.call(task, input, { ...callOptions, idemKey: `${attempt.jobId}:${name}`, signal: both, onProgress });
    },
  };
  try {
    const commit = await handler.run(context);
    progress.stop();
    await sql.begin(async (tx) => {
      await taken?.commit(tx);
      if (commit !== null) await commit(tx);
      await markFinished(tx, stage, item, null);
      if (isShown) await publishVideo(tx, videoId, null);
      await attempt.complete(tx);
    });
    log.info('stage done');
    return { kind: 'done' };
  } catch (error) {
    progress.stop();
    if (error instanceof CallTaken) {
      log.info('another attempt has committed this stage');
      return { kind: 'nothing-to-do' };
    }
    if ((await findVideo(sql, videoId)) === null) {
      log.info({ err: error }, 'the video was removed meanwhile');
      return { kind: 'nothing-to-do' };
    }
    const isRefusal = error instanceof StageRefused || error instanceof TaskRefused;
    const reason = error instanceof Error ? error.message : String(error);
    if (attempt.signal.aborted) throw error;
    if (!isRefusal && (await countFailure(sql, stage, item)) <= STAGES[stage].retryLimit) {
      log.warn({ err: error }, 'stage failed, will be tried again');
      throw error;
    }
    log.error({ err: error }, 'stage failed for good');
    await sql.begin(async (tx) => {
      await failStage(tx, stage, item, reason, null);
      await attempt.fail(tx, reason);
    });
    return { kind: 'given-up', reason };
  }
}

/** Latest value wins, at most three a second; a lost tick does no harm. */
function throttledProgress(sql: Database, stage: StageName, item: { itemId: number; videoId: number }, attempt: number, isShown: boolean) {
  let latest: StageProgress | null = null;
  let isSending = false;
  const timer = setInterval(() => {
    if (latest === null || isSending) return;
    const sent = latest;
    latest = null;
    isSending = true;
    const view = { ...item, stage, state: 'running', attempt, ...sent, error: null } as const;
    Promise.all([recordProgress(sql, stage, item, sent), announce(sql, view, isShown)])
      .catch((error: unknown) => log.warn({ err: error, stage }, 'progress was not recorded'))
      .finally(() => (isSending = false));
  }, PROGRESS_INTERVAL_MS);
  return {
    report: (progress: StageProgress) => {
      latest = progress;
    },
    stop: () => clearInterval(timer),
  };
}

/** Shows a stage in the queue monitor and, where it is shown to people, on the video's own page and in the library. */
async function announce(sql: Database, stage: StageView, isShown: boolean): Promise<void> {
  const shownOn: Topic[] = isShown ? ['library', videoTopic(stage.videoId)] : [];
  for (const topic of ['queues' as const, ...shownOn]) {
    await sendSignal(sql, { topic, type: 'progress', payload: stage });
  }
}
