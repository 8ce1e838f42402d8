import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { Swatch } from '#lib/core/color.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';
import { config } from '#lib/server/config.ts';
import { log } from '#lib/server/log.ts';
import { ANALYSIS } from '#lib/server/media/recipes.ts';

const frame = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What scene detection found: the first frames of new shots, and the parameters in force. */
export const ScenesSchema = v.object({
  frameCount: frame,
  cuts: v.array(v.object({ frame, kind: v.picklist(['cut', 'dissolve', 'fade']), startFrame: frame, endFrame: frame, score: v.number() })),
  params: v.record(v.string(), v.unknown()),
});
export type Scenes = v.InferOutput<typeof ScenesSchema>;

const ErrorMessage = v.object({ v: v.literal(1), type: v.literal('error'), code: v.string(), message: v.string() });

const ScenesMessage = v.variant('type', [
  v.object({ v: v.literal(1), type: v.literal('progress'), frames: frame }),
  v.object({ v: v.literal(1), type: v.literal('result'), ...ScenesSchema.entries }),
  ErrorMessage,
]);

const StillsMessage = v.variant('type', [
  v.object({
    ...{ v: v.literal(1), type: v.literal('stills'), clipId: frame, tileCount: frame, blurhash: v.string() },
    frames: v.array(frame),
  }),
  ErrorMessage,
]);

const PaletteMessage = v.variant('type', [
  v.object({
    ...{ v: v.literal(1), type: v.literal('palette') },
    swatches: v.array(v.object({ color: v.pipe(v.string(), v.regex(/^#[0-9a-f]{6}$/)), share: v.number() })),
  }),
  ErrorMessage,
]);

/** The pictures of a clip that are written: the frames shown, the tiles of its strip, and a blurhash. */
export type WrittenStills = Omit<Extract<v.InferOutput<typeof StillsMessage>, { type: 'stills' }>, 'v' | 'type'>;

/** Thrown when a media process of Python gives a typed error or ends without a result. */
export class MediaProcessError extends Error {
  override readonly name = 'MediaProcessError';
}

/**
 * Detects scenes in raw analysis frames that someone writes to the FIFO `framesPath`.
 * One JSON message a line on stdio; see python/heaters_media/protocol.py.
 */
export async function detectScenesInFrames(options: {
  readonly framesPath: string;
  readonly frameRate: FrameRate;
  readonly signal: AbortSignal;
  readonly onProgress?: (frames: number) => void;
}): Promise<Scenes> {
  const { framesPath, frameRate, signal } = options;
  let scenes: Scenes | undefined;
  const request = { ...ANALYSIS, frameRate, framesPath, expectedFrames: null };
  for await (const line of converse('detect-scenes', request, signal)) {
    const message = v.parse(ScenesMessage, line);
    if (message.type === 'progress') options.onProgress?.(message.frames);
    else if (message.type === 'error') throw new MediaProcessError(message.message);
    else scenes = { frameCount: message.frameCount, cuts: message.cuts, params: message.params };
  }
  if (scenes === undefined) throw new MediaProcessError('The scene detector ended without a result; its log says why.');
  return scenes;
}

/**
 * Writes stills of clips into the folder `outFolder`, out of raw frames that someone writes to the FIFO `framesPath`;
 * gives each clip as soon as its pictures are there. See python/heaters_media/stills.py for their names.
 */
export async function* writeStills(
  wish: {
    readonly framesPath: string;
    readonly outFolder: string;
    readonly size: { readonly width: number; readonly height: number };
    readonly firstFrame: number;
    readonly clips: readonly { readonly id: number; readonly startFrame: number; readonly endFrame: number }[];
  },
  signal: AbortSignal,
): AsyncGenerator<WrittenStills> {
  const { size, ...rest } = wish;
  let count = 0;
  for await (const line of converse('make-stills', { ...rest, ...size }, signal)) {
    const message = v.parse(StillsMessage, line);
    if (message.type === 'error') throw new MediaProcessError(message.message);
    count += 1;
    yield message;
  }
  if (count < wish.clips.length) throw new MediaProcessError('Not all clips got their stills; the log says why.');
}

/** The colours of clips, each by the files of its pictures, in the same order. */
export async function findPalettes(clips: readonly (readonly string[])[], signal: AbortSignal): Promise<(readonly Swatch[])[]> {
  const found: (readonly Swatch[])[] = [];
  for await (const line of converse('palettes', { clips }, signal)) {
    const message = v.parse(PaletteMessage, line);
    if (message.type === 'error') throw new MediaProcessError(message.message);
    found.push(message.swatches);
  }
  if (found.length < clips.length) throw new MediaProcessError('Not all clips got their colours; the log says why.');
  return found;
}

/** Starts a command of the package, sends it one request, and gives its messages until it ends. */
async function* converse(command: string, request: object, signal: AbortSignal): AsyncGenerator<unknown> {
  signal.throwIfAborted();
  const child = startMediaProcess([command], signal);
  const closed = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  closed.catch(() => undefined);
  child.stdin.end(`${JSON.stringify({ v: 1, type: command, ...request })}\n`);
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line);
  await closed;
}

/** A picture with more pixels is not decoded, whatever its file says of itself. */
export const MAX_PICTURE_PIXELS = 50_000_000;

/** Starts the package with these arguments; what it says on stderr goes into the log. */
export function startMediaProcess(args: readonly string[], signal?: AbortSignal): ChildProcessWithoutNullStreams {
  const child = spawn(config().pythonPath, ['-m', 'heaters_media', ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      PYTHONPATH: new URL('../../../../python', import.meta.url).pathname,
      PYTHONUNBUFFERED: '1',
      OPENCV_IO_MAX_IMAGE_PIXELS: String(MAX_PICTURE_PIXELS),
      HEATERS_PARENT_PID: String(process.pid),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
    killSignal: 'SIGKILL',
  });
  child.stderr.on('data', (text: Buffer) => log.debug({ command: args[0], said: text.toString().trim() }, 'media process'));
  // Who has gone reads no more: its end says so.
  child.stdin.on('error', () => undefined);
  return child;
}
