import { randomUUID } from 'node:crypto';
import { StageRefused, type StageHandler } from '#lib/jobs/handler.server.ts';
import { STAGES } from '#lib/jobs/stages.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { callTask, TaskRefused } from '#lib/server/pool/pool.ts';
import { encodeVideo } from '#lib/server/pool/tasks/encode-video.ts';
import { findVideo, lockVideo, publishVideo, setVideoEncoded, setVideoFailed, setVideoState } from '#lib/server/stores/videos.ts';

/** Makes proxy, master and poster in one decode; scene detection rides along. */
export const encodeStage: StageHandler = {
  async run({ sql, itemId, videoId, signal, report }) {
    const video = await findVideo(sql, itemId);
    if (video === null || video.sourceKey === null || video.proxyKey !== null) return null;
    await sql.begin(async (tx) => {
      await setVideoState(tx, videoId, 'encoding');
      await publishVideo(tx, videoId, null);
    });
    // Each run writes under keys of its own: a killed one never half-overwrites what is shown.
    const input = { videoId, revision: randomUUID(), sourceKey: video.sourceKey };
    const encoded = await callTask(encodeVideo, input, {
      signal,
      timeoutMs: STAGES.encode.expireInSeconds * 1000,
      onProgress: report,
    }).catch((error: unknown) => {
      throw error instanceof TaskRefused ? new StageRefused(error.message) : error;
    });
    return async (tx) => {
      const current = await lockVideo(tx, videoId);
      if (current === null || current.proxyKey !== null) return;
      await setVideoEncoded(tx, videoId, encoded);
      await enqueueStage(tx, 'detect-scenes', { itemId, videoId });
    };
  },
  fail: (tx, { itemId }, reason) => setVideoFailed(tx, itemId, 'encode', reason),
};
