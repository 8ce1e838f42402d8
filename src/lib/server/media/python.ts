import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
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

const Message = v.variant('type', [
  v.object({ v: v.literal(1), type: v.literal('progress'), frames: frame }),
  v.object({ v: v.literal(1), type: v.literal('result'), ...ScenesSchema.entries }),
  v.object({ v: v.literal(1), type: v.literal('error'), code: v.string(), message: v.string() }),
]);

/** Thrown when the detector gives a typed error or ends without a result. */
export class SceneDetectionError extends Error {
  override readonly name = 'SceneDetectionError';
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
  options.signal.throwIfAborted();
  const child = spawn(config().pythonPath, ['-m', 'heaters_media', 'detect-scenes'], {
    env: { PATH: process.env.PATH ?? '', PYTHONPATH: new URL('../../../../python', import.meta.url).pathname, PYTHONUNBUFFERED: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: options.signal,
    killSignal: 'SIGKILL',
  });
  const closed = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
  closed.catch(() => undefined);
  child.stderr.on('data', (text: Buffer) => log.debug({ detector: text.toString().trim() }, 'scene detector'));
  child.stdin.on('error', () => undefined);
  child.stdin.end(
    `${JSON.stringify({ v: 1, type: 'detect-scenes', ...ANALYSIS, frameRate: options.frameRate, framesPath: options.framesPath, expectedFrames: null })}\n`,
  );

  let scenes: Scenes | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const message = v.parse(Message, JSON.parse(line));
    if (message.type === 'progress') options.onProgress?.(message.frames);
    else if (message.type === 'error') throw new SceneDetectionError(message.message);
    else scenes = { frameCount: message.frameCount, cuts: message.cuts, params: message.params };
  }
  await closed;
  if (scenes === undefined) throw new SceneDetectionError('The scene detector ended without a result; its log says why.');
  return scenes;
}
