import path from 'node:path';
import { rm } from 'node:fs/promises';
import { StageRefused, type StageHandler } from '#lib/jobs/handler.server.ts';
import { config } from '#lib/server/config.ts';
import { completeDownload, identifyUpload } from '#lib/server/features/import-video.ts';
import { download } from '#lib/server/media/download/download.ts';
import { findVideo } from '#lib/server/stores/videos.ts';

/**
 * Gets a video its original: fetches it from its URL, or reads through the object that a browser has uploaded. The
 * import knows the same content again.
 */
export const downloadStage: StageHandler = {
  async run({ sql, itemId, signal, report }) {
    const video = await findVideo(sql, itemId);
    if (video?.state !== 'downloading') return null;
    if (video.sourceKey !== null) {
      const { id, sourceKey: key, fileName } = video;
      const onProgress = (percent: number) => report({ percent, fps: null, etaMs: null });
      const identified = await identifyUpload(sql, { id, key, fileName }, { signal, onProgress });
      if (identified.kind === 'refused') throw new StageRefused(identified.message);
      return null;
    }
    if (video.sourceUrl === null) return null;
    const workDir = path.join(config().dataDir, 'work', `download-${itemId}`);
    const result = await download(video.sourceUrl, {
      workDir,
      signal,
      onProgress: ({ percent, etaMs }) => report({ percent, fps: null, etaMs }),
    });
    if (result.kind === 'refused') throw new StageRefused(result.message);
    const completed = await completeDownload(sql, itemId, result);
    await rm(workDir, { recursive: true, force: true });
    if (completed.kind === 'refused') throw new StageRefused(completed.message);
    return null;
  },
};
