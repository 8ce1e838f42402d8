import type { StageName } from '#lib/jobs/stages.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { VideoState } from '#lib/live/views.ts';
import type { Database } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { log } from '#lib/server/log.ts';
import { videoPrefixes } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { exportRows, publishClips, setExportState } from '#lib/server/stores/clips.ts';
import { cancelCallsAbout } from '#lib/server/stores/pool-calls.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import { deleteVideo, lockVideo, publishToLibrary, publishVideo, setVideoState } from '#lib/server/stores/videos.ts';

/** Done, or why not, in a sentence for the page. */
export type Outcome = { readonly kind: 'ok' } | { readonly kind: 'refused'; readonly message: string };

const STATE_BEFORE: Partial<Record<StageName, Exclude<VideoState, 'failed'>>> = {
  download: 'downloading',
  encode: 'downloaded',
  'detect-scenes': 'encoded',
};

/** Sends a failed video again through the stage in which it failed. */
export async function retryVideo(sql: Database, actor: Actor, videoId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    const video = await lockVideo(tx, videoId);
    if (video === null) return { kind: 'refused', message: 'This video has been removed.' };
    const stage = video.failedStage;
    const state = stage === null ? undefined : STATE_BEFORE[stage];
    if (stage === null || state === undefined) return { kind: 'refused', message: 'This video has not failed: there is nothing to retry.' };
    await setVideoState(tx, videoId, state);
    await enqueueStage(tx, stage, { itemId: videoId, videoId });
    await publishVideo(tx, videoId, actor.userId);
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

/** Removes a video with its clips, decisions and files. Work under way for it is stopped. */
export async function removeVideo(sql: Database, actor: Actor, videoId: number): Promise<Outcome> {
  const removed = (await sql.begin(async (tx) => {
    if ((await lockVideo(tx, videoId)) === null) return false;
    await deleteVideo(tx, videoId);
    await cancelCallsAbout(tx, videoTopic(videoId));
    for (const topic of ['library', videoTopic(videoId)] as const) {
      await publish(tx, topic, { type: 'video-removed', payload: { videoId } }, actor.userId);
    }
    return true;
  })) as boolean;
  if (!removed) return { kind: 'refused', message: 'This video has already been removed.' };
  // Rows first: a file without a row is swept later, a row without its file would be shown.
  await Promise.all(videoPrefixes(videoId).map((prefix) => objectStore().removePrefix(prefix))).catch((error: unknown) =>
    log.warn({ err: error, videoId }, 'files of a removed video stay behind until the sweep'),
  );
  return { kind: 'ok' };
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
