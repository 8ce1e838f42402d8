import type { Topic } from '#lib/live/topics.ts';
import type { ClipView, StageView, VideoView } from '#lib/live/views.ts';

/**
 * Durable events. They carry the new state of what changed, so that applying one twice is
 * harmless. `library` carries `video-*`; `video:<id>` carries `video-*`, `clips-changed`.
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
  | { readonly topic: Topic; readonly type: 'progress'; readonly payload: StageView }
  | {
      readonly topic: Topic;
      readonly type: 'clip-ready';
      readonly payload: { readonly clipId: number; readonly startFrame: number; readonly endFrame: number };
    };
