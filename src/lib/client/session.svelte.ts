import { LiveStore, VideoState, type PageHooks } from '#lib/client/live-store.svelte.ts';
import { spansTouching } from '#lib/core/cuts.ts';
import { tally, type Tally } from '#lib/core/consensus.ts';
import type { ClipsDelta } from '#lib/live/apply-event.ts';
import { applyToSession, type SessionData, type SessionSnapshot } from '#lib/live/apply-session.ts';
import type { LiveEvent } from '#lib/live/events.ts';
import type { MemberView, SessionView, VoteView } from '#lib/live/session-views.ts';
import { sessionTopic } from '#lib/live/topics.ts';
import type { ClipView } from '#lib/live/views.ts';

/** What a session's page hears beside state. */
export interface SessionHooks extends PageHooks {
  /** An event of the session itself, after it was applied. */
  onEvent?(event: LiveEvent): void;
  /** Someone has removed us. */
  onShutOut(): void;
}

/** A review session with its videos, live. */
export class SessionState {
  #snapshot = $state.raw<SessionSnapshot>() as SessionSnapshot;
  #videos = $state.raw<readonly VideoState[]>([]);
  readonly #store: LiveStore;
  readonly #videoHooks: PageHooks;
  #stopVideos: (() => void) | null = null;

  constructor(loaded: SessionData, hooks: SessionHooks) {
    this.#snapshot = toSnapshot(loaded);
    this.#videoHooks = { onReset: () => hooks.onReset(), onSignal: (signal) => hooks.onSignal?.(signal) };
    this.#videos = loaded.videos.map((video) => new VideoState(video, this.#videoHooks));
    this.#store = new LiveStore({
      topics: [{ topic: sessionTopic(loaded.session.id), afterSeq: loaded.seq }],
      apply: (event) => {
        this.#snapshot = applyToSession(this.#snapshot, event);
        hooks.onEvent?.(event);
      },
      signal: (signal) => hooks.onSignal?.(signal),
      onFollowing: () => hooks.onFollowing?.(),
      onShutOut: () => hooks.onShutOut(),
      onReset: () => hooks.onReset(),
    });
  }

  get session(): SessionView {
    return this.#snapshot.session;
  }

  get members(): readonly MemberView[] {
    return this.#snapshot.members;
  }

  /** Who holds a clip; null for nobody. */
  holderOf(clip: ClipView): number | null {
    return this.#claimsByClip.get(clip.id)?.[0]?.userId ?? null;
  }

  /** Its videos, each live. */
  get videos(): readonly VideoState[] {
    return this.#videos;
  }

  /** The clips that it is about, in the order of its films. */
  readonly clips: readonly ClipView[] = $derived.by(() => {
    const spans = Map.groupBy(this.#snapshot.session.spans, (span) => span.videoId);
    return this.#videos.flatMap((video) => spansTouching(video.clips, spans.get(video.video.id) ?? []));
  });

  readonly #votesByClip = $derived(Map.groupBy(this.#snapshot.votes, (vote) => vote.clipId));
  readonly #claimsByClip = $derived(Map.groupBy(this.#snapshot.claims, (claim) => claim.clipId));

  /** The votes on a clip as it is now. */
  votesOn(clip: ClipView): readonly VoteView[] {
    return (this.#votesByClip.get(clip.id) ?? []).filter((vote) => vote.version === clip.version);
  }

  /** How the votes on a clip stand. */
  tallyOf(clip: ClipView): Tally {
    return tally(this.votesOn(clip), this.#snapshot.session.votesNeeded);
  }

  /** Shows the reply to an own command at once, ahead of its event. */
  applyReply(reply: ClipsDelta): void {
    for (const video of this.#videos) video.applyReply(reply);
  }

  /** Follows the session and its videos while the page is shown: `$effect(() => state.start())`. */
  start(): () => void {
    const stop = this.#store.start();
    this.#startVideos();
    return () => {
      stop();
      this.#stopVideos?.();
      this.#stopVideos = null;
    };
  }

  /** Takes over newly loaded data of the same session. */
  replace(loaded: SessionData): void {
    this.#snapshot = toSnapshot(loaded);
    this.#store.restart([{ topic: sessionTopic(loaded.session.id), afterSeq: loaded.seq }]);
    const isSame =
      loaded.videos.length === this.#videos.length && loaded.videos.every(({ video }, at) => video.id === this.#videos[at]?.video.id);
    if (isSame) {
      loaded.videos.forEach((video, at) => this.#videos[at]?.replace(video));
      return;
    }
    this.#videos = loaded.videos.map((video) => new VideoState(video, this.#videoHooks));
    if (this.#stopVideos !== null) this.#startVideos();
  }

  #startVideos(): void {
    this.#stopVideos?.();
    const stops = this.#videos.map((video) => video.start());
    this.#stopVideos = () => {
      for (const stop of stops) stop();
    };
  }
}

function toSnapshot({ session, members, claims, votes, seq }: SessionData): SessionSnapshot {
  return { session, members, claims, votes, seq };
}
