import { StageRefused, type StageHandler } from '#lib/jobs/handler.server.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { exportClip } from '#lib/server/pool/tasks/export-clip.ts';
import { exportRows, publishClips, setExportState } from '#lib/server/stores/clips.ts';
import { findVideo, publishToLibrary } from '#lib/server/stores/videos.ts';

/** Stream-copies an approved clip into the store. A clip that has changed since is left to its next job. */
export const exportStage: StageHandler = {
  async run({ sql, itemId, videoId, call }) {
    const [clip] = await exportRows(sql, [itemId]);
    const video = await findVideo(sql, videoId);
    if (clip === undefined || !clip.isLive || clip.state !== 'approved' || clip.exportState === 'exported') return null;
    // Approved while the rest of the video is still being encoded: its export is enqueued again once that is done.
    if (video !== null && video.proxyKey === null && video.state !== 'failed') return null;
    if (!video?.proxyKey || !video.frameRateNum || !video.frameRateDen)
      throw new StageRefused('The video has no review proxy to export from: encode it again.');
    await sql.begin(async (tx) => {
      if (await setExportState(tx, clip.id, clip.version, { state: 'exporting' })) {
        await publishClips(tx, videoId, { cause: 'export-started', removedClipIds: [], clipIds: [clip.id] }, null);
        await publishToLibrary(tx, videoId, null);
      }
    });
    const exported = await call(exportClip, {
      clip: { id: clip.id, videoId, startFrame: clip.startFrame, endFrame: clip.endFrame },
      frameRate: { num: video.frameRateNum, den: video.frameRateDen },
      proxyKey: video.proxyKey,
    });
    return async (tx) => {
      const isCurrent = await setExportState(tx, clip.id, clip.version, {
        state: 'exported',
        key: exported.key,
        bytes: exported.sizeBytes,
      });
      if (!isCurrent) return;
      await enqueueStage(tx, 'keyframes', { itemId: clip.id, videoId }, { revision: `v${clip.version}` });
      await publishClips(tx, videoId, { cause: 'export-done', removedClipIds: [], clipIds: [clip.id] }, null);
      await publishToLibrary(tx, videoId, null);
    };
  },
  async fail(tx, { itemId, videoId }, reason) {
    const [clip] = await exportRows(tx, [itemId]);
    if (clip === undefined || !(await setExportState(tx, itemId, clip.version, { state: 'failed', error: reason }))) return;
    await publishClips(tx, videoId, { cause: 'export-failed', removedClipIds: [], clipIds: [itemId] }, null);
    await publishToLibrary(tx, videoId, null);
  },
};
