import { liveSocket } from '#lib/client/socket.ts';
import type { FramePlayer } from '#lib/client/player.svelte.ts';
import type { Room } from '#lib/client/room.svelte.ts';
import { ServerClock } from '#lib/client/server-clock.ts';
import type { FrameRate } from '#lib/core/frame-rate.ts';
import { playheadFrame } from '#lib/core/playhead.ts';
import type { ClipView } from '#lib/live/views.ts';

const LEAD_EVERY_MS = 400;
const FOLLOW_EVERY_MS = 80;

/** What the shared playhead needs of the page. */
export interface TogetherPage {
  readonly room: Room;
  readonly player: FramePlayer;
  readonly clip: () => ClipView | null;
  readonly frameRate: () => FrameRate | null;
  /** Whether this session shares one playhead at all. */
  readonly isShared: () => boolean;
  readonly leadId: () => number | null;
  readonly ownId: number;
  /** Shows the clip that the lead is at. */
  show(clipId: number): void;
}

/** One playhead for all: the lead tells where it stands, the others keep up with it or look around freely. */
export class Together {
  readonly #page: TogetherPage;
  readonly #clock = new ServerClock();
  #isFree = $state(false);
  #driftMs = $state<number | null>(null);

  constructor(page: TogetherPage) {
    this.#page = page;
  }

  /** Whether the others follow this window's person. */
  get isLead(): boolean {
    return this.#page.isShared() && this.#page.leadId() === this.#page.ownId;
  }

  /** Whether this window follows the lead, who must be here for that. */
  get isFollowing(): boolean {
    return this.#page.isShared() && !this.isLead && !this.#isFree && this.isLeadHere;
  }

  /** Whether the lead has a window open. */
  get isLeadHere(): boolean {
    const leadId = this.#page.leadId();
    return leadId !== null && this.#page.room.isHere(leadId);
  }

  /** Whether this window looks around freely while there is a lead to go back to. */
  get isFree(): boolean {
    return this.#page.isShared() && !this.isLead && this.#isFree;
  }

  /** How far this window is ahead of the lead, in media ms; null while it does not follow. */
  get driftMs(): number | null {
    return this.isFollowing ? this.#driftMs : null;
  }

  /** Looks around freely: what the lead does no longer moves this window. */
  free(): void {
    this.#isFree = true;
  }

  /** Goes back to where the lead is, or away from it. */
  toggleFree(): void {
    this.#isFree = !this.#isFree;
    if (!this.#isFree) this.#keepUp();
  }

  /** Tells the others where the playback stands, if they follow. Call it on each change. */
  lead(): void {
    const { room, player } = this.#page;
    const clip = this.#page.clip();
    const position = player.position;
    if (!this.isLead || clip === null) return;
    // Until the clip's file is there, the lead rests on its first frame.
    const isThere = player.clipId === clip.id && position !== null;
    liveSocket().say({
      kind: 'playhead',
      topic: room.topic,
      playhead: {
        videoId: clip.videoId,
        clipId: clip.id,
        startFrame: clip.startFrame,
        endFrame: clip.endFrame,
        frame: isThere ? Math.max(0, position) : clip.startFrame,
        atMs: this.#clock.nowMs(),
        isPlaying: isThere && player.isPlaying,
        speed: player.speed,
        loop: isThere ? player.loop : null,
      },
    });
  }

  /** Begins; gives the function that ends it. For the browser. */
  start(): () => void {
    const stopClock = this.#clock.start(liveSocket());
    const leading = setInterval(() => this.lead(), LEAD_EVERY_MS);
    const following = setInterval(() => this.#keepUp(), FOLLOW_EVERY_MS);
    return () => {
      stopClock();
      clearInterval(leading);
      clearInterval(following);
    };
  }

  #keepUp(): void {
    const { room, player } = this.#page;
    const { playhead } = room;
    const rate = this.#page.frameRate();
    if (!this.isFollowing || playhead === null || playhead.userId !== this.#page.leadId()) {
      this.#driftMs = null;
      return;
    }
    if (this.#page.clip()?.id !== playhead.clipId) {
      this.#page.show(playhead.clipId);
      return;
    }
    if (player.clipId !== playhead.clipId || rate === null) return;
    const frame = playheadFrame(playhead, this.#clock.nowMs(), rate);
    this.#driftMs = player.keepUpWith({ frame, isPlaying: playhead.isPlaying, speed: playhead.speed, loop: playhead.loop });
  }
}
