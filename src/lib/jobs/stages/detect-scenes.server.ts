import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { growClips } from '#lib/server/features/grow-clips.ts';
import { detectScenes } from '#lib/server/pool/tasks/detect-scenes.ts';
import { unexportedClips } from '#lib/server/stores/clips.ts';
import { findVideo, lockVideo, setVideoState } from '#lib/server/stores/videos.ts';

/** Turns the scenes into cuts and clips; detects them first where the encode has left none. */
export const detectScenesStage: StageHandler = {
  async run({ sql, itemId, videoId, call }) {
    const video = await findVideo(sql, itemId);
    if (video === null || video.proxyKey === null || video.frameRateNum === null || video.frameRateDen === null) return null;
    const scenes =
      video.scenes ??
      (await call(detectScenes, {
        proxyKey: video.proxyKey,
        frameRate: { num: video.frameRateNum, den: video.frameRateDen },
        frameCount: video.frameCount,
      }));
    return async (tx) => {
      const current = await lockVideo(tx, videoId);
      if (current === null || current.frameCount === null) return;
      const { frameCount, frameRateNum: num, frameRateDen: den } = current;
      if (num === null || den === null) return;
      await growClips(tx, videoId, { cuts: scenes.cuts, endFrame: frameCount, frameRate: { num, den } });
      await setVideoState(tx, videoId, 'ready');
      await enqueueStage(tx, 'keyframes', { itemId: videoId, videoId });
      for (const clip of await unexportedClips(tx, videoId)) {
        await enqueueStage(tx, 'export', { itemId: clip.id, videoId }, { revision: `v${clip.version}` });
      }
    };
  },
};
