import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { liveSocket, type Unreachable } from '#lib/client/socket.ts';
import { OwnChanges } from '#lib/client/own-changes.ts';
import { isSameSpan } from '#lib/core/cuts.ts';
import type { Choice } from '#lib/core/consensus.ts';
import type { ReviewCommandKind } from '#lib/core/review.ts';
import type { ClipsDelta } from '#lib/live/apply-event.ts';
import type { ReviewReply, UndoScope } from '#lib/live/commands.ts';
import type { ClipView } from '#lib/live/views.ts';

const CLIPS_AHEAD = 5;
const RETRY_MS = 3_000;
const PLAYBACK_PATIENCE_MS = 8_000;
/** URLs are renewed this long before they lapse: the same request keeps their files from being swept. */
const RENEW_BEFORE_MS = 4 * 60_000;

/** What the page tells the reviewer, with something that they may do about it. */
export interface Notice {
  readonly kind: 'done' | 'problem' | 'conflict';
  readonly message: string;
  readonly action: { readonly label: string; readonly run: () => void } | null;
}

/** A playback file and the span of source frames that it holds. */
export interface PlaybackSource {
  readonly clipId: number;
  readonly url: string;
  readonly startFrame: number;
  readonly endFrame: number;
  /** When the URL has to be renewed, on the clock of `performance.now()`. */
  readonly renewAtMs: number;
}

/** What is reviewed: the clips of one video, or of a session, and the rules that hold there. */
export interface ReviewScope {
  /** Live clips in the order of review. */
  readonly clips: readonly ClipView[];
  readonly undoScope: UndoScope;
  /** All live clips of a clip's video, in source order. */
  clipsAround(clip: ClipView): readonly ClipView[];
  /** How many equal votes decide a clip. */
  readonly votesNeeded: number;
  /** Whether a clip waits for a decision of this person. */
  isOpen(clip: ClipView): boolean;
  /** Whether a decision leads to the next clip at once; else this window waits for the others, or for the lead. */
  advances(): boolean;
  /** Why a clip may not be shown here and now; null when it may. */
  refusalToShow(clip: ClipView): string | null;
  applyReply(reply: ClipsDelta): void;
  /** This window's person has decided: time to get more to do. */
  onDecided?(): void;
}

const ANYWAY: Readonly<Partial<Record<ReviewCommandKind, string>>> = {
  approve: 'Approve anyway',
  skip: 'Skip anyway',
  archive: 'Archive anyway',
};

/** The state of a review: which clip is shown, what plays, and the commands of the reviewer. */
export class Review {
  readonly #scope: ReviewScope;
  readonly #tell: (notice: Notice) => void;
  readonly #sources = new SvelteMap<number, PlaybackSource>();
  /** Decided, and not answered yet: no longer in the queue. */
  readonly #deciding = new SvelteSet<number>();
  readonly #own = new OwnChanges();
  #currentId = $state<number | null>(null);
  #undo = $state<string | null>(null);
  #redo = $state<string | null>(null);
  /** Where the current clip begins, to find what is there when someone splits or merges it away. */
  #last = { videoId: 0, frame: 0 };
  /** Commands go out one after the other, in the order in which they were given. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(scope: ReviewScope, tell: (notice: Notice) => void, firstClipId: number | null) {
    this.#scope = scope;
    this.#tell = tell;
    const first = scope.clips.find((clip) => clip.id === firstClipId);
    if (first !== undefined && scope.refusalToShow(first) === null) this.#currentId = firstClipId;
  }

  /**
   * The clip on the screen: the chosen one; where it was split or merged away, the one now there;
   * without a choice the first that is open; null when all are reviewed.
   */
  get current(): ClipView | null {
    const { clips } = this.#scope;
    const chosen = this.#currentId === null ? undefined : clips.find((clip) => clip.id === this.#currentId);
    // One that has passed into other hands is left to them.
    if (chosen !== undefined && this.#scope.refusalToShow(chosen) !== null) return this.#nextOpen(-1) ?? null;
    if (chosen !== undefined) {
      this.#last = { videoId: chosen.videoId, frame: chosen.startFrame };
      return chosen;
    }
    if (this.#currentId !== null) {
      const { videoId, frame } = this.#last;
      const there = clips.find((clip) => clip.videoId === videoId && clip.startFrame <= frame && frame < clip.endFrame);
      if (there !== undefined && this.#scope.refusalToShow(there) === null) return there;
    }
    return this.#nextOpen(-1) ?? null;
  }

  /** The place of the current clip among all clips, or -1. */
  get index(): number {
    const { current } = this;
    return current === null ? -1 : this.#scope.clips.indexOf(current);
  }

  /** The neighbour before the current clip in the source. */
  get previous(): ClipView | null {
    const { current } = this;
    if (current === null) return null;
    const around = this.#scope.clipsAround(current);
    return around[around.indexOf(current) - 1] ?? null;
  }

  /** The clip that a decision leads to. */
  get next(): ClipView | null {
    return this.index < 0 ? null : (this.#nextOpen(this.index) ?? null);
  }

  /** How many clips wait for a decision, those not counted whose decision is under way. */
  get pendingCount(): number {
    return this.#scope.clips.filter((clip) => clip.state === 'pending' && !this.#deciding.has(clip.id)).length;
  }

  /** What undo would do, in words; null for nothing. */
  get undoWords(): string | null {
    return this.#undo;
  }

  /** What redo would do, in words; null for nothing. */
  get redoWords(): string | null {
    return this.#redo;
  }

  /** Its playback file; while one for a moved cut is made, the one from before. */
  source(clip: ClipView): PlaybackSource | null {
    return this.#sources.get(clip.id) ?? null;
  }

  /** Whether the playback file holds just the clip's frames. */
  isExact(clip: ClipView): boolean {
    const source = this.#sources.get(clip.id);
    return source !== undefined && isSameSpan(source, clip);
  }

  /** The clips whose playback is wanted, most wanted first. */
  get wanted(): readonly ClipView[] {
    const { current, index } = this;
    if (current === null) return [];
    const { clips } = this.#scope;
    const open = [...clips.slice(index + 1), ...clips.slice(0, index)].filter((clip) => this.#scope.isOpen(clip)).slice(0, CLIPS_AHEAD);
    const beside = [clips[index + 1], this.previous].filter((clip) => clip != null && this.#scope.refusalToShow(clip) === null);
    const wanted = [current, open[0], ...beside, ...open.slice(1)];
    return wanted.filter((clip) => clip != null).filter((clip, place, all) => all.indexOf(clip) === place);
  }

  /** Shows a clip; null for the first that is open. Says why when it may not be shown. */
  select(clip: ClipView | null | undefined): void {
    const refusal = clip == null ? null : this.#scope.refusalToShow(clip);
    if (refusal !== null) return this.#tell({ kind: 'problem', message: refusal, action: null });
    this.#currentId = clip?.id ?? null;
    if (clip != null) this.#last = { videoId: clip.videoId, frame: clip.startFrame };
  }

  /** Goes to a neighbour in the order of review, past those that may not be shown. */
  move(by: 1 | -1): void {
    const { clips } = this.#scope;
    for (let at = this.index + by; at >= 0 && at < clips.length; at += by) {
      const clip = clips[at];
      if (clip && this.#scope.refusalToShow(clip) === null) return this.select(clip);
    }
  }

  #isGood(clip: ClipView): boolean {
    return this.isExact(clip) && (this.#sources.get(clip.id)?.renewAtMs ?? 0) > performance.now();
  }

  /** Asks for the playback of what is wanted and not there, or will lapse soon; call again on `clip-ready`. */
  async fetchPlayback(): Promise<void> {
    const clipIds = this.wanted.filter((clip) => !this.#isGood(clip)).map((clip) => clip.id);
    if (clipIds.length === 0) return;
    const reply = await liveSocket().request('playback', { clipIds }, { giveUpMs: PLAYBACK_PATIENCE_MS });
    if (reply.kind !== 'ok') return;
    const nowMs = performance.now();
    for (const { clipId, startFrame, endFrame, url, validMs } of reply.clips) {
      if (url !== null) this.#sources.set(clipId, { clipId, url, startFrame, endFrame, renewAtMs: nowMs + validMs - RENEW_BEFORE_MS });
    }
  }

  /**
   * Asks again now and then until the current clip can play, for a signal may have been lost, and before
   * its URL lapses. Gives the function that ends it.
   */
  keepFetching(): () => void {
    const timer = setInterval(() => {
      if (this.current !== null && !this.#isGood(this.current)) void this.fetchPlayback();
    }, RETRY_MS);
    return () => clearInterval(timer);
  }

  /** A playback file does not load any more (swept, or its URL has expired): asks for a new one. */
  dropSource(clipId: number): void {
    this.#sources.delete(clipId);
    void this.fetchPlayback();
  }

  /** Asks what undo and redo would do now. */
  async fetchUndoable(): Promise<void> {
    const reply = await liveSocket().request('undoable', { scope: this.#scope.undoScope }, { giveUpMs: PLAYBACK_PATIENCE_MS });
    if (reply.kind === 'ok') [this.#undo, this.#redo] = [reply.undo, reply.redo];
  }

  /** Sends a command about the current clip; a decision shows the next clip at once. */
  async command(kind: ReviewCommandKind, extra: { atFrame?: number; byFrames?: number; settle?: boolean } = {}): Promise<void> {
    if (this.current !== null) await this.#commandOn(this.current, kind, extra);
  }

  async #commandOn(
    clip: ClipView,
    kind: ReviewCommandKind,
    extra: { atFrame?: number; byFrames?: number; settle?: boolean },
  ): Promise<void> {
    const isDecision = kind === 'approve' || kind === 'skip' || kind === 'archive' || kind === 'group';
    const advances = isDecision && this.#scope.advances();
    // Decided, it is not open any more: who stays with it says so.
    if (isDecision && !advances && this.#currentId === null) this.select(clip);
    if (isDecision) this.#deciding.add(clip.id);
    if (advances && this.current?.id === clip.id) this.select(this.#nextOpen(this.index));
    const advancedTo = this.#currentId;
    const { undoScope } = this.#scope;
    const session = undoScope.kind === 'session' ? { sessionId: undoScope.sessionId } : {};
    const reply = await this.#send((seen) => {
      const { id: clipId, version } = seen(clip);
      return liveSocket().request('review', { commandId: crypto.randomUUID(), clipId, version, kind, ...session, ...extra } as never);
    });
    this.#deciding.delete(clip.id);
    const isStillThere = this.#currentId === advancedTo;
    if (reply.kind === 'ok') {
      if (isStillThere && (kind === 'merge' || kind === 'split')) this.select(reply.clips.at(kind === 'split' ? 1 : 0));
    } else if (reply.kind === 'refused' && advances && isStillThere) {
      this.select(clip);
    }
    if (isDecision) this.#scope.onDecided?.();
    this.#report(reply, clip, { kind, extra });
  }

  /** The session that this is; null where there is none. */
  get sessionId(): number | null {
    const { undoScope } = this.#scope;
    return undoScope.kind === 'session' ? undoScope.sessionId : null;
  }

  /** How many equal votes decide a clip here. */
  get votesNeeded(): number {
    return this.#scope.votesNeeded;
  }

  /** Decides clips together that are like one, as they are on the screen; one undo takes all of them back. */
  async decideAlike(clipId: number, kind: Choice, leastPercent: number, clips: readonly ClipView[]): Promise<void> {
    for (const { id } of clips) this.#deciding.add(id);
    if (this.#scope.advances() && this.current !== null && this.#deciding.has(this.current.id)) this.select(this.#nextOpen(this.index));
    const { sessionId } = this;
    const commandId = crypto.randomUUID();
    const reply = await this.#send((seen) =>
      liveSocket().request('alike', {
        ...{ commandId, kind, clipId, leastPercent },
        ...(sessionId === null ? {} : { sessionId }),
        clips: clips.map((clip) => ({ clipId: clip.id, version: seen(clip).version })),
      }),
    );
    for (const { id } of clips) this.#deciding.delete(id);
    this.#scope.onDecided?.();
    this.#report(reply, null, null);
  }

  /** Undoes or redoes the reviewer's own last decision and shows its clip. */
  async undo(direction: 'undo' | 'redo'): Promise<void> {
    const { undoScope: scope } = this.#scope;
    const reply = await this.#send(() => liveSocket().request('undo', { commandId: crypto.randomUUID(), scope, direction }));
    if (reply.kind === 'ok') {
      // Of many that came back, one that is here.
      const here = reply.clips.findLast((clip) => this.#scope.clips.some((known) => known.id === clip.id));
      this.select(direction === 'undo' ? here : this.#nextOpen(this.index));
    }
    if (reply.kind === 'voted') this.select(this.#scope.clips.find((clip) => clip.id === reply.clipId));
    this.#report(reply, null, null);
  }

  #send(
    request: (seen: (clip: ClipView) => { id: number; version: number }) => Promise<ReviewReply | Unreachable>,
  ): Promise<ReviewReply | Unreachable> {
    const sent = this.#line.then(async () => {
      const before = this.#scope.clips;
      const reply = await request((clip) => this.#own.latest(clip));
      if (reply.kind === 'ok') {
        this.#own.note(before, reply);
        this.#scope.applyReply(reply);
      }
      void this.fetchUndoable();
      return reply;
    });
    this.#line = sent.catch(() => undefined);
    return sent;
  }

  #report(
    reply: ReviewReply | Unreachable,
    clip: ClipView | null,
    sent: { kind: ReviewCommandKind; extra: { atFrame?: number; byFrames?: number; settle?: boolean } } | null,
  ): void {
    if (reply.kind === 'ok' || reply.kind === 'voted') return this.#tell({ kind: 'done', message: reply.summary, action: null });
    const show = (shown: ClipView | null) => (shown === null ? null : { label: 'Show', run: () => this.select(shown) });
    if (reply.kind !== 'conflict') return this.#tell({ kind: 'problem', message: reply.message, action: show(clip) });
    const { current } = reply;
    const anyway = sent === null ? undefined : ANYWAY[sent.kind];
    // Knowing who decided what, the reviewer may still insist: a new decision, on the clip as it is now.
    const override =
      current !== null && sent !== null && anyway !== undefined
        ? { label: anyway, run: () => void this.#commandOn(current, sent.kind, sent.extra) }
        : show(current);
    this.#tell({ kind: 'conflict', message: reply.message, action: override });
  }

  #nextOpen(afterIndex: number): ClipView | undefined {
    const { clips } = this.#scope;
    const waits = (clip: ClipView) => this.#scope.isOpen(clip) && !this.#deciding.has(clip.id);
    return clips.slice(afterIndex + 1).find(waits) ?? clips.slice(0, Math.max(0, afterIndex)).find(waits);
  }
}
