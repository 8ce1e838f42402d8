import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { publishKeyframes } from '#lib/server/media/clips.ts';
import { keyframeKey } from '#lib/server/storage/keys.ts';
import { exportRows } from '#lib/server/stores/clips.ts';
import { findVideo } from '#lib/server/stores/videos.ts';

/** Stores stills of an exported clip at 25, 50 and 75 % of its length. */
export const keyframesStage: StageHandler = {
  async run({ sql, itemId, videoId, signal }) {
    const [clip] = await exportRows(sql, [itemId]);
    const video = await findVideo(sql, videoId);
    if (clip === undefined || !video?.proxyKey || !video.frameRateNum || !video.frameRateDen) return null;
    const frameRate = { num: video.frameRateNum, den: video.frameRateDen };
    const keys = [0, 1, 2].map((index) => keyframeKey(clip, index));
    await publishKeyframes({ proxyKey: video.proxyKey, frameRate, span: clip, keys, signal });
    return null;
  },
  fail: () => Promise.resolve(),
};
