import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { videoTopic } from '#lib/live/topics.ts';
import { publishClipFile } from '#lib/server/media/clips.ts';
import { tempClipKey } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { clipsById } from '#lib/server/stores/clips.ts';
import { signal as sendSignal } from '#lib/server/stores/outbox.ts';
import { findVideo } from '#lib/server/stores/videos.ts';

/** Cuts a clip's playback file from the proxy, by stream copy, and tells everyone that it is there. */
export const tempClipStage: StageHandler = {
  async run({ sql, itemId, videoId, signal }) {
    const [clip] = await clipsById(sql, [itemId]);
    const video = await findVideo(sql, videoId);
    if (clip === undefined || !video?.proxyKey || !video.frameRateNum || !video.frameRateDen) return null;
    const key = tempClipKey(clip);
    if ((await objectStore().stat(key)) === null) {
      const frameRate = { num: video.frameRateNum, den: video.frameRateDen };
      await publishClipFile({ proxyKey: video.proxyKey, frameRate, span: clip, key, signal });
    }
    return async (tx) => {
      await sendSignal(tx, {
        topic: videoTopic(videoId),
        type: 'clip-ready',
        payload: { clipId: clip.id, startFrame: clip.startFrame, endFrame: clip.endFrame },
      });
    };
  },
  // Nothing to write down: the next reviewer who needs it orders it again.
  fail: () => Promise.resolve(),
};
