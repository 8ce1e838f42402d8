import { STAGES, type StageName } from '#lib/jobs/stages.ts';
import { StageRefused, type StageContext, type StageHandlers } from '#lib/jobs/handler.server.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { StageView } from '#lib/live/views.ts';
import type { Database } from '#lib/server/db.ts';
import type { StageJob } from '#lib/server/enqueue.ts';
import { log } from '#lib/server/log.ts';
import { markFinished, markRunning, recordProgress, type StageProgress } from '#lib/server/stores/stage-runs.ts';
import { signal as sendSignal } from '#lib/server/stores/outbox.ts';
import { findVideo, publishVideo } from '#lib/server/stores/videos.ts';

const PROGRESS_INTERVAL_MS = 350;

/**
 * Runs one attempt of a stage and commits its result, or its failure when no attempt is left.
 * Throws to let the queue try again.
 */
export async function runStage(
  sql: Database,
  handlers: StageHandlers,
  job: StageJob,
  attempt: { readonly number: number; readonly isLast: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { stage, itemId, videoId } = job;
  const item = { itemId, videoId };
  const logger = log.child({ stage, itemId, videoId, attempt: attempt.number });
  // A video's own stages show on the library; its clips' stages only matter to the clip.
  const isShown = STAGES[stage].item === 'video';
  if ((await findVideo(sql, videoId)) === null) {
    logger.info('the video was removed: nothing to do');
    return;
  }
  const started = await markRunning(sql, stage, item, attempt.number);
  if (isShown) await announce(sql, started);
  const progress = throttledProgress(sql, stage, item, attempt.number, isShown);
  const handler = handlers[stage];
  const context: StageContext = { sql, ...item, signal: attempt.signal, report: progress.report };
  try {
    const commit = await handler.run(context);
    progress.stop();
    await sql.begin(async (tx) => {
      if (commit !== null) await commit(tx);
      await markFinished(tx, stage, item, null);
      if (isShown) await publishVideo(tx, videoId, null);
    });
    logger.info('stage done');
  } catch (error) {
    progress.stop();
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof StageRefused) && !attempt.isLast) {
      logger.warn({ err: error }, 'stage failed, will be tried again');
      throw error;
    }
    logger.error({ err: error }, 'stage failed for good');
    await sql.begin(async (tx) => {
      if ((await findVideo(tx, videoId)) === null) return;
      await handler.fail(tx, item, reason);
      await markFinished(tx, stage, item, reason);
      if (isShown) await publishVideo(tx, videoId, null);
    });
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
