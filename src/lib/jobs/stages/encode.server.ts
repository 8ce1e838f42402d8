import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { encodeInParts, planFor } from '#lib/jobs/stages/encode-in-parts.server.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { growClips } from '#lib/server/features/grow-clips.ts';
import { encodeVideo } from '#lib/server/pool/tasks/encode-video.ts';
import { clippedEnd } from '#lib/server/stores/clips.ts';
import { deletePlan } from '#lib/server/stores/encode-parts.ts';
import { findVideo, lockVideo, publishVideo, setVideoEncoded, setVideoState } from '#lib/server/stores/videos.ts';

/** Makes proxy, master and poster in one decode, a long source in parts; scene detection rides along. */
export const encodeStage: StageHandler = {
  async run(context) {
    const { sql, itemId, videoId, call } = context;
    const video = await findVideo(sql, itemId);
    if (video === null || video.sourceKey === null || video.proxyKey !== null) return null;
    const { sourceKey } = video;
    await sql.begin(async (tx) => {
      await setVideoState(tx, videoId, 'encoding');
      await publishVideo(tx, videoId, null);
    });
    const source = await planFor(sql, videoId, sourceKey);
    const joined = source === null ? null : await encodeInParts(context, sourceKey, source);
    const encoded = joined ?? (await call(encodeVideo, { videoId, sourceKey }));
    return async (tx) => {
      const current = await lockVideo(tx, videoId);
      if (current === null || current.proxyKey !== null) return;
      await setVideoEncoded(tx, videoId, encoded);
      const { scenes, frameCount: endFrame, frameRate } = encoded;
      // Its first clips are under review already: the rest of them may not come a moment after its length.
      if ((await clippedEnd(tx, videoId)) > 0) await growClips(tx, videoId, { cuts: scenes.cuts, endFrame, frameRate });
      await deletePlan(tx, videoId);
      await enqueueStage(tx, 'detect-scenes', { itemId, videoId });
    };
  },
};
