import type { VideoState } from '#lib/client/live-store.svelte.ts';
import type { ReviewScope } from '#lib/client/review.svelte.ts';
import type { SessionState } from '#lib/client/session.svelte.ts';
import { liveSocket } from '#lib/client/socket.ts';
import type { ClipView } from '#lib/live/views.ts';

/** Reviewing one video. */
export function videoScope(page: VideoState): ReviewScope {
  return {
    get clips() {
      return page.clips;
    },
    get undoScope() {
      return { kind: 'video', videoId: page.video.id } as const;
    },
    votesNeeded: 1,
    clipsAround: () => page.clips,
    isOpen: (clip) => clip.state === 'pending',
    advances: () => true,
    refusalToShow: () => null,
    applyReply: (reply) => page.applyReply(reply),
  };
}

/** Which clips of a session are gone through: all that are open, or those that the votes differ on. */
export type SessionQueue = 'open' | 'disagreements';

const CLAIM_EVERY_MS = 12_000;
/** Someone who has not touched anything for longer keeps no clips from others. */
const QUIET_MS = 60_000;

/** What a session's scope needs to know of its page. */
export interface SessionScopePage {
  readonly canReview: () => boolean;
  /** Whether this window follows the lead. */
  readonly isFollowing: () => boolean;
  /** When this window was last touched, in ms since 1970. */
  readonly lastInputMs: () => number;
}

/** Reviewing in a session, by its rules. */
export class SessionScope implements ReviewScope {
  readonly #state: SessionState;
  readonly #ownId: number;
  readonly #page: SessionScopePage;
  #queue = $state<SessionQueue>('open');
  #isClaiming = $state(false);

  constructor(state: SessionState, ownId: number, page: SessionScopePage) {
    this.#state = state;
    this.#ownId = ownId;
    this.#page = page;
  }

  get clips(): readonly ClipView[] {
    return this.#state.clips;
  }

  get undoScope() {
    return { kind: 'session', sessionId: this.#state.session.id } as const;
  }

  get votesNeeded(): number {
    return this.#state.session.votesNeeded;
  }

  /** Which clips are gone through. */
  get queue(): SessionQueue {
    return this.#queue;
  }

  set queue(queue: SessionQueue) {
    this.#queue = queue;
  }

  /** Whether each works on clips of their own. */
  get isDivided(): boolean {
    return this.#state.session.mode === 'divide' && this.#state.session.resumedAt !== null;
  }

  /** Whether the next clips have been asked for and are not known yet. */
  get isClaiming(): boolean {
    return this.#isClaiming;
  }

  /** The clips that the votes differ on. */
  get disagreements(): readonly ClipView[] {
    return this.clips.filter((clip) => clip.state === 'pending' && this.#state.tallyOf(clip).kind === 'disagreed');
  }

  /** Who holds a clip while the work is divided; null for nobody. */
  holderOf(clip: ClipView): number | null {
    return this.isDivided ? this.#state.holderOf(clip) : null;
  }

  clipsAround(clip: ClipView): readonly ClipView[] {
    return this.#state.videos.find((video) => video.video.id === clip.videoId)?.clips ?? [];
  }

  isOpen(clip: ClipView): boolean {
    if (clip.state !== 'pending') return false;
    if (this.#queue === 'disagreements') return this.#state.tallyOf(clip).kind === 'disagreed';
    if (!this.#page.canReview()) return true;
    if (this.#state.votesOn(clip).some((vote) => vote.userId === this.#ownId)) return false;
    return !this.isDivided || this.holderOf(clip) === this.#ownId;
  }

  /** Who follows waits for the lead; and who leads waits until those together have voted. */
  advances(): boolean {
    const { mode, votesNeeded } = this.#state.session;
    return !this.#page.isFollowing() && (mode === 'divide' || votesNeeded === 1);
  }

  refusalToShow(clip: ClipView): string | null {
    // Who watches keeps no clip from anybody.
    if (!this.isDivided || !this.#page.canReview() || clip.state !== 'pending' || this.#queue === 'disagreements') return null;
    const holder = this.holderOf(clip);
    if (holder === this.#ownId || this.#state.votesOn(clip).some((vote) => vote.userId === this.#ownId)) return null;
    if (holder === null) return 'The work is divided: this clip goes to whoever comes to it first.';
    const name = this.#state.members.find((member) => member.userId === holder)?.name ?? 'Somebody else';
    return `The work is divided: ${name} is at this clip.`;
  }

  applyReply(reply: Parameters<ReviewScope['applyReply']>[0]): void {
    this.#state.applyReply(reply);
  }

  onDecided(): void {
    void this.claim();
  }

  /** Asks for the next clips, and holds on to those at hand. */
  async claim(): Promise<void> {
    if (!this.isDivided) return;
    this.#isClaiming = true;
    // What is held comes as an event: a reply could be older than one.
    await liveSocket().request('claim', { sessionId: this.#state.session.id }, { giveUpMs: CLAIM_EVERY_MS });
    this.#isClaiming = false;
  }

  /** Holds on to the clips at hand while someone sits here; gives the function that ends it. */
  keepClaiming(): () => void {
    void this.claim();
    const timer = setInterval(() => {
      if (Date.now() - this.#page.lastInputMs() < QUIET_MS) void this.claim();
    }, CLAIM_EVERY_MS);
    return () => clearInterval(timer);
  }
}
