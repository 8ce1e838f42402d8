import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { detectionWindow, SEAM_FRAMES, type PartPlan, type SeenCut } from '#lib/core/encode-parts.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';
import { encodeWithScenes, type EncodeOptions } from '#lib/server/media/encode.ts';
import { runFfmpeg } from '#lib/server/media/ffmpeg.ts';
import { measureVideo, type SourceFacts } from '#lib/server/media/probe.ts';
import {
  CONCAT_INPUT,
  concatList,
  digestOptions,
  joinOptions,
  masterOptions,
  partFilters,
  partInputOptions,
  proxyOptions,
  soundOptions,
  type Source,
} from '#lib/server/media/recipes.ts';

/** A part as one runner has made it; the picture only, in the work folder. Cuts count frames in the whole video. */
export interface EncodedPart {
  readonly frameCount: number;
  readonly width: number;
  readonly height: number;
  readonly proxyPath: string;
  readonly masterPath: string;
  readonly cuts: SeenCut[];
  readonly params: Record<string, unknown>;
  /** Of the frames around where it begins and where it ends: its neighbours must come to the same. */
  readonly headDigest: string;
  readonly tailDigest: string;
}

/** Encodes one part of a source: proxy and master of its frames, and the cuts in and near it. */
export async function encodePart(
  sourcePath: string,
  workDir: string,
  source: Source & Pick<SourceFacts, 'startSeconds'>,
  plan: PartPlan & { readonly expectedFrames: number },
  options: EncodeOptions,
): Promise<EncodedPart> {
  const { frameRate, startSeconds } = source;
  const picture = { ...source, sound: null };
  const window = detectionWindow(plan);
  const part = { startFrame: plan.startFrame, endFrame: plan.endFrame, window, startSeconds };
  const [proxyPath, masterPath, digestPath] = ['proxy.mp4', 'master.mp4', 'digest.txt'].map((name) => path.join(workDir, name)) as [
    string,
    string,
    string,
  ];
  const scenes = await encodeWithScenes(
    {
      inputs: [{ path: sourcePath, options: ['-nostdin', ...partInputOptions(part, frameRate)] }],
      filters: partFilters(part, source),
      outputs: [
        { path: proxyPath, options: proxyOptions(picture) },
        { path: masterPath, options: masterOptions(picture) },
        { path: digestPath, options: digestOptions() },
      ],
    },
    { workDir, frameRate, expectedFrames: plan.expectedFrames },
    options,
  );
  const [proxy, master] = await Promise.all([measureVideo(proxyPath), measureVideo(masterPath)]);
  const wanted = plan.endFrame === null ? proxy.frameCount : plan.endFrame - plan.startFrame;
  if (proxy.frameCount !== wanted || master.frameCount !== wanted) {
    throw new Error(
      `The part from frame ${plan.startFrame} on has ${proxy.frameCount} and ${master.frameCount} frames, ${wanted} were wanted.`,
    );
  }
  const digests = await readDigests(digestPath);
  const endFrame = plan.startFrame + wanted;
  const around = (frame: number) => {
    const from = Math.max(0, frame - SEAM_FRAMES - window.startFrame);
    return createHash('sha256')
      .update(digests.slice(from, frame + SEAM_FRAMES - window.startFrame).join('\n'))
      .digest('hex');
  };
  return {
    frameCount: wanted,
    width: master.width,
    height: master.height,
    proxyPath,
    masterPath,
    cuts: scenes.cuts.map((cut) => ({
      ...cut,
      frame: cut.frame + window.startFrame,
      startFrame: cut.startFrame + window.startFrame,
      endFrame: cut.endFrame + window.startFrame,
    })),
    params: scenes.params,
    headDigest: around(plan.startFrame),
    tailDigest: around(endFrame),
  };
}

/** Encodes the sound of a source in one go, as the proxy and the master have it; gives both paths. */
export async function encodeSound(
  sourcePath: string,
  workDir: string,
  source: Source,
  { signal }: Pick<EncodeOptions, 'signal'>,
): Promise<{ proxyPath: string; masterPath: string }> {
  const [proxyPath, masterPath] = [path.join(workDir, 'proxy.m4a'), path.join(workDir, 'master.m4a')];
  await runFfmpeg({
    inputs: [{ path: sourcePath, options: ['-nostdin'] }],
    outputs: [
      { path: proxyPath, options: soundOptions(source, 'proxy') },
      { path: masterPath, options: soundOptions(source, 'master') },
    ],
    signal,
  });
  return { proxyPath, masterPath };
}

/** Joins parts, and the sound where there is any, into one file without encoding anything. */
export async function joinParts(
  pictures: readonly { readonly path: string; readonly frameCount: number }[],
  soundPath: string | null,
  outPath: string,
  frameRate: FrameRate,
  { signal }: Pick<EncodeOptions, 'signal'>,
): Promise<void> {
  const listPath = `${outPath}.ffconcat`;
  await writeFile(listPath, concatList(pictures, frameRate));
  await runFfmpeg({
    inputs: [{ path: listPath, options: CONCAT_INPUT }, ...(soundPath === null ? [] : [{ path: soundPath }])],
    outputs: [{ path: outPath, options: joinOptions(frameRate, soundPath !== null) }],
    signal,
  });
}

/** The digests in a file of ffmpeg's framemd5 format: the last column of each line that is no comment. */
async function readDigests(file: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  return lines.flatMap((line) => (/^\d/.test(line) ? [line.slice(line.lastIndexOf(',') + 1).trim()] : []));
}
