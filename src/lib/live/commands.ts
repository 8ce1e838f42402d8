import * as v from 'valibot';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { ClipView } from '#lib/live/views.ts';

const id = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2_147_483_647));
const frame = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2_147_483_647));
const clip = { commandId: v.pipe(v.string(), v.uuid()), clipId: id, version: id };

/** A reviewer's command as it comes over the socket. `commandId` makes a repeat harmless. */
export const ReviewCommandSchema = v.variant('kind', [
  v.object({ ...clip, kind: v.picklist(['approve', 'skip', 'archive', 'reopen', 'merge', 'group']) }),
  v.object({ ...clip, kind: v.literal('split'), atFrame: frame }),
  v.object({
    ...clip,
    kind: v.literal('move-cut'),
    byFrames: v.pipe(v.number(), v.integer(), v.minValue(-100_000), v.maxValue(100_000)),
  }),
]);
export type ReviewRequest = v.InferOutput<typeof ReviewCommandSchema>;

/** Undo or redo of the sender's own latest decision on a video. */
export const UndoSchema = v.object({
  commandId: v.pipe(v.string(), v.uuid()),
  videoId: id,
  direction: v.picklist(['undo', 'redo']),
});
export type UndoRequest = v.InferOutput<typeof UndoSchema>;

/** Ask for playback of clips, most wanted first. */
export const PlaybackSchema = v.object({ clipIds: v.pipe(v.array(id), v.maxLength(12)) });
export type PlaybackRequest = v.InferOutput<typeof PlaybackSchema>;

/** Follow a topic from after an event number; the server sends what is missing, then all that comes. */
export const SubscribeSchema = v.object({
  topic: v.pipe(v.string(), v.maxLength(40)),
  afterSeq: v.pipe(v.number(), v.integer(), v.minValue(0)),
});
export type SubscribeRequest = v.InferOutput<typeof SubscribeSchema>;

/** The answer to a review command. `conflict` carries the clip as it is now, or null when it is gone. */
export type ReviewReply =
  | { readonly kind: 'ok'; readonly clips: readonly ClipView[]; readonly removedClipIds: readonly number[]; readonly summary: string }
  | { readonly kind: 'conflict'; readonly current: ClipView | null; readonly message: string }
  | { readonly kind: 'refused'; readonly message: string };

/** One clip's playback: a signed URL, or that it is being made (a `clip-ready` signal follows). */
export type PlaybackReply =
  | {
      readonly kind: 'ok';
      readonly clips: readonly {
        readonly clipId: number;
        readonly startFrame: number;
        readonly endFrame: number;
        readonly url: string | null;
      }[];
    }
  | { readonly kind: 'refused'; readonly message: string };

/** `reset`: too far behind, load the page's data again. */
export type SubscribeReply =
  | { readonly kind: 'ok'; readonly missed: readonly LiveEvent[] }
  | { readonly kind: 'reset' }
  | { readonly kind: 'refused'; readonly message: string };

/** Socket.IO's typed events, client to server; each is acknowledged with its reply. */
export interface ClientToServerEvents {
  subscribe: (request: SubscribeRequest, reply: (answer: SubscribeReply) => void) => void;
  unsubscribe: (topic: string) => void;
  review: (request: ReviewRequest, reply: (answer: ReviewReply) => void) => void;
  undo: (request: UndoRequest, reply: (answer: ReviewReply) => void) => void;
  playback: (request: PlaybackRequest, reply: (answer: PlaybackReply) => void) => void;
}

/** Socket.IO's typed events, server to client. */
export interface ServerToClientEvents {
  event: (event: LiveEvent) => void;
  signal: (signal: LiveSignal) => void;
  /** The log-in session has ended: go to the log-in page. */
  'signed-out': () => void;
}
