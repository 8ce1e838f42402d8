import * as v from 'valibot';
import { encodeSource, SourceRefused } from '#lib/server/media/encode.ts';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { ScenesSchema } from '#lib/server/media/python.ts';
import { defineTask, TaskRefused } from '#lib/server/pool/define-task.ts';
import { masterKey, proxyKey, thumbnailKey } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';

/** A frame rate on the wire. */
export const FrameRateSchema = v.object({ num: v.number(), den: v.number() });

/** What is kept of a source, on the wire. */
const SourceSchema = v.object({
  container: v.string(),
  codec: v.string(),
  width: v.number(),
  height: v.number(),
  isHdr: v.boolean(),
  isInterlaced: v.boolean(),
  audioTrackCount: v.number(),
  timecode: v.nullable(v.string()),
  startTimecodeFrame: v.number(),
  isDropFrame: v.nullable(v.boolean()),
});

/** Makes proxy, master and poster of a source, with its scenes, under keys of this attempt. */
export const encodeVideo = defineTask({
  name: 'encode-video',
  version: 2,
  input: v.object({ videoId: v.number(), sourceKey: v.string() }),
  output: v.object({
    width: v.number(),
    height: v.number(),
    frameRate: FrameRateSchema,
    frameCount: v.number(),
    durationMs: v.number(),
    hasAudio: v.boolean(),
    source: SourceSchema,
    proxyKey: v.string(),
    masterKey: v.string(),
    thumbnailKey: v.string(),
    scenes: ScenesSchema,
  }),
  run: ({ videoId, sourceKey }, { signal, report, attemptId }) =>
    inWorkFolder(async (workDir) => {
      const store = objectStore();
      const encoded = await encodeSource(await store.inputFor(sourceKey), workDir, { signal, onProgress: report }).catch(
        (error: unknown) => {
          throw error instanceof SourceRefused ? new TaskRefused(error.message) : error;
        },
      );
      const keys = {
        proxyKey: proxyKey(videoId, attemptId),
        masterKey: masterKey(videoId, attemptId),
        thumbnailKey: thumbnailKey(videoId, attemptId),
      };
      await store.publish(keys.masterKey, encoded.masterPath, { storageClass: 'cold' });
      await store.publish(keys.thumbnailKey, encoded.posterPath);
      await store.publish(keys.proxyKey, encoded.proxyPath);
      const { width, height, frameRate, frameCount, durationMs, hasAudio, scenes, source } = encoded;
      return { width, height, frameRate, frameCount, durationMs, hasAudio, scenes, source, ...keys };
    }),
});
