import { RUNNER_POOL, STAGES, type StageName } from '#lib/jobs/stages.ts';
import { StageRefused, type StageContext, type StageHandlers } from '#lib/jobs/handler.server.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { StageView } from '#lib/live/views.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import type { StageJob } from '#lib/server/enqueue.ts';
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
}

/**
 * Runs one attempt of a stage and commits its result, or its failure when no attempt is left.
 * Throws to let the queue try again.
 */
export function runStage(context: StageRunner, job: StageJob, attempt: Attempt): Promise<void> {
  const { stage, itemId, videoId, requestId } = job;
  const ids = { stage, itemId, videoId, jobId: attempt.jobId };
  const span = { kind: 'CONSUMER', attributes: ids, parent: job.traceparent } as const;
  return withLogFields({ ...ids, requestId }, () =>
    inSpan(`job ${stage}`, span, async () => {
      const end = stageDuration.startTimer({ stage });
      let outcome: StageOutcome = 'failed';
      try {
        outcome = await runAttempt(context, job, attempt);
      } finally {
        end({ outcome });
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

/** How an attempt ended; one that throws has failed and is tried again. */
type StageOutcome = 'done' | 'failed' | 'given-up' | 'nothing-to-do';

async function runAttempt({ sql, pool, handlers }: StageRunner, job: StageJob, attempt: Attempt): Promise<StageOutcome> {
  const { stage, itemId, videoId } = job;
  const item = { itemId, videoId };
  // A video's own stages show on the library; its clips' stages only matter to the clip.
  const isShown = STAGES[stage].item === 'video';
  if ((await findVideo(sql, videoId)) === null) {
    log.info('the video was removed: nothing to do');
    return 'nothing-to-do';
  }
  const started = await markRunning(sql, stage, item);
  if (isShown) await announce(sql, started);
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
    return 'done';
  } catch (error) {
    progress.stop();
    if (error instanceof CallTaken) {
      log.info('another attempt has committed this stage');
      return 'nothing-to-do';
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
      if ((await findVideo(tx, videoId)) === null) return;
      await handler.fail(tx, item, reason);
      await markFinished(tx, stage, item, reason);
      if (isShown) await publishVideo(tx, videoId, null);
    });
    return 'given-up';
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
    Promise.all([recordProgress(sql, stage, item, sent), isShown ? announce(sql, view) : undefined])
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

/** Shows a stage on the video's own page and in the library. */
async function announce(sql: Database, stage: StageView): Promise<void> {
  for (const topic of ['library', videoTopic(stage.videoId)] as const) {
    await sendSignal(sql, { topic, type: 'progress', payload: stage });
  }
}
