import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { encodeVideo } from '#lib/server/pool/tasks/encode-video.ts';
import { findVideo, lockVideo, publishVideo, setVideoEncoded, setVideoFailed, setVideoState } from '#lib/server/stores/videos.ts';

/** Makes proxy, master and poster in one decode; scene detection rides along. */
export const encodeStage: StageHandler = {
  async run({ sql, itemId, videoId, call }) {
    const video = await findVideo(sql, itemId);
    if (video === null || video.sourceKey === null || video.proxyKey !== null) return null;
    await sql.begin(async (tx) => {
      await setVideoState(tx, videoId, 'encoding');
      await publishVideo(tx, videoId, null);
    });
    const encoded = await call(encodeVideo, { videoId, sourceKey: video.sourceKey });
    return async (tx) => {
      const current = await lockVideo(tx, videoId);
      if (current === null || current.proxyKey !== null) return;
      await setVideoEncoded(tx, videoId, encoded);
      await enqueueStage(tx, 'detect-scenes', { itemId, videoId });
    };
  },
  fail: (tx, { itemId }, reason) => setVideoFailed(tx, itemId, 'encode', reason),
};
