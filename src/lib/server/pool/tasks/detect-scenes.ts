import * as v from 'valibot';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { detectScenesInVideo } from '#lib/server/media/encode.ts';
import { ScenesSchema } from '#lib/server/media/python.ts';
import { defineTask } from '#lib/server/pool/define-task.ts';
import { FrameRateSchema } from '#lib/server/pool/tasks/encode-video.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';

/** Finds the scenes of a finished proxy, where the encode has left none. */
export const detectScenes = defineTask({
  name: 'detect-scenes',
  version: 1,
  input: v.object({ proxyKey: v.string(), frameRate: FrameRateSchema, frameCount: v.nullable(v.number()) }),
  output: ScenesSchema,
  run: ({ proxyKey, frameRate, frameCount }, { signal, report }) =>
    inWorkFolder(async (workDir) =>
      detectScenesInVideo(await objectStore().inputFor(proxyKey), frameRate, workDir, {
        signal,
        onFrames: (frames) => report({ percent: frameCount === null ? null : (100 * frames) / frameCount, fps: null, etaMs: null }),
      }),
    ),
});
