import { StageRefused, type StageHandler } from '#lib/jobs/handler.server.ts';
import { exportClip } from '#lib/server/pool/tasks/export-clip.ts';
import { exportRows, publishClips, setExportState } from '#lib/server/stores/clips.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { exportSettings } from '#lib/server/stores/export-settings.ts';
import { findVideo, publishToLibrary } from '#lib/server/stores/videos.ts';

/** Cuts an approved clip into the store, out of the proxy or the master. A clip that has changed since is left to its next job. */
export const exportStage: StageHandler = {
  async run({ sql, itemId, videoId, call }) {
    const [clip] = await exportRows(sql, [itemId]);
    const video = await findVideo(sql, videoId);
    if (clip === undefined || !clip.isLive || clip.state !== 'approved' || clip.exportState === 'exported') return null;
    // Approved while the rest of the video is still being encoded: its export is enqueued again once that is done.
    if (video !== null && video.proxyKey === null && video.state !== 'failed') return null;
    if (!video?.proxyKey || !video.frameRateNum || !video.frameRateDen)
      throw new StageRefused('The video has no review proxy to export from: encode it again.');
    const source = clip.exportSource ?? (await exportSettings(sql)).source;
    const sourceKey = source === 'proxy' ? video.proxyKey : await readableMaster(video.masterKey);
    await sql.begin(async (tx) => {
      if (await setExportState(tx, clip.id, clip.version, { state: 'exporting' })) {
        await publishClips(tx, videoId, { cause: 'export-started', removedClipIds: [], clipIds: [clip.id] }, null);
        await publishToLibrary(tx, videoId, null);
      }
    });
    const exported = await call(exportClip, {
      clip: { id: clip.id, videoId, startFrame: clip.startFrame, endFrame: clip.endFrame },
      frameRate: { num: video.frameRateNum, den: video.frameRateDen },
      source: { kind: source, key: sourceKey },
    });
    return async (tx) => {
      const isCurrent = await setExportState(tx, clip.id, clip.version, {
        state: 'exported',
        key: exported.key,
        bytes: exported.sizeBytes,
        source,
      });
      if (!isCurrent) return;
      await publishClips(tx, videoId, { cause: 'export-done', removedClipIds: [], clipIds: [clip.id] }, null);
      await publishToLibrary(tx, videoId, null);
    };
  },
};

/** The master's key, if it can be read now. Throws `StageRefused` with what to do. */
async function readableMaster(masterKey: string | null): Promise<string> {
  const availability = masterKey === null ? null : await objectStore().availability(masterKey);
  if (masterKey === null || availability === null) throw new StageRefused('The video has no master any more: export from the proxy.');
  if (availability.kind === 'archived') throw new StageRefused('The master is archived: restore it on the video’s page, then retry.');
  if (availability.kind === 'restoring') throw new StageRefused('The master is being restored from the archive: retry when it is back.');
  return masterKey;
}
