import { frameToSeconds, secondsToFrame, type FrameRate } from '#lib/core/frame-rate.ts';

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
  readonly #autoplay: () => boolean;
  #clipId: number | null = null;
  /** Whether the reviewer has paused this clip. */
  #wasPaused = false;
  /** The clip-relative frame to be shown; while it is set, what the element paints is on the way there. */
  #target: number | null = null;
  /** The last target that was sought, so that one out of the file's reach is given up. */
  #sought: number | null = null;

  /** `autoplay`: whether clips begin to play by themselves. */
  constructor(autoplay: () => boolean = () => true) {
    this.#autoplay = autoplay;
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
    this.#clipId = span.clipId;
    this.#target = null;
    video.muted = this.#isMuted;
    video.playbackRate = this.#speed;
    if (stays) {
      this.show(this.#frame);
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
      this.#frame = span.startFrame + Math.min(length - 1, Math.max(0, relative));
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

  /** Plays or pauses. */
  toggle(): void {
    if (this.#video === null) return;
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
    const { startFrame, endFrame } = this.#span;
    const length = endFrame - startFrame;
    const from = this.#target ?? this.#frame - startFrame;
    this.#seekTo((((from + byFrames) % length) + length) % length);
  }

  /** Pauses on a source frame of this clip. */
  show(frame: number): void {
    if (this.#span === null) return;
    const { startFrame, endFrame } = this.#span;
    this.#seekTo(Math.min(endFrame - 1, Math.max(startFrame, frame)) - startFrame);
  }

  toggleSound(): void {
    this.#isMuted = !this.#isMuted;
    if (this.#video) this.#video.muted = this.#isMuted;
  }

  setSpeed(speed: number): void {
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
    if (this.#video === null || this.#span === null || this.#target === null) return;
    if (this.#sought === this.#target) this.#target = null;
    else this.#seek();
  }
}
