import type { StageHandler } from '#lib/jobs/handler.server.ts';
import { embedClips } from '#lib/server/features/embed-clips.ts';

/** Makes the vectors of all clips of a video that have stills and none of their frames. */
export const embedStage: StageHandler = {
  async run({ sql, videoId, signal, report }) {
    await embedClips(sql, videoId, signal, (percent) => report({ percent, fps: null, etaMs: null }));
    return null;
  },
};
