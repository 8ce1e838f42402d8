import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { liveSocket, type Unreachable } from '#lib/client/socket.ts';
import type { VideoState } from '#lib/client/live-store.svelte.ts';
import { OwnChanges } from '#lib/client/own-changes.ts';
import type { ReviewCommandKind } from '#lib/core/review.ts';
import type { ReviewReply } from '#lib/live/commands.ts';
import type { ClipView } from '#lib/live/views.ts';

const CLIPS_AHEAD = 5;
const RETRY_MS = 3_000;

/** What the page tells the reviewer. `show` goes to the clip that it is about. */
export interface Notice {
  readonly kind: 'done' | 'problem' | 'conflict';
  readonly message: string;
  readonly show: (() => void) | null;
}

/** A playback file and the span of source frames that it holds. */
export interface PlaybackSource {
  readonly clipId: number;
  readonly url: string;
  readonly startFrame: number;
  readonly endFrame: number;
}

/** The review page's state: which clip is shown, what plays, and the commands of the reviewer. */
export class Review {
  readonly #page: VideoState;
  readonly #tell: (notice: Notice) => void;
  readonly #sources = new SvelteMap<number, PlaybackSource>();
  /** Decided, and not answered yet: no longer in the queue. */
  readonly #deciding = new SvelteSet<number>();
  readonly #own = new OwnChanges();
  #currentId = $state<number | null>(null);
  /** Where the current clip begins, to find what is there when someone splits or merges it away. */
  #lastFrame = 0;
  /** Commands go out one after the other, in the order in which they were given. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(page: VideoState, tell: (notice: Notice) => void, firstClipId: number | null) {
    this.#page = page;
    this.#tell = tell;
    if (page.clips.some((clip) => clip.id === firstClipId)) this.#currentId = firstClipId;
  }

  /**
   * The clip on the screen: the chosen one; where it was split or merged away, the one now there;
   * without a choice the first that is pending; null when all are reviewed.
   */
  get current(): ClipView | null {
    const { clips } = this.#page;
    const chosen = this.#currentId === null ? undefined : clips.find((clip) => clip.id === this.#currentId);
    if (chosen !== undefined) {
      this.#lastFrame = chosen.startFrame;
      return chosen;
    }
    if (this.#currentId !== null) {
      const there = clips.find((clip) => clip.startFrame <= this.#lastFrame && this.#lastFrame < clip.endFrame);
      if (there !== undefined) return there;
    }
    return this.#nextPending(-1) ?? null;
  }

  /** The place of the current clip among all clips, or -1. */
  get index(): number {
    const { current } = this;
    return current === null ? -1 : this.#page.clips.indexOf(current);
  }

  /** The neighbour before the current clip in the source. */
  get previous(): ClipView | null {
    return this.#page.clips[this.index - 1] ?? null;
  }

  /** The clip that a decision leads to. */
  get next(): ClipView | null {
    return this.index < 0 ? null : (this.#nextPending(this.index) ?? null);
  }

  /** How many clips wait for a decision, those not counted whose decision is under way. */
  get pendingCount(): number {
    return this.#page.clips.filter((clip) => clip.state === 'pending' && !this.#deciding.has(clip.id)).length;
  }

  /** Its playback file; while one for a moved cut is made, the one from before. */
  source(clip: ClipView): PlaybackSource | null {
    return this.#sources.get(clip.id) ?? null;
  }

  /** Whether the playback file holds just the clip's frames. */
  isExact(clip: ClipView): boolean {
    const source = this.#sources.get(clip.id);
    return source !== undefined && source.startFrame === clip.startFrame && source.endFrame === clip.endFrame;
  }

  /** The clips whose playback is wanted, most wanted first. */
  get wanted(): readonly ClipView[] {
    const { current, index } = this;
    if (current === null) return [];
    const { clips } = this.#page;
    const pending = [...clips.slice(index + 1), ...clips.slice(0, index)].filter((clip) => clip.state === 'pending').slice(0, CLIPS_AHEAD);
    const wanted = [current, pending[0], clips[index + 1], clips[index - 1], ...pending.slice(1)];
    return wanted.filter((clip) => clip !== undefined).filter((clip, place, all) => all.indexOf(clip) === place);
  }

  /** Shows a clip; null for the first that is pending. */
  select(clip: ClipView | null | undefined): void {
    this.#currentId = clip?.id ?? null;
    this.#lastFrame = clip?.startFrame ?? this.#lastFrame;
  }

  /** Goes to a neighbour in source order. */
  move(by: number): void {
    const clip = this.#page.clips[this.index + by];
    if (clip) this.select(clip);
  }

  /** Asks for the playback of what is wanted and not there; call again on `clip-ready`. */
  async fetchPlayback(): Promise<void> {
    const clipIds = this.wanted.filter((clip) => !this.isExact(clip)).map((clip) => clip.id);
    if (clipIds.length === 0) return;
    const reply = await liveSocket().request('playback', { clipIds });
    if (reply.kind !== 'ok') return;
    for (const { clipId, startFrame, endFrame, url } of reply.clips) {
      if (url !== null) this.#sources.set(clipId, { clipId, url, startFrame, endFrame });
    }
  }

  /** Asks again now and then until the current clip can play: a signal may have been lost. Gives the function that ends it. */
  keepFetching(): () => void {
    const timer = setInterval(() => {
      if (this.current !== null && !this.isExact(this.current)) void this.fetchPlayback();
    }, RETRY_MS);
    return () => clearInterval(timer);
  }

  /** A playback file does not load any more (swept, or its URL has expired): asks for a new one. */
  dropSource(clipId: number): void {
    this.#sources.delete(clipId);
    void this.fetchPlayback();
  }

  /** Sends a command about the current clip; a decision shows the next clip at once. */
  async command(kind: ReviewCommandKind, extra: { atFrame?: number; byFrames?: number } = {}): Promise<void> {
    const clip = this.current;
    if (clip === null) return;
    const isDecision = kind === 'approve' || kind === 'skip' || kind === 'archive' || kind === 'group';
    if (isDecision) {
      const next = this.#nextPending(this.index);
      this.#deciding.add(clip.id);
      this.select(next);
    }
    const advancedTo = this.#currentId;
    const reply = await this.#send((seen) => {
      const { id: clipId, version } = seen(clip);
      return liveSocket().request('review', { commandId: crypto.randomUUID(), clipId, version, kind, ...extra } as never);
    });
    this.#deciding.delete(clip.id);
    const isStillThere = this.#currentId === advancedTo;
    if (reply.kind === 'ok') {
      if (isStillThere && (kind === 'merge' || kind === 'split')) this.select(reply.clips.at(kind === 'split' ? 1 : 0));
    } else if (reply.kind === 'refused' && isDecision && isStillThere) {
      this.select(clip);
    }
    this.#report(reply, reply.kind === 'conflict' ? reply.current : clip);
  }

  /** Undoes or redoes the reviewer's own last decision and shows its clip. */
  async undo(direction: 'undo' | 'redo'): Promise<void> {
    const videoId = this.#page.video.id;
    const reply = await this.#send(() => liveSocket().request('undo', { commandId: crypto.randomUUID(), videoId, direction }));
    if (reply.kind === 'ok') this.select(direction === 'undo' ? reply.clips.at(-1) : this.#nextPending(this.index));
    this.#report(reply, null);
  }

  #send(
    request: (seen: (clip: ClipView) => { id: number; version: number }) => Promise<ReviewReply | Unreachable>,
  ): Promise<ReviewReply | Unreachable> {
    const sent = this.#line.then(async () => {
      const before = this.#page.clips;
      const reply = await request((clip) => this.#own.latest(clip));
      if (reply.kind === 'ok') {
        this.#own.note(before, reply);
        this.#page.applyReply(reply);
      }
      return reply;
    });
    this.#line = sent.catch(() => undefined);
    return sent;
  }

  #report(reply: ReviewReply | Unreachable, clip: ClipView | null): void {
    const show = clip === null ? null : () => this.select(clip);
    if (reply.kind === 'ok') this.#tell({ kind: 'done', message: reply.summary, show: null });
    else this.#tell({ kind: reply.kind === 'conflict' ? 'conflict' : 'problem', message: reply.message, show });
  }

  #nextPending(afterIndex: number): ClipView | undefined {
    const { clips } = this.#page;
    const waits = (clip: ClipView) => clip.state === 'pending' && !this.#deciding.has(clip.id);
    return clips.slice(afterIndex + 1).find(waits) ?? clips.slice(0, Math.max(0, afterIndex)).find(waits);
  }
}
