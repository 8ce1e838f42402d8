import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { videoTopic } from '#lib/live/topics.ts';
import { makePlaybackFile } from '#lib/server/features/playback.ts';
import { clipsById } from '#lib/server/stores/clips.ts';
import { signal as sendSignal } from '#lib/server/stores/outbox.ts';

/** Cuts a clip's playback file from the proxy, by stream copy, and tells everyone that it is there. */
export const tempClipStage: StageHandler = {
  async run({ sql, itemId, videoId, signal }) {
    const [clip] = await clipsById(sql, [itemId]);
    if (clip === undefined || !(await makePlaybackFile(sql, clip, signal))) return null;
    return async (tx) => {
      await sendSignal(tx, {
        topic: videoTopic(videoId),
        type: 'clip-ready',
        payload: { clipId: clip.id, startFrame: clip.startFrame, endFrame: clip.endFrame },
      });
    };
  },
};
