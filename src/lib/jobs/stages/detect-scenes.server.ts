import { spansBetweenCuts } from '#lib/core/cuts.ts';
import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { detectScenes } from '#lib/server/pool/tasks/detect-scenes.ts';
import { clipsOfVideo, hasClips, insertClips, publishClips } from '#lib/server/stores/clips.ts';
import { insertDetectedCuts } from '#lib/server/stores/cuts.ts';
import { findVideo, lockVideo, setVideoFailed, setVideoState } from '#lib/server/stores/videos.ts';

/** How many clips are made playable before anyone asks. */
const CLIPS_AHEAD = 3;

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
      // A repeated run must not undo what reviewers have done since the first.
      if (!(await hasClips(tx, videoId))) {
        const { frameCount } = current;
        const cuts = scenes.cuts.filter((cut) => cut.frame > 0 && cut.frame < frameCount);
        await insertDetectedCuts(tx, videoId, cuts);
        await insertClips(
          tx,
          videoId,
          spansBetweenCuts(
            cuts.map((cut) => cut.frame),
            frameCount,
          ),
        );
      }
      await setVideoState(tx, videoId, 'ready');
      const clips = await clipsOfVideo(tx, videoId);
      await publishClips(tx, videoId, { cause: 'scenes-detected', removedClipIds: [], clipIds: clips.map((clip) => clip.id) }, null);
      for (const clip of clips.slice(0, CLIPS_AHEAD)) {
        await enqueueStage(tx, 'temp-clip', { itemId: clip.id, videoId }, { revision: `${clip.startFrame}-${clip.endFrame}` });
      }
    };
  },
  fail: (tx, { itemId }, reason) => setVideoFailed(tx, itemId, 'detect-scenes', reason),
};
