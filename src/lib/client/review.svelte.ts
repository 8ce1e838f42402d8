import { liveSocket } from '#lib/client/socket.ts';
import type { VideoState } from '#lib/client/live-store.svelte.ts';
import type { ReviewCommandKind } from '#lib/core/review.ts';
import type { ReviewReply } from '#lib/live/commands.ts';
import type { ClipView } from '#lib/live/views.ts';

const CLIPS_AHEAD = 5;

/** What the page tells the reviewer. */
export type Tell = (kind: 'done' | 'problem', message: string) => void;

/** The review page's state: which clip is shown, what plays, and the commands of the reviewer. */
export class Review {
  readonly #page: VideoState;
  readonly #tell: Tell;
  #currentId = $state<number | null>(null);
  #urls = $state<Readonly<Record<string, string>>>({});

  constructor(page: VideoState, tell: Tell, firstClipId: number | null) {
    this.#page = page;
    this.#tell = tell;
    this.#currentId = page.clips.find((clip) => clip.id === firstClipId)?.id ?? this.#nextPending(-1)?.id ?? null;
  }

  /** The clip on the screen; when it was split or merged away, the one that now begins nearest. */
  get current(): ClipView | null {
    return this.#page.clips.find((clip) => clip.id === this.#currentId) ?? null;
  }

  get index(): number {
    return this.#page.clips.findIndex((clip) => clip.id === this.#currentId);
  }

  /** The playback URL of a clip, null until it has one. */
  url(clip: ClipView): string | null {
    return this.#urls[playbackName(clip)] ?? null;
  }

  /** The clips whose playback is wanted: the current one first, then what comes next. */
  get upcoming(): readonly ClipView[] {
    const from = Math.max(0, this.index);
    return this.#page.clips.slice(from, from + 1 + CLIPS_AHEAD);
  }

  select(clip: ClipView | null | undefined): void {
    this.#currentId = clip?.id ?? null;
  }

  /** Goes to a neighbour in source order. */
  move(by: number): void {
    const clip = this.#page.clips[this.index + by];
    if (clip) this.select(clip);
  }

  /** Asks for the playback of what is wanted and not there. */
  async fetchPlayback(): Promise<void> {
    const clipIds = this.upcoming.filter((clip) => this.url(clip) === null).map((clip) => clip.id);
    if (clipIds.length === 0) return;
    const reply = await liveSocket().request('playback', { clipIds });
    if (reply.kind !== 'ok') return;
    const found = reply.clips.flatMap((clip) =>
      clip.url === null ? [] : [[playbackName({ id: clip.clipId, ...clip }), clip.url] as const],
    );
    this.#urls = { ...this.#urls, ...Object.fromEntries(found) };
  }

  /** Sends a command about the current clip; a decision shows the next clip at once. */
  async command(kind: ReviewCommandKind, extra: { atFrame?: number; byFrames?: number } = {}): Promise<void> {
    const clip = this.current;
    if (clip === null) return;
    const isDecision = kind === 'approve' || kind === 'skip' || kind === 'archive' || kind === 'group';
    if (isDecision) this.select(this.#nextPending(this.index) ?? null);
    const request = { commandId: crypto.randomUUID(), clipId: clip.id, version: clip.version, kind, ...extra };
    const reply = await liveSocket().request('review', request as never);
    this.#take(reply, clip);
    if (reply.kind === 'ok' && (kind === 'merge' || kind === 'split')) this.select(reply.clips.at(kind === 'split' ? 1 : 0));
  }

  /** Undoes or redoes the reviewer's own last decision and shows its clip. */
  async undo(direction: 'undo' | 'redo'): Promise<void> {
    const reply = await liveSocket().request('undo', { commandId: crypto.randomUUID(), videoId: this.#page.video.id, direction });
    this.#take(reply, null);
    if (reply.kind === 'ok') this.select(reply.clips.at(-1));
  }

  #take(reply: ReviewReply | { kind: 'unreachable'; message: string }, clip: ClipView | null): void {
    if (reply.kind === 'ok') {
      this.#page.applyReply(reply);
      this.#tell('done', reply.summary);
      return;
    }
    this.#tell('problem', reply.message);
    if (clip !== null) this.select(reply.kind === 'conflict' ? reply.current : clip);
  }

  #nextPending(afterIndex: number): ClipView | undefined {
    const { clips } = this.#page;
    return (
      clips.slice(afterIndex + 1).find((clip) => clip.state === 'pending') ??
      clips.slice(0, Math.max(0, afterIndex)).find((clip) => clip.state === 'pending')
    );
  }
}

function playbackName(clip: { readonly id: number; readonly startFrame: number; readonly endFrame: number }): string {
  return `${clip.id}:${clip.startFrame}-${clip.endFrame}`;
}
