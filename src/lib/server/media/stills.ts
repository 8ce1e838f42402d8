import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FrameSpan } from '#lib/core/cuts.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';
import { inWorkFolder } from '#lib/server/media/clips.ts';
import { throughFifo } from '#lib/server/media/fifo.ts';
import { runFfmpeg } from '#lib/server/media/ffmpeg.ts';
import { writeStills, type WrittenStills } from '#lib/server/media/python.ts';
import { reencodeInputOptions, stillFramesOptions, stillSize } from '#lib/server/media/recipes.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { stillKey, stillNames } from '#lib/server/storage/keys.ts';

/** A clip to make stills of. */
export type StillsClip = FrameSpan & { readonly id: number; readonly videoId: number };

/** The stills of a clip that are in the store, and how large the large ones are. */
export type PublishedStills = WrittenStills & { readonly clip: StillsClip; readonly width: number; readonly height: number };

/** Stores stills of the clips in a span, by one decode of it; tells of each clip as soon as its pictures are in the store. */
export async function publishStills({
  proxyKey,
  frameRate,
  picture,
  span,
  clips,
  signal,
  onStills,
}: {
  readonly proxyKey: string;
  readonly frameRate: FrameRate;
  /** How large the proxy's source is. */
  readonly picture: { readonly width: number; readonly height: number };
  readonly span: FrameSpan;
  /** In order, none over another. */
  readonly clips: readonly StillsClip[];
  readonly signal: AbortSignal;
  readonly onStills: (stills: PublishedStills) => Promise<void>;
}): Promise<void> {
  const size = stillSize(picture);
  const byId = new Map(clips.map((clip) => [clip.id, clip]));
  await inWorkFolder(async (workDir) => {
    const proxyPath = await objectStore().inputFor(proxyKey);
    await throughFifo(
      workDir,
      signal,
      (framesPath, stop) =>
        runFfmpeg({
          inputs: [{ path: proxyPath, options: reencodeInputOptions(span, frameRate) }],
          outputs: [{ path: framesPath, options: stillFramesOptions(span, size) }],
          signal: stop,
        }),
      async (framesPath, stop) => {
        const wish = { framesPath, outFolder: workDir, size, firstFrame: span.startFrame, clips };
        for await (const written of writeStills(wish, stop)) {
          const clip = byId.get(written.clipId);
          if (clip === undefined) throw new Error(`Stills of a clip ${written.clipId} came that nobody asked for.`);
          const names = stillNames(written.frames.length);
          await Promise.all(names.map((name) => objectStore().publish(stillKey(clip, name), path.join(workDir, `${clip.id}-${name}`))));
          await onStills({ ...written, ...size, clip });
        }
      },
    );
  });
}

/** Copies the stills of clips out of the store into a folder, the large ones or the small; gives each clip's files. */
export async function fetchStills(
  folder: string,
  clips: readonly (StillsClip & { readonly stillCount: number })[],
  size: 'large' | 'small',
  signal: AbortSignal,
): Promise<string[][]> {
  return Promise.all(
    clips.map((clip) =>
      Promise.all(
        Array.from({ length: clip.stillCount }, async (_, index) => {
          const name = `${index}${size === 'small' ? '-small' : ''}.webp`;
          const file = path.join(folder, `${clip.id}-${name}`);
          await pipeline(await objectStore().openRead(stillKey(clip, name)), createWriteStream(file), { signal });
          return file;
        }),
      ),
    ),
  );
}
