import path from 'node:path';
import { rm } from 'node:fs/promises';
import { StageRefused, type StageHandler } from '#lib/jobs/handler.server.ts';
import { config } from '#lib/server/config.ts';
import { completeDownload } from '#lib/server/features/import-video.ts';
import { download } from '#lib/server/media/download/download.ts';
import { findVideo, setVideoFailed } from '#lib/server/stores/videos.ts';

/** Fetches a video from its URL and hands it to the import, which knows the same content again. */
export const downloadStage: StageHandler = {
  async run({ sql, itemId, signal, report }) {
    const video = await findVideo(sql, itemId);
    if (video === null || video.sourceUrl === null || video.sourceKey !== null) return null;
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
  fail: (tx, { itemId }, reason) => setVideoFailed(tx, itemId, 'download', reason),
};
