import path from 'node:path';
import * as v from 'valibot';
import {
  encodePart as encodePartFiles,
  encodeSound as encodeSoundFiles,
  joinParts as joinPartFiles,
} from '#lib/server/media/encode-parts.ts';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { makePoster } from '#lib/server/media/encode.ts';
import { FfmpegError } from '#lib/server/media/ffmpeg.ts';
import { measureVideo, probeSource, type SourceFacts } from '#lib/server/media/probe.ts';
import { ScenesSchema } from '#lib/server/media/python.ts';
import { defineTask, TaskRefused } from '#lib/server/pool/define-task.ts';
import { FrameRateSchema } from '#lib/server/pool/tasks/encode-video.ts';
import { masterKey, proxyKey, soundKey, thumbnailKey } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';

/** Encodes one part of a long source, the picture only, under keys of this attempt. */
export const encodePart = defineTask({
  name: 'encode-part',
  version: 1,
  input: v.object({
    videoId: v.number(),
    sourceKey: v.string(),
    startFrame: v.number(),
    endFrame: v.nullable(v.number()),
    expectedFrames: v.number(),
  }),
  output: v.object({
    endFrame: v.number(),
    proxyKey: v.string(),
    masterKey: v.string(),
    width: v.number(),
    height: v.number(),
    cuts: ScenesSchema.entries.cuts,
    params: ScenesSchema.entries.params,
    headDigest: v.string(),
    tailDigest: v.string(),
  }),
  run: ({ videoId, sourceKey, startFrame, ...rest }, { signal, report, attemptId }) =>
    inWorkFolder(async (workDir) => {
      const store = objectStore();
      const { input, facts } = await openSource(sourceKey);
      const encoded = await encodePartFiles(input, workDir, facts, { startFrame, ...rest }, { signal, onProgress: report });
      const keys = { proxyKey: proxyKey(videoId, attemptId), masterKey: masterKey(videoId, attemptId) };
      await store.publish(keys.masterKey, encoded.masterPath);
      await store.publish(keys.proxyKey, encoded.proxyPath);
      const { frameCount, width, height, cuts, params, headDigest, tailDigest } = encoded;
      return { endFrame: startFrame + frameCount, width, height, cuts, params, headDigest, tailDigest, ...keys };
    }),
});

/** Encodes the sound of a source that is encoded in parts; none where it can't be decoded, which must not cost the picture. */
export const encodeSound = defineTask({
  name: 'encode-sound',
  version: 1,
  input: v.object({ videoId: v.number(), sourceKey: v.string() }),
  output: v.nullable(v.object({ proxySoundKey: v.string(), masterSoundKey: v.string() })),
  run: ({ videoId, sourceKey }, { signal, attemptId }) =>
    inWorkFolder(async (workDir) => {
      const store = objectStore();
      const { input, facts } = await openSource(sourceKey);
      const sound = await encodeSoundFiles(input, workDir, facts, { signal }).catch((error: unknown) => {
        if (!(error instanceof FfmpegError)) throw error;
        return null;
      });
      if (sound === null) return null;
      const keys = { proxySoundKey: soundKey('proxies', videoId, attemptId), masterSoundKey: soundKey('masters', videoId, attemptId) };
      await store.publish(keys.masterSoundKey, sound.masterPath);
      await store.publish(keys.proxySoundKey, sound.proxyPath);
      return keys;
    }),
});

const PiecesSchema = v.object({ keys: v.array(v.string()), soundKey: v.nullable(v.string()) });

/** Joins the parts of a video into proxy and master, checks their frame counts, and makes the poster. */
export const joinParts = defineTask({
  name: 'join-parts',
  version: 1,
  input: v.object({
    videoId: v.number(),
    frameRate: FrameRateSchema,
    frameCounts: v.array(v.number()),
    proxy: PiecesSchema,
    master: PiecesSchema,
  }),
  output: v.object({ proxyKey: v.string(), masterKey: v.string(), thumbnailKey: v.string() }),
  run: ({ videoId, frameRate, frameCounts, proxy, master }, { signal, attemptId }) =>
    inWorkFolder(async (workDir) => {
      const store = objectStore();
      const frameCount = frameCounts.reduce((sum, count) => sum + count, 0);
      const join = async (pieces: v.InferOutput<typeof PiecesSchema>, name: string) => {
        const pictures = await Promise.all(
          pieces.keys.map(async (key, index) => ({ path: await store.inputFor(key), frameCount: frameCounts[index] ?? 0 })),
        );
        const outPath = path.join(workDir, name);
        await joinPartFiles(pictures, pieces.soundKey === null ? null : await store.inputFor(pieces.soundKey), outPath, frameRate, {
          signal,
        });
        const joined = await measureVideo(outPath);
        if (joined.frameCount !== frameCount)
          throw new Error(`The joined ${name} has ${joined.frameCount} frames, ${frameCount} were wanted.`);
        return outPath;
      };
      const proxyPath = await join(proxy, 'proxy.mp4');
      const masterPath = await join(master, 'master.mp4');
      const posterPath = await makePoster(proxyPath, workDir, frameCount, frameRate, signal);
      const keys = {
        proxyKey: proxyKey(videoId, attemptId),
        masterKey: masterKey(videoId, attemptId),
        thumbnailKey: thumbnailKey(videoId, attemptId),
      };
      await store.publish(keys.masterKey, masterPath, { storageClass: 'cold' });
      await store.publish(keys.thumbnailKey, posterPath);
      await store.publish(keys.proxyKey, proxyPath);
      return keys;
    }),
});

async function openSource(sourceKey: string): Promise<{ input: string; facts: SourceFacts }> {
  const input = await objectStore().inputFor(sourceKey);
  const probe = await probeSource(input);
  if (probe.kind === 'refused') throw new TaskRefused(probe.reason);
  return { input, facts: probe.facts };
}
