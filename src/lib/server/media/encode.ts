import path from 'node:path';
import { formatDuration } from '#lib/core/format.ts';
import { framesPerSecond, framesToDurationMs, type FrameRate } from '#lib/core/frame-rate.ts';
import { FfmpegError, runFfmpeg, type FfmpegJob } from '#lib/server/media/ffmpeg.ts';
import { measureVideo, probeSource, type SourceFacts } from '#lib/server/media/probe.ts';
import type { EncodedSource } from '#lib/core/source.ts';
import { throughFifo } from '#lib/server/media/fifo.ts';
import { detectScenesInFrames, type Scenes } from '#lib/server/media/python.ts';
import { analysisFilter, analysisOptions, encodeFilters, masterOptions, proxyOptions } from '#lib/server/media/recipes.ts';

/** How far a run is. */
export interface EncodeProgress {
  readonly percent: number | null;
  readonly fps: number | null;
  readonly etaMs: number | null;
}

/** How an encode is stopped, and whom it tells how far it is. */
export interface EncodeOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: EncodeProgress) => void;
}

/** What one encode made and measured; the files lie in the work folder. */
export interface EncodeResult {
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
  readonly frameCount: number;
  readonly durationMs: number;
  readonly hasAudio: boolean;
  readonly scenes: Scenes;
  readonly source: EncodedSource;
  readonly proxyPath: string;
  readonly masterPath: string;
  readonly posterPath: string;
}

/** Thrown for a source that no further attempt can encode; the message is for people. */
export class SourceRefused extends Error {
  override readonly name = 'SourceRefused';
}

/** A picture that is shorter than this share of what its index says, less the slack, is a part of a file. */
const SHORTEST_SHARE = 0.95;
const SHORTEST_SLACK_MS = 300;
const MAX_AUDIO_OFFSET_SECONDS = 0.04;

/**
 * Makes proxy, master, poster and scenes from a source in one decode, and checks what it made:
 * equal frame counts in all three, and sound that starts with the picture within 40 ms.
 */
export async function encodeSource(sourcePath: string, workDir: string, options: EncodeOptions): Promise<EncodeResult> {
  const probe = await probeSource(sourcePath);
  if (probe.kind === 'refused') throw new SourceRefused(probe.reason);
  const { facts } = probe;
  const run = (hasAudio: boolean) => encodeOnce(sourcePath, workDir, hasAudio ? facts : { ...facts, sound: null }, options);
  const hasAudio = facts.sound !== null;
  const { scenes, hadAudio } = await run(hasAudio).then(
    (found) => ({ scenes: found, hadAudio: hasAudio }),
    async (error: unknown) => {
      // Sound that can't be decoded must not cost the picture.
      if (!hasAudio || !(error instanceof FfmpegError)) throw error;
      return { scenes: await run(false), hadAudio: false };
    },
  );
  const proxyPath = path.join(workDir, 'proxy.mp4');
  const masterPath = path.join(workDir, 'master.mp4');
  const [proxy, master] = await Promise.all([measureVideo(proxyPath), measureVideo(masterPath)]);
  if (!(proxy.frameCount > 0)) throw new SourceRefused('No frame of the picture could be decoded: the file is damaged.');
  if (proxy.frameCount !== master.frameCount || proxy.frameCount !== scenes.frameCount) {
    throw new Error(`Frame counts differ: proxy ${proxy.frameCount}, master ${master.frameCount}, detector ${scenes.frameCount}.`);
  }
  if (proxy.frameCount >= facts.mostFrames) {
    throw new SourceRefused('The file is damaged: its clock jumps ahead by hours, and nothing tells what lies between. Copy it again.');
  }
  const durationMs = framesToDurationMs(proxy.frameCount, facts.frameRate);
  if (facts.pictureMs !== null && durationMs < facts.pictureMs * SHORTEST_SHARE - SHORTEST_SLACK_MS) {
    const [should, does] = [formatDuration(facts.pictureMs), formatDuration(durationMs)];
    throw new SourceRefused(`The file is cut short: it should last ${should} and ends after ${does}. Copy or download it again.`);
  }
  const audioOffset = proxy.audioStartSeconds === null ? 0 : Math.abs(proxy.audioStartSeconds - proxy.startSeconds);
  if (audioOffset > MAX_AUDIO_OFFSET_SECONDS)
    throw new Error(`The proxy's sound starts ${Math.round(audioOffset * 1000)} ms off its picture.`);
  return {
    width: master.width,
    height: master.height,
    frameRate: facts.frameRate,
    frameCount: proxy.frameCount,
    durationMs,
    hasAudio: hadAudio,
    scenes,
    source: facts.description,
    proxyPath,
    masterPath,
    posterPath: await makePoster(proxyPath, workDir, proxy.frameCount, facts.frameRate, options.signal),
  };
}

function encodeOnce(sourcePath: string, workDir: string, facts: SourceFacts, options: EncodeOptions): Promise<Scenes> {
  const { frameRate, durationMs } = facts;
  return encodeWithScenes(
    {
      inputs: [{ path: sourcePath, options: ['-nostdin'] }],
      filters: encodeFilters(facts),
      outputs: [
        { path: path.join(workDir, 'proxy.mp4'), options: proxyOptions(facts) },
        { path: path.join(workDir, 'master.mp4'), options: masterOptions(facts) },
      ],
    },
    { workDir, frameRate, expectedFrames: durationMs === null ? null : (durationMs / 1000) * framesPerSecond(frameRate) },
    options,
  );
}

/** Runs an encode whose filters give an `[analysis]` stream, which the scene detector reads as it comes. Gives the scenes. */
export async function encodeWithScenes(
  job: Pick<FfmpegJob, 'inputs' | 'filters' | 'outputs'>,
  {
    workDir,
    frameRate,
    expectedFrames,
  }: { readonly workDir: string; readonly frameRate: FrameRate; readonly expectedFrames: number | null },
  options: EncodeOptions,
): Promise<Scenes> {
  const startedAtMs = Date.now();
  return throughFifo(
    workDir,
    options.signal,
    (framesPath, signal) =>
      runFfmpeg({
        ...job,
        outputs: [...job.outputs, { path: framesPath, options: analysisOptions() }],
        signal,
        onProgress: ({ frames, fps }) => {
          const done = expectedFrames ? Math.min(0.99, frames / expectedFrames) : null;
          const elapsedMs = Date.now() - startedAtMs;
          options.onProgress?.({
            percent: done === null ? null : done * 100,
            fps,
            etaMs: done ? Math.round((elapsedMs * (1 - done)) / done) : null,
          });
        },
      }),
    (framesPath, signal) => detectScenesInFrames({ framesPath, frameRate, signal }),
  );
}

/** Detects scenes in a finished proxy, decoding it. */
export async function detectScenesInVideo(
  proxyPath: string,
  frameRate: FrameRate,
  workDir: string,
  options: { readonly signal: AbortSignal; readonly onFrames?: (frames: number) => void },
): Promise<Scenes> {
  return throughFifo(
    workDir,
    options.signal,
    (framesPath, signal) =>
      runFfmpeg({
        inputs: [{ path: proxyPath }],
        filters: [analysisFilter('0:v:0')],
        outputs: [{ path: framesPath, options: analysisOptions() }],
        signal,
      }),
    (framesPath, signal) =>
      detectScenesInFrames({ framesPath, frameRate, signal, ...(options.onFrames ? { onProgress: options.onFrames } : {}) }),
  );
}

/** Makes a small still that is typical of a finished proxy; gives its path. */
export async function makePoster(
  proxyPath: string,
  workDir: string,
  frameCount: number,
  frameRate: FrameRate,
  signal: AbortSignal,
): Promise<string> {
  const posterPath = path.join(workDir, 'poster.jpg');
  const atSeconds = (Math.floor(frameCount / 5) * frameRate.den) / frameRate.num;
  await runFfmpeg({
    inputs: [{ path: proxyPath, options: ['-ss', atSeconds.toFixed(6)] }],
    // `thumbnail` takes the most typical of the next frames, which is neither black nor a flash.
    outputs: [{ path: posterPath, options: ['-vf', 'thumbnail=24,scale=480:-2', '-frames:v', '1', '-q:v', '4', '-an'] }],
    signal,
  });
  return posterPath;
}
