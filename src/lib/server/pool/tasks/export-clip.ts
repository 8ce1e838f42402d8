import * as v from 'valibot';
import { publishClipFile } from '#lib/server/media/clips.ts';
import { defineTask } from '#lib/server/pool/define-task.ts';
import { FrameRateSchema } from '#lib/server/pool/tasks/encode-video.ts';

/** Stream-copies a clip's frames and sound to the object `key`. */
export const exportClip = defineTask({
  name: 'export-clip',
  version: 1,
  input: v.object({ proxyKey: v.string(), frameRate: FrameRateSchema, startFrame: v.number(), endFrame: v.number(), key: v.string() }),
  output: v.object({ key: v.string(), sizeBytes: v.number() }),
  run: async ({ proxyKey, frameRate, startFrame, endFrame, key }, { signal }) => {
    const sizeBytes = await publishClipFile({ proxyKey, frameRate, span: { startFrame, endFrame }, key, signal });
    return { key, sizeBytes };
  },
});
