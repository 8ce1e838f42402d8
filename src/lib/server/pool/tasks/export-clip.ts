import * as v from 'valibot';
import { publishClipFile, publishMasterClip } from '#lib/server/media/clips.ts';
import { defineTask } from '#lib/server/pool/define-task.ts';
import { FrameRateSchema } from '#lib/server/pool/tasks/encode-video.ts';
import { clipKey } from '#lib/server/storage/keys.ts';

/** Makes a clip's file, an object of this attempt: a copy out of the proxy, or encoded anew from the master. */
export const exportClip = defineTask({
  name: 'export-clip',
  version: 2,
  input: v.object({
    source: v.variant('kind', [
      v.object({ kind: v.literal('proxy'), key: v.string() }),
      v.object({ kind: v.literal('master'), key: v.string() }),
    ]),
    frameRate: FrameRateSchema,
    clip: v.object({ id: v.number(), videoId: v.number(), startFrame: v.number(), endFrame: v.number() }),
  }),
  output: v.object({ key: v.string(), sizeBytes: v.number() }),
  run: async ({ source, frameRate, clip }, { signal, attemptId }) => {
    const key = clipKey(clip, attemptId);
    const file = { frameRate, span: clip, key, signal };
    const sizeBytes =
      source.kind === 'proxy'
        ? await publishClipFile({ ...file, proxyKey: source.key })
        : await publishMasterClip({ ...file, masterKey: source.key });
    return { key, sizeBytes };
  },
});
