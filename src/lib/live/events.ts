import type { JobsChange } from '#lib/live/job-views.ts';
import type { PlayheadView, Seat, StrokeInProgress } from '#lib/live/presence.ts';
import type { ClaimView, MemberView, SessionView, VoteView } from '#lib/live/session-views.ts';
import type { CommentView, DrawingView, MentionView } from '#lib/live/talk-views.ts';
import type { Topic } from '#lib/live/topics.ts';
import type { ClipView, StageView, VideoView } from '#lib/live/views.ts';

/**
 * Durable events. They carry the new state of what changed, so that applying one twice is
 * harmless. `library` carries `video-*`; `video:<id>` carries `video-*`, `clips-changed` and the
 * talk about it; `session:<id>` what is true of a review session; `user:<id>` their mentions
 * and sessions.
 */
export type LiveEventBody =
  | { readonly type: 'video-changed'; readonly payload: { readonly video: VideoView } }
  | { readonly type: 'video-removed'; readonly payload: { readonly videoId: number } }
  | {
      readonly type: 'clips-changed';
      readonly payload: {
        readonly videoId: number;
        /** Why: a decision kind, `scenes-detected` or an export's state. */
        readonly cause: string;
        readonly actorName: string | null;
        readonly removedClipIds: readonly number[];
        readonly clips: readonly ClipView[];
      };
    }
  | { readonly type: 'comment-changed'; readonly payload: { readonly comment: CommentView } }
  | { readonly type: 'drawing-added'; readonly payload: { readonly drawing: DrawingView } }
  | { readonly type: 'drawings-removed'; readonly payload: { readonly drawingIds: readonly string[] } }
  | {
      readonly type: 'session-changed';
      readonly payload: { readonly session: SessionView; readonly cause: string; readonly actorName: string | null };
    }
  | { readonly type: 'member-changed'; readonly payload: { readonly member: MemberView } }
  | { readonly type: 'member-removed'; readonly payload: { readonly userId: number; readonly actorName: string | null } }
  | { readonly type: 'claims-changed'; readonly payload: { readonly claims: readonly ClaimView[] } }
  /** All votes on one clip. */
  | { readonly type: 'votes-changed'; readonly payload: { readonly clipId: number; readonly votes: readonly VoteView[] } }
  | { readonly type: 'mentioned'; readonly payload: { readonly mention: MentionView } }
  /** The person's list of sessions has changed. `isNew`: someone has added them. */
  | {
      readonly type: 'session-listed';
      readonly payload: { readonly sessionId: number; readonly title: string; readonly isNew: boolean; readonly actorName: string | null };
    };

/** A durable event with its place in its topic: `seq` rises by exactly 1. */
export type LiveEvent = LiveEventBody & {
  readonly topic: Topic;
  readonly seq: number;
  readonly actorId: number | null;
  readonly at: string;
};

/** Ephemeral signals: the latest value wins, none is stored, a lost one does no harm. */
export type LiveSignal =
  /** Something has moved on an admin's page: it loads its data anew. */
  | { readonly topic: 'pool' | 'system'; readonly type: 'moved'; readonly payload: Readonly<Record<string, never>> }
  | { readonly topic: Topic; readonly type: 'progress'; readonly payload: StageView }
  /** Clips that came, changed or went, for pages that show clips of any video: they ask how these now stand. */
  | { readonly topic: 'library'; readonly type: 'clips-touched'; readonly payload: { readonly clipIds: readonly number[] } }
  /** Somebody's saved searches are others now. */
  | { readonly topic: 'library'; readonly type: 'saved-searches-changed'; readonly payload: null }
  | {
      readonly topic: Topic;
      readonly type: 'clip-ready';
      readonly payload: { readonly clipId: number; readonly startFrame: number; readonly endFrame: number };
    }
  /** A webhook, or what was delivered to it, has changed. */
  | { readonly topic: Topic; readonly type: 'webhook-changed'; readonly payload: { readonly webhookId: number } }
  /** Seats that are new or changed, and those that are left; `isAll`: no others are shown. `seatCount` counts all. */
  | {
      readonly topic: Topic;
      readonly type: 'presence';
      readonly payload: {
        readonly seats: readonly Seat[];
        readonly goneSeatIds: readonly string[];
        readonly isAll: boolean;
        readonly seatCount: number;
      };
    }
  /** Jobs have changed, or how queues are worked on. */
  | { readonly topic: Topic; readonly type: 'jobs-changed'; readonly payload: JobsChange }
  /** Jobs have logged lines. */
  | { readonly topic: Topic; readonly type: 'jobs-logged'; readonly payload: { readonly jobIds: readonly string[] } }
  | { readonly topic: Topic; readonly type: 'playhead'; readonly payload: PlayheadView }
  | {
      readonly topic: Topic;
      readonly type: 'stroke';
      readonly payload: StrokeInProgress & { readonly userId: number; readonly name: string };
    }
  | {
      readonly topic: Topic;
      readonly type: 'reaction';
      readonly payload: { readonly emoji: string; readonly userId: number; readonly name: string };
    };

/** A signal that one window sends to the others, as against those that the server makes. */
export type RoomSignal = Extract<LiveSignal, { type: 'playhead' | 'stroke' | 'reaction' }>;
