import { joinSpans, spansTouching } from '#lib/core/cuts.ts';
import type { StageHandler } from '#lib/jobs/handler.server.ts';
import type { Database } from '#lib/server/db.ts';
import { installedModel } from '#lib/server/media/embedder.ts';
import { publishStills, type PublishedStills } from '#lib/server/media/stills.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { publishClips } from '#lib/server/stores/clips.ts';
import { clipsWithoutStills, saveStills } from '#lib/server/stores/stills.ts';
import { findVideo } from '#lib/server/stores/videos.ts';

/** Clips that are told of together: each event carries whole clips. */
const CLIPS_AT_ONCE = 20;

/** Makes stills of all clips of a video that have none of their frames; each run of neighbours by one decode. */
export const keyframesStage: StageHandler = {
  async run({ sql, videoId, signal, report }) {
    const video = await findVideo(sql, videoId);
    if (!video?.proxyKey || !video.frameRateNum || !video.frameRateDen || !video.width || !video.height) return null;
    const { proxyKey, width, height } = video;
    const frameRate = { num: video.frameRateNum, den: video.frameRateDen };
    let made = 0;
    // Again as long as there are some: a cut may be moved meanwhile.
    for (;;) {
      const missing = await clipsWithoutStills(sql, videoId);
      if (missing.length === 0) {
        if (made === 0) return null;
        const hasModel = (await installedModel()) !== null;
        return async (tx) => {
          await enqueueStage(tx, 'colors', { itemId: videoId, videoId });
          if (hasModel) await enqueueStage(tx, 'embed', { itemId: videoId, videoId });
        };
      }
      const total = made + missing.length;
      for (const span of joinSpans(missing)) {
        let waiting: PublishedStills[] = [];
        await publishStills({
          ...{ proxyKey, frameRate, picture: { width, height }, span, clips: spansTouching(missing, [span]), signal },
          onStills: async (stills) => {
            waiting.push(stills);
            made += 1;
            report({ percent: (100 * made) / total, fps: null, etaMs: null });
            if (waiting.length < CLIPS_AT_ONCE) return;
            await commit(sql, videoId, waiting);
            waiting = [];
          },
        });
        if (waiting.length > 0) await commit(sql, videoId, waiting);
      }
    }
  },
};

/** At once and not with the stage: what is made stays when it is stopped. */
async function commit(sql: Database, videoId: number, made: readonly PublishedStills[]): Promise<void> {
  await sql.begin(async (tx) => {
    await saveStills(tx, made);
    const clipIds = made.map(({ clip }) => clip.id);
    await publishClips(tx, videoId, { cause: 'stills-made', removedClipIds: [], clipIds }, null);
  });
}
