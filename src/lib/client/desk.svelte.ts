import { getContext, setContext } from 'svelte';
import type { VideoState } from '#lib/client/live-store.svelte.ts';
import type { FramePlayer } from '#lib/client/player.svelte.ts';
import type { Review } from '#lib/client/review.svelte.ts';
import type { Room } from '#lib/client/room.svelte.ts';
import type { Talk } from '#lib/client/talk.svelte.ts';
import type { Together } from '#lib/client/together.svelte.ts';
import type { FrameSpan } from '#lib/core/cuts.ts';
import type { Mentionable } from '#lib/core/mentions.ts';
import type { ClipView } from '#lib/live/views.ts';

/** All that the parts of a review page share: the page makes it and sets it as context. */
export interface Desk {
  readonly review: Review;
  readonly player: FramePlayer;
  readonly room: Room;
  readonly talk: Talk;
  /** The shared playhead; null where there is no session. */
  readonly together: Together | null;
  readonly ownId: number;
  /** Whose playhead the others follow; null where there is none. */
  readonly leadId: number | null;
  /** Whether this person may decide and talk here and now. */
  readonly canReview: boolean;
  /** Everybody who can be mentioned. */
  readonly people: readonly Mentionable[];
  /** Tags in use, to choose from. */
  readonly knownTags: readonly string[];
  /** The video of the clip on the screen, or the first one; null when there is none. */
  readonly video: VideoState | null;
  /** Who holds a clip that is not for us; null when nobody does. */
  holderOf(clip: ClipView): number | null;
  /** Shows frames: the clip that they begin in, paused at their first. */
  goTo(videoId: number, span: FrameSpan): void;
}

/** A `goTo` for a desk: looks around freely where the lead is followed, else shows the frames at once. */
export function goToFrames(
  { review, player, together }: Pick<Desk, 'review' | 'player' | 'together'>,
  clips: readonly ClipView[],
  videoId: number,
  { startFrame }: FrameSpan,
): void {
  const clip = clips.find((other) => other.videoId === videoId && other.startFrame <= startFrame && startFrame < other.endFrame);
  if (clip === undefined) return;
  if (together?.isFollowing) together.free();
  review.select(clip);
  if (review.current?.id === clip.id) player.show(clip.id, startFrame);
}

const KEY = Symbol('desk');

/** Makes a desk known to the components of the page. */
export function setDesk(desk: Desk): Desk {
  return setContext(KEY, desk);
}

/** The desk of the page that a component is on. */
export function useDesk(): Desk {
  return getContext<Desk>(KEY);
}
