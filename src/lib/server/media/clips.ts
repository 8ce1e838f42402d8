import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { spanLength, spansTouching, type FrameSpan } from '#lib/core/cuts.ts';
import { frameToSeconds, type FrameRate } from '#lib/core/frame-rate.ts';
import { config } from '#lib/server/config.ts';
import { runFfmpeg } from '#lib/server/media/ffmpeg.ts';
import { measureVideo } from '#lib/server/media/probe.ts';
import {
  clipInputOptions,
  clipOutputOptions,
  CONCAT_INPUT,
  concatList,
  reencodeInputOptions,
  reencodeOutputOptions,
} from '#lib/server/media/recipes.ts';
import { objectStore, type ObjectStore } from '#lib/server/storage/object-store.ts';

/** A stretch of a proxy in the object store. */
export interface ProxySpan {
  readonly proxyKey: string;
  readonly frameRate: FrameRate;
  readonly span: FrameSpan;
  readonly signal: AbortSignal;
}

/** Stream-copies a stretch of a proxy to the file `key` of a store, after counting its frames. Gives its size. */
export async function publishClipFile({
  proxyKey,
  frameRate,
  span,
  signal,
  key,
  store = objectStore(),
}: ProxySpan & { readonly key: string; readonly store?: Pick<ObjectStore, 'publish' | 'stat'> }): Promise<number> {
  return inWorkFolder(async (workDir) => {
    const outPath = path.join(workDir, 'clip.mp4');
    await runFfmpeg({
      inputs: [{ path: await objectStore().inputFor(proxyKey), options: clipInputOptions(span, frameRate) }],
      outputs: [{ path: outPath, options: clipOutputOptions(span, frameRate) }],
      signal,
    });
    return publishCounted(outPath, span, key, store);
  });
}

/** Encodes a stretch of a master anew as the object `key`, after counting its frames: its key frames are too far apart to copy. Gives its size. */
export async function publishMasterClip({
  masterKey,
  frameRate,
  span,
  signal,
  key,
}: Omit<ProxySpan, 'proxyKey'> & { readonly masterKey: string; readonly key: string }): Promise<number> {
  return inWorkFolder(async (workDir) => {
    const outPath = path.join(workDir, 'clip.mp4');
    await runFfmpeg({
      inputs: [{ path: await objectStore().inputFor(masterKey), options: reencodeInputOptions(span, frameRate) }],
      outputs: [{ path: outPath, options: reencodeOutputOptions(span, frameRate) }],
      signal,
    });
    return publishCounted(outPath, span, key, objectStore());
  });
}

/** A proxy that is still in parts: those over the wanted span, and the sound of the whole video. */
export interface ProxyParts {
  readonly parts: readonly { readonly key: string; readonly startFrame: number; readonly endFrame: number }[];
  readonly soundKey: string | null;
}

/** Stream-copies a stretch of a proxy that is still in parts to the file `key` of a store, after counting its frames. Gives its size. */
export async function publishClipFromParts({
  proxy,
  frameRate,
  span,
  signal,
  key,
  store,
}: Omit<ProxySpan, 'proxyKey'> & {
  readonly proxy: ProxyParts;
  readonly key: string;
  readonly store: Pick<ObjectStore, 'publish' | 'stat'>;
}): Promise<number> {
  return inWorkFolder(async (workDir) => {
    const touched = spansTouching(proxy.parts, [span]);
    const firstFrame = touched[0]?.startFrame ?? 0;
    const pictures = await Promise.all(
      touched.map(async (part) => ({ path: await objectStore().inputFor(part.key), frameCount: spanLength(part) })),
    );
    const listPath = path.join(workDir, 'parts.ffconcat');
    await writeFile(listPath, concatList(pictures, frameRate));
    const inList = { startFrame: span.startFrame - firstFrame, endFrame: span.endFrame - firstFrame };
    const sound =
      proxy.soundKey === null
        ? []
        : [{ path: await objectStore().inputFor(proxy.soundKey), options: ['-ss', frameToSeconds(span.startFrame, frameRate).toFixed(6)] }];
    const outPath = path.join(workDir, 'clip.mp4');
    await runFfmpeg({
      inputs: [{ path: listPath, options: [...CONCAT_INPUT, ...clipInputOptions(inList, frameRate)] }, ...sound],
      outputs: [{ path: outPath, options: clipOutputOptions(span, frameRate, sound.length === 0 ? 0 : 1) }],
      signal,
    });
    return publishCounted(outPath, span, key, store);
  });
}

async function publishCounted(
  filePath: string,
  span: FrameSpan,
  key: string,
  store: Pick<ObjectStore, 'publish' | 'stat'>,
): Promise<number> {
  const { frameCount } = await measureVideo(filePath);
  if (frameCount !== spanLength(span)) throw new Error(`The clip has ${frameCount} frames, ${spanLength(span)} were wanted.`);
  await store.publish(key, filePath);
  return (await store.stat(key))?.sizeBytes ?? 0;
}

/** Gives `use` an empty folder that is gone afterwards, on the same disk as the object store. */
export async function inWorkFolder<T>(use: (workDir: string) => Promise<T>): Promise<T> {
  const workDir = path.join(config().dataDir, 'work', randomUUID());
  await mkdir(workDir, { recursive: true });
  try {
    return await use(workDir);
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
