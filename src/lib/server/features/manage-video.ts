import type { StageName } from '#lib/jobs/stages.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { stateBefore } from '#lib/server/features/settle-stage.ts';
import { videoPrefixes } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { clipsFrom, exportRows, publishClips, setExportState, touchClips } from '#lib/server/stores/clips.ts';
import { librarySettings } from '#lib/server/stores/library-settings.ts';
import { cancelCallsAbout } from '#lib/server/stores/pool-calls.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import { hasFailed } from '#lib/server/stores/stage-runs.ts';
import {
  deletedVideos,
  deleteVideo,
  isDeleted,
  lockVideo,
  markDeleted,
  publishToLibrary,
  publishVideo,
  setVideoState,
  unmarkDeleted,
  type DeletedVideo,
} from '#lib/server/stores/videos.ts';

/** Done, or why not, in a sentence for the page. */
export type Outcome = { readonly kind: 'ok' } | { readonly kind: 'refused'; readonly message: string };

/** Sends a failed video again through the stage in which it failed. */
export async function retryVideo(sql: Database, actor: Actor, videoId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    const video = await lockVideo(tx, videoId);
    if (video === null) return { kind: 'refused', message: 'This video has been removed.' };
    const stage = video.failedStage;
    const state = stage === null ? undefined : stateBefore(stage);
    if (stage === null || state === undefined) return { kind: 'refused', message: 'This video has not failed: there is nothing to retry.' };
    await setVideoState(tx, videoId, state);
    await enqueueStage(tx, stage, { itemId: videoId, videoId });
    await publishVideo(tx, videoId, actor.userId);
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

/** The stages without which a video is as good: they are tried again by themselves, the video stays as it is. */
const SIDE_STAGES: readonly StageName[] = ['keyframes', 'colors', 'embed'];

/** Tries a video's stage again that has failed for good and that holds nothing else up. */
export async function retryStage(sql: Database, actor: Actor, videoId: number, stage: string): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    if ((await lockVideo(tx, videoId)) === null) return { kind: 'refused', message: 'This video has been removed.' };
    const known = SIDE_STAGES.find((name) => name === stage);
    const item = { itemId: videoId, videoId };
    if (known === undefined || !(await hasFailed(tx, known, item))) {
      return { kind: 'refused', message: 'This stage has not failed: there is nothing to try again.' };
    }
    await enqueueStage(tx, known, item);
    await publishVideo(tx, videoId, actor.userId);
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

/** Takes a video from everybody's screens. Work under way for it is stopped. In its grace time it can be brought back as it was. */
export async function removeVideo(sql: Database, actor: Actor, videoId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    await lockVideo(tx, videoId);
    if (!(await markDeleted(tx, videoId, actor.userId))) return { kind: 'refused', message: 'This video has already been removed.' };
    await cancelCallsAbout(tx, videoTopic(videoId));
    for (const topic of ['library', videoTopic(videoId)] as const) {
      await publish(tx, topic, { type: 'video-removed', payload: { videoId } }, actor.userId);
    }
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

/** Brings a removed video back, with all that belongs to it. What was stopped goes on. */
export async function bringBackVideo(sql: Database, actor: Actor | null, videoId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    if (!(await unmarkDeleted(tx, videoId)))
      return { kind: 'refused', message: 'This video is gone for good, or was brought back already.' };
    await publishVideo(tx, videoId, actor?.userId ?? null);
    const clips = await clipsFrom(tx, videoId, 0);
    await touchClips(
      tx,
      clips.map((clip) => clip.id),
    );
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

/** The removed videos that can still be brought back. */
export async function removedVideos(sql: Sql): Promise<DeletedVideo[]> {
  return deletedVideos(sql, (await librarySettings(sql)).graceDays);
}

/** Deletes a removed video for good, with its clips, decisions and files. Throws where the store fails; then it can be done again. */
export async function purgeVideo(sql: Database, videoId: number): Promise<void> {
  if (!(await isDeleted(sql, videoId))) return;
  // Nobody sees the video any more: its files may go first, so that none is left without a row to tell of it.
  for (const prefix of videoPrefixes(videoId)) await objectStore().removePrefix(prefix);
  await sql.begin(async (tx) => {
    await lockVideo(tx, videoId);
    if (await isDeleted(tx, videoId)) await deleteVideo(tx, videoId);
  });
}

/** Exports an approved clip again whose export failed. */
export async function retryExport(sql: Database, actor: Actor, clipId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    const [clip] = await exportRows(tx, [clipId]);
    if (clip === undefined || !clip.isLive || clip.state !== 'approved') {
      return { kind: 'refused', message: 'Only approved clips are exported: approve it first.' };
    }
    if (clip.exportState === 'exported') return { kind: 'refused', message: 'This clip is exported already.' };
    await setExportState(tx, clipId, clip.version, { state: 'queued' });
    await enqueueStage(tx, 'export', { itemId: clipId, videoId: clip.videoId }, { revision: `v${clip.version}` });
    await publishClips(tx, clip.videoId, { cause: 'export-queued', removedClipIds: [], clipIds: [clipId] }, actor);
    await publishToLibrary(tx, clip.videoId, actor.userId);
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}
