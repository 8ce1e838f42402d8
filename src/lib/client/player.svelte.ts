import type { FrameSpan } from '#lib/core/cuts.ts';
import { framesPerSecond, frameToSeconds, secondsToFrame, type FrameRate } from '#lib/core/frame-rate.ts';
import { correctionFor, driftFrames } from '#lib/core/playhead.ts';

/** The frames of the source that a playback file holds. */
export interface PlayedSpan {
  readonly clipId: number;
  readonly startFrame: number;
  readonly endFrame: number;
  readonly frameRate: FrameRate;
}

/** Playback speeds, slowest first. */
export const SPEEDS = [0.25, 0.5, 1, 1.5, 2] as const;

/**
 * Frame-accurate looped playback of one clip at a time. It drives whichever video element is
 * attached, and keeps speed, sound and whether to play from clip to clip.
 */
export class FramePlayer {
  #video: HTMLVideoElement | null = null;
  #span: PlayedSpan | null = null;
  #frame = $state(0);
  #isPlaying = $state(false);
  #isMuted = $state(true);
  #speed = $state<number>(1);
  #loop = $state.raw<FrameSpan | null>(null);
  #jumps = $state(0);
  /** While a seek to catch up is under way, and until it has settled, nothing is corrected. */
  #settlesAtMs = 0;
  /** What a seek takes on this machine, so that it lands where the others will be by then. */
  #seekMs = 60;
  #seekBeganMs = 0;
  readonly #autoplay: () => boolean;
  readonly #touched: () => void;
  /** A frame to rest on as soon as its clip is on the screen. */
  #awaited: { readonly clipId: number; readonly frame: number } | null = null;
  #clipId: number | null = null;
  /** Whether the reviewer has paused this clip. */
  #wasPaused = false;
  /** The clip-relative frame to be shown; while it is set, what the element paints is on the way there. */
  #target: number | null = null;
  /** The last target that was sought, so that one out of the file's reach is given up. */
  #sought: number | null = null;

  /** `autoplay`: whether clips begin to play by themselves; `touched`: someone at this window has taken hold of the playback. */
  constructor(autoplay: () => boolean = () => true, touched: () => void = () => undefined) {
    this.#autoplay = autoplay;
    this.#touched = touched;
  }

  /** The source frame on the screen. */
  get frame(): number {
    return this.#frame;
  }

  get isPlaying(): boolean {
    return this.#isPlaying;
  }

  get isMuted(): boolean {
    return this.#isMuted;
  }

  get speed(): number {
    return this.#speed;
  }

  /** The frames that repeat; null for the whole clip. */
  get loop(): FrameSpan | null {
    return this.#loop;
  }

  /** Rises whenever playback did not just go on: a seek, a step, the end of the loop. */
  get jumps(): number {
    return this.#jumps;
  }

  /** The clip whose file is on the screen. */
  get clipId(): number | null {
    return this.#span?.clipId ?? null;
  }

  /** The source frame with its fraction, between paints too; null while there is nothing to play. */
  get position(): number | null {
    if (this.#video === null || this.#span === null) return null;
    if (this.#target !== null || this.#video.paused) return this.#frame;
    return this.#span.startFrame + this.#video.currentTime * framesPerSecond(this.#span.frameRate);
  }

  /** A new clip is up, before anything of it has been painted. */
  expect(startFrame: number): void {
    this.#frame = startFrame;
  }

  /**
   * Puts an element on the screen; gives the function that takes it off. A clip plays from its
   * first frame; another file of the same clip, whose cut was moved, stays paused where it was.
   */
  attach(video: HTMLVideoElement, span: PlayedSpan): () => void {
    const stays = span.clipId === this.#clipId && this.#wasPaused;
    this.#video = video;
    this.#span = span;
    if (span.clipId !== this.#clipId) this.#loop = null;
    this.#clipId = span.clipId;
    this.#target = null;
    this.#settlesAtMs = 0;
    video.muted = this.#isMuted;
    video.playbackRate = this.#speed;
    const awaited = this.#awaited?.clipId === span.clipId ? this.#awaited : null;
    this.#awaited = null;
    if (stays || awaited !== null) {
      this.#rest(awaited?.frame ?? this.#frame);
    } else {
      this.#wasPaused = false;
      this.#frame = span.startFrame;
      if (video.currentTime > 0) video.currentTime = 0;
      if (this.#autoplay()) void video.play().catch(() => undefined);
    }

    const length = span.endFrame - span.startFrame;
    // The browser tells of each frame that it has painted, with that frame's own time; a quarter of a frame absorbs rounding.
    const painted = (_now: number, { mediaTime }: { mediaTime: number }) => {
      handle = video.requestVideoFrameCallback(painted);
      if (this.#target !== null) return;
      const relative = secondsToFrame(mediaTime + frameToSeconds(0.25, span.frameRate), span.frameRate);
      const frame = span.startFrame + Math.min(length - 1, Math.max(0, relative));
      if (frame < this.#frame) this.#jumps += 1;
      this.#frame = frame;
      const { startFrame, endFrame } = this.#loop ?? span;
      if (this.#loop !== null && !video.paused && (frame >= endFrame - 1 || frame < startFrame)) {
        video.currentTime = frameToSeconds(startFrame - span.startFrame + 0.5, span.frameRate);
      }
    };
    let handle = video.requestVideoFrameCallback(painted);
    const listeners = new AbortController();
    const on = (name: string, run: () => void) => video.addEventListener(name, run, { signal: listeners.signal });
    const update = () => (this.#isPlaying = !video.paused);
    on('play', update);
    on('pause', update);
    on('seeked', () => this.#seeked());
    update();
    return () => {
      listeners.abort();
      video.cancelVideoFrameCallback(handle);
      video.pause();
      video.muted = true;
      if (this.#video !== video) return;
      this.#video = null;
      this.#isPlaying = false;
    };
  }

  /** Repeats only these frames of the clip from now on, or with null all of them again. */
  setLoop(loop: FrameSpan | null): void {
    this.#touched();
    this.#repeat(loop);
  }

  #repeat(loop: FrameSpan | null): void {
    if (this.#span === null) return;
    const { startFrame, endFrame } = this.#span;
    const inside =
      loop === null ? null : { startFrame: Math.max(startFrame, loop.startFrame), endFrame: Math.min(endFrame, loop.endFrame) };
    this.#loop = inside === null || inside.endFrame <= inside.startFrame ? null : inside;
    this.#jumps += 1;
  }

  /**
   * Brings the playback in step with where another one stands: at rest on its very frame; playing,
   * by a speed that makes up for the drift, or a seek where that would take too long. Call it again
   * and again. Gives the drift in media milliseconds, + is ahead; null when there is nothing to compare.
   */
  keepUpWith(other: {
    readonly frame: number;
    readonly isPlaying: boolean;
    readonly speed: number;
    readonly loop: FrameSpan | null;
  }): number | null {
    const [video, span] = [this.#video, this.#span];
    if (video === null || span === null) return null;
    if (this.#loop?.startFrame !== other.loop?.startFrame || this.#loop?.endFrame !== other.loop?.endFrame) this.#repeat(other.loop);
    if (this.#speed !== other.speed) this.#speed = other.speed;
    if (!other.isPlaying) {
      const frame = Math.min(span.endFrame - 1, Math.max(span.startFrame, Math.floor(other.frame + 1e-6)));
      if (!video.paused || this.#frame !== frame) this.#rest(frame);
      return 0;
    }
    this.#wasPaused = false;
    this.#target = null;
    const { startFrame, endFrame } = this.#loop ?? span;
    const fps = framesPerSecond(span.frameRate);
    if (video.paused) void video.play().catch(() => undefined);
    const at = span.startFrame + video.currentTime * fps;
    const driftMs = (driftFrames(at, other.frame, endFrame - startFrame) / fps) * 1000;
    const nowMs = performance.now();
    if (video.seeking || nowMs < this.#settlesAtMs) return driftMs;
    const correction = correctionFor(driftMs, other.speed);
    if (correction.kind === 'seek') {
      // By the time that the seek is through, the other has gone on.
      const leadFrames = (this.#seekMs / 1000) * fps * other.speed;
      const length = endFrame - startFrame;
      const relative = (other.frame - startFrame + leadFrames) % length;
      video.playbackRate = other.speed;
      this.#seekBeganMs = nowMs;
      video.currentTime = Math.min((span.endFrame - span.startFrame - 0.5) / fps, (startFrame - span.startFrame + relative) / fps);
      this.#settlesAtMs = nowMs + 350;
    } else {
      video.playbackRate = correction.kind === 'speed' ? correction.speed : other.speed;
    }
    return driftMs;
  }

  /** Plays or pauses. */
  toggle(): void {
    if (this.#video === null) return;
    this.#touched();
    this.#wasPaused = !this.#video.paused;
    if (!this.#wasPaused) {
      this.#target = null;
      void this.#video.play().catch(() => undefined);
    } else {
      this.#video.pause();
    }
  }

  /** Pauses and goes some frames on or back, round the clip's ends. */
  step(byFrames: number): void {
    if (this.#span === null) return;
    this.#touched();
    const { startFrame, endFrame } = this.#span;
    const length = endFrame - startFrame;
    const from = this.#target ?? this.#frame - startFrame;
    this.#seekTo((((from + byFrames) % length) + length) % length);
  }

  /** Pauses on a source frame of a clip, now or once that clip is on the screen. */
  show(clipId: number, frame: number): void {
    this.#touched();
    if (this.#span?.clipId === clipId) this.#rest(frame);
    else this.#awaited = { clipId, frame };
  }

  #rest(frame: number): void {
    if (this.#span === null) return;
    const { startFrame, endFrame } = this.#span;
    this.#seekTo(Math.min(endFrame - 1, Math.max(startFrame, frame)) - startFrame);
  }

  toggleSound(): void {
    this.#isMuted = !this.#isMuted;
    if (this.#video) this.#video.muted = this.#isMuted;
  }

  setSpeed(speed: number): void {
    this.#touched();
    this.#speed = speed;
    if (this.#video) this.#video.playbackRate = speed;
  }

  /** The next speed up (1) or down (-1). */
  changeSpeed(by: 1 | -1): void {
    const index = SPEEDS.findIndex((speed) => speed === this.#speed);
    this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index + by))] ?? 1);
  }

  #seekTo(relative: number): void {
    if (this.#video === null || this.#span === null) return;
    this.#jumps += 1;
    this.#wasPaused = true;
    this.#video.pause();
    const isUnderWay = this.#target !== null && this.#video.seeking;
    this.#target = relative;
    this.#frame = this.#span.startFrame + relative;
    // One seek at a time: a held key must not pile them up.
    if (!isUnderWay) this.#seek();
  }

  #seek(): void {
    if (this.#video === null || this.#span === null || this.#target === null) return;
    this.#sought = this.#target;
    // The middle of a frame is inside it whatever the rounding.
    this.#video.currentTime = frameToSeconds(this.#target + 0.5, this.#span.frameRate);
  }

  #seeked(): void {
    if (this.#seekBeganMs > 0) {
      this.#seekMs = Math.min(250, 0.7 * this.#seekMs + 0.3 * (performance.now() - this.#seekBeganMs));
      this.#seekBeganMs = 0;
    }
    if (this.#video === null || this.#span === null || this.#target === null) return;
    if (this.#sought === this.#target) this.#target = null;
    else this.#seek();
  }
}
