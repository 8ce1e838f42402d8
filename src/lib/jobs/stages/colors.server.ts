import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { colorClips } from '#lib/server/features/color-clips.ts';

/** Finds the colours of all clips of a video that have stills and none of their frames. */
export const colorsStage: StageHandler = {
  async run({ sql, videoId, signal, report }) {
    await colorClips(sql, videoId, signal, (percent) => report({ percent, fps: null, etaMs: null }));
    return null;
  },
};
