import type { Playhead } from '#lib/core/playhead.ts';
import type { DrawingTool } from '#lib/live/talk-views.ts';
import type { Role } from '#lib/live/views.ts';

/** Whether someone is at work, has not touched anything for a while, or looks at another window. */
export type Activity = 'active' | 'idle' | 'away';

/** What a window tells of itself. */
export interface SeatState {
  readonly clipId: number | null;
  readonly frame: number | null;
  /** Where the pointer is on the timeline, as a frame of the video on the screen. */
  readonly cursorFrame: number | null;
  readonly videoId: number | null;
  readonly followingId: number | null;
  readonly activity: Activity;
}

/** A window that a person has open in a room. Who it is comes from the server. */
export interface Seat extends SeatState {
  readonly seatId: string;
  readonly userId: number;
  readonly name: string;
  readonly role: Role;
}

/** A drawing under way, as far as it has come. */
export interface StrokeInProgress {
  readonly id: string;
  readonly videoId: number;
  readonly frame: number;
  readonly tool: DrawingTool;
  readonly color: string;
  readonly points: readonly number[];
}

/** The playhead of a session's lead. */
export interface PlayheadView extends Playhead {
  readonly videoId: number;
  readonly userId: number;
}
