import type { FrameSpan } from '#lib/core/cuts.ts';
import { framesPerSecond, type FrameRate } from '#lib/core/frame-rate.ts';

/** Where a presenter's playback stood at one moment; from it anyone can tell where it stands now. */
export interface Playhead {
  readonly clipId: number;
  readonly startFrame: number;
  readonly endFrame: number;
  /** The source frame, with its fraction while playing, at `atMs`. */
  readonly frame: number;
  /** Server time in milliseconds since 1970. */
  readonly atMs: number;
  readonly isPlaying: boolean;
  /** 1 is real time. */
  readonly speed: number;
  /** The frames that repeat; without it the whole clip does. */
  readonly loop: FrameSpan | null;
}

/** The source frame, with its fraction, at which a playhead stands at server time `nowMs`. */
export function playheadFrame(playhead: Playhead, nowMs: number, rate: FrameRate): number {
  if (!playhead.isPlaying) return playhead.frame;
  const elapsedFrames = (Math.max(0, nowMs - playhead.atMs) / 1000) * playhead.speed * framesPerSecond(rate);
  const { startFrame, endFrame } = playhead.loop ?? playhead;
  const length = endFrame - startFrame;
  const relative = playhead.frame + elapsedFrames - startFrame;
  return startFrame + (((relative % length) + length) % length);
}

/** How far a playback is ahead (+) of where it should be, in frames, the short way round the loop. */
export function driftFrames(actualFrame: number, expectedFrame: number, loopFrames: number): number {
  const drift = (((actualFrame - expectedFrame) % loopFrames) + loopFrames) % loopFrames;
  return drift > loopFrames / 2 ? drift - loopFrames : drift;
}

/** What brings a playback back in step. `speed` is absolute, for the media element. */
export type Correction = { readonly kind: 'none' } | { readonly kind: 'speed'; readonly speed: number } | { readonly kind: 'seek' };

const IN_STEP_MS = 15;
const SEEK_BEYOND_MS = 250;
/** A drift is made up for within about this time, at speeds that are not noticed. */
const MAKE_UP_MS = 1_000;
const MAX_SPEED_CHANGE = 0.12;

/** How to correct a drift in media milliseconds (+ is ahead) of a playback that should run at `speed`. */
export function correctionFor(driftMs: number, speed: number): Correction {
  if (Math.abs(driftMs) <= IN_STEP_MS) return { kind: 'none' };
  if (Math.abs(driftMs) > SEEK_BEYOND_MS * Math.max(1, speed)) return { kind: 'seek' };
  const change = Math.min(MAX_SPEED_CHANGE, Math.max(-MAX_SPEED_CHANGE, -driftMs / MAKE_UP_MS / speed));
  return { kind: 'speed', speed: speed * (1 + change) };
}

/** One exchange with the server's clock; local times are of `Date.now()`. */
export interface ClockSample {
  readonly sentMs: number;
  readonly serverMs: number;
  readonly receivedMs: number;
}

/**
 * How far the server's clock is ahead of ours, in ms: from the exchange with the shortest way there
 * and back, whose error is at most half of that way. Cristian's algorithm (1989). Throws on no samples.
 */
export function clockOffsetMs(samples: readonly ClockSample[]): number {
  const best = samples.reduce((one, other) => (other.receivedMs - other.sentMs < one.receivedMs - one.sentMs ? other : one));
  return best.serverMs - (best.sentMs + best.receivedMs) / 2;
}
