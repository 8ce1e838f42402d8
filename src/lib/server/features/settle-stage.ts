import { STAGES, type StageName } from '#lib/jobs/stages.ts';
import type { VideoState } from '#lib/live/views.ts';
import type { Transaction } from '#lib/server/db.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { exportRows, publishClips, setExportState } from '#lib/server/stores/clips.ts';
import { markFinished, markQueued, type StageItem } from '#lib/server/stores/stage-runs.ts';
import { lockVideo, publishToLibrary, publishVideo, setVideoFailed, setVideoState } from '#lib/server/stores/videos.ts';

/** States of a video that waits for a stage or is in it; the first is the one before it. Other stages leave its state alone. */
const VIDEO_STATES: Partial<Record<StageName, readonly Exclude<VideoState, 'failed'>[]>> = {
  download: ['downloading'],
  encode: ['downloaded', 'encoding'],
  'detect-scenes': ['encoded', 'detecting'],
};

/** The state of a video that waits for a stage; undefined for a stage that leaves it alone. */
export function stateBefore(stage: StageName): Exclude<VideoState, 'failed'> | undefined {
  return VIDEO_STATES[stage]?.[0];
}

/** Writes down that a stage has failed for good, where people look for it. Nothing when the video is gone. */
export async function failStage(tx: Transaction, stage: StageName, item: StageItem, reason: string, actor: Actor | null): Promise<void> {
  const { itemId, videoId } = item;
  const video = await lockVideo(tx, videoId);
  if (video === null) return;
  if (VIDEO_STATES[stage]?.some((state) => state === video.state)) await setVideoFailed(tx, videoId, stage, reason);
  if (stage === 'export') {
    const [clip] = await exportRows(tx, [itemId]);
    const isOnItsWay = clip !== undefined && clip.exportState !== 'exported' && clip.exportState !== 'none';
    if (isOnItsWay && (await setExportState(tx, itemId, clip.version, { state: 'failed', error: reason }))) {
      await publishClips(tx, videoId, { cause: 'export-failed', removedClipIds: [], clipIds: [itemId] }, actor);
      await publishToLibrary(tx, videoId, actor?.userId ?? null);
    }
  }
  await markFinished(tx, stage, item, reason);
  // A video's own stages show on its page and in the library; its clips' stages only matter to the clip.
  if (STAGES[stage].item === 'video') await publishVideo(tx, videoId, actor?.userId ?? null);
}

/** Takes back a failure: the stage waits again. False when the video is gone. Its job is the caller's to send. */
export async function reopenStage(tx: Transaction, stage: StageName, item: StageItem, actor: Actor): Promise<boolean> {
  const { itemId, videoId } = item;
  const video = await lockVideo(tx, videoId);
  if (video === null) return false;
  const before = stateBefore(stage);
  if (before !== undefined && video.state === 'failed' && video.failedStage === stage) await setVideoState(tx, videoId, before);
  if (stage === 'export') {
    const [clip] = await exportRows(tx, [itemId]);
    if (clip?.exportState === 'failed' && (await setExportState(tx, itemId, clip.version, { state: 'queued' }))) {
      await publishClips(tx, videoId, { cause: 'export-queued', removedClipIds: [], clipIds: [itemId] }, actor);
      await publishToLibrary(tx, videoId, actor.userId);
    }
  }
  await markQueued(tx, stage, item);
  if (STAGES[stage].item === 'video') await publishVideo(tx, videoId, actor.userId);
  return true;
}
