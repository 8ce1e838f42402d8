import type { StageHandlers } from '#lib/jobs/handler.server.ts';
import { colorsStage } from '#lib/jobs/stages/colors.server.ts';
import { detectScenesStage } from '#lib/jobs/stages/detect-scenes.server.ts';
import { downloadStage } from '#lib/jobs/stages/download.server.ts';
import { encodeStage } from '#lib/jobs/stages/encode.server.ts';
import { embedStage } from '#lib/jobs/stages/embed.server.ts';
import { exportStage } from '#lib/jobs/stages/export.server.ts';
import { keyframesStage } from '#lib/jobs/stages/keyframes.server.ts';
import { tempClipStage } from '#lib/jobs/stages/temp-clip.server.ts';

/** What each stage does. */
export const handlers: StageHandlers = {
  download: downloadStage,
  encode: encodeStage,
  'detect-scenes': detectScenesStage,
  'temp-clip': tempClipStage,
  export: exportStage,
  keyframes: keyframesStage,
  colors: colorsStage,
  embed: embedStage,
};
