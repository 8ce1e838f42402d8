import * as v from 'valibot';
import { publishClipFile } from '#lib/server/media/clips.ts';
import { defineTask } from '#lib/server/pool/define-task.ts';
import { FrameRateSchema } from '#lib/server/pool/tasks/encode-video.ts';
import { clipKey } from '#lib/server/storage/keys.ts';

/** Stream-copies a clip's frames and sound to an object of this attempt. */
export const exportClip = defineTask({
  name: 'export-clip',
  version: 1,
  input: v.object({
    proxyKey: v.string(),
    frameRate: FrameRateSchema,
    clip: v.object({ id: v.number(), videoId: v.number(), startFrame: v.number(), endFrame: v.number() }),
  }),
  output: v.object({ key: v.string(), sizeBytes: v.number() }),
  run: async ({ proxyKey, frameRate, clip }, { signal, attemptId }) => {
    const key = clipKey(clip, attemptId);
    const sizeBytes = await publishClipFile({ proxyKey, frameRate, span: clip, key, signal });
    return { key, sizeBytes };
  },
});
