import * as v from 'valibot';
import { CHOICES } from '#lib/core/consensus.ts';
import type { FrameSpan } from '#lib/core/cuts.ts';
import { isStorable, UNSTORABLE } from '#lib/core/titles.ts';
import { MAX_ALIKE } from '#lib/live/alike.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { PlayheadView, Seat } from '#lib/live/presence.ts';
import { SavedSearchCommandSchema } from '#lib/live/saved-search.ts';
import type { ClaimView, VoteView } from '#lib/live/session-views.ts';
import { DRAWING_TOOLS, EMOJI, type HistoryEntry } from '#lib/live/talk-views.ts';
import type { Topic } from '#lib/live/topics.ts';
import type { ClipView } from '#lib/live/views.ts';

const MAX_INTEGER = 2_147_483_647;
/** A drawing's limit: a stroke of the pen is thinned out to fit, and it fits into a notification. */
export const MAX_DRAWING_POINTS = 300;

const id = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_INTEGER));
const frame = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_INTEGER));
const uuid = v.pipe(v.string(), v.uuid());
const topic = v.pipe(v.string(), v.maxLength(40));
const emoji = v.picklist(EMOJI);
const commandId = uuid;

/** `sessionId` is named when it is done in a review session: its rules then hold as well. */
const clip = { commandId, clipId: id, version: id, sessionId: v.optional(id) };

/** A reviewer's command as it comes over the socket. `commandId` makes a repeat harmless. */
export const ReviewCommandSchema = v.variant('kind', [
  v.object({
    ...clip,
    kind: v.picklist(['approve', 'skip', 'archive', 'reopen', 'merge', 'group']),
    /** In a session that votes: decide at once, which its host may. */
    settle: v.optional(v.boolean()),
  }),
  v.object({ ...clip, kind: v.literal('split'), atFrame: frame }),
  v.object({
    ...clip,
    kind: v.literal('move-cut'),
    byFrames: v.pipe(v.number(), v.integer(), v.minValue(-100_000), v.maxValue(100_000)),
  }),
]);
export type ReviewRequest = v.InferOutput<typeof ReviewCommandSchema>;

/** Decisions about many clips at once, each a fact of its own. */
const ReviewManySchema = v.object({
  decisions: v.pipe(
    v.array(v.object({ ...clip, kind: v.picklist(['approve', 'skip', 'archive', 'reopen']) })),
    v.minLength(1),
    v.maxLength(50),
  ),
});
export type ReviewManyRequest = v.InferOutput<typeof ReviewManySchema>;

/** Decide many clips at once that are like one: those that were on the screen, as they were. */
const AlikeSchema = v.object({
  commandId,
  kind: v.picklist(CHOICES),
  clipId: id,
  sessionId: v.optional(id),
  leastPercent: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100)),
  clips: v.pipe(v.array(v.object({ clipId: id, version: id })), v.minLength(1, 'There is no clip to decide.'), v.maxLength(MAX_ALIKE)),
});
export type AlikeRequest = v.InferOutput<typeof AlikeSchema>;

/** Undo or redo of the sender's own latest decision on a video, or in a session. */
const UndoSchema = v.object({
  commandId,
  scope: v.variant('kind', [v.object({ kind: v.literal('video'), videoId: id }), v.object({ kind: v.literal('session'), sessionId: id })]),
  direction: v.picklist(['undo', 'redo']),
});
export type UndoRequest = v.InferOutput<typeof UndoSchema>;
export type UndoScope = UndoRequest['scope'];

/** Ask for playback of clips, most wanted first. */
const PlaybackSchema = v.object({ clipIds: v.pipe(v.array(id), v.maxLength(12)) });
export type PlaybackRequest = v.InferOutput<typeof PlaybackSchema>;

/** Follow a topic from after an event number; the server sends what is missing, then all that comes. */
export const SubscribeSchema = v.object({ topic, afterSeq: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) });
export type SubscribeRequest = v.InferOutput<typeof SubscribeSchema>;

/** Change how a session goes on. */
export const SessionCommandSchema = v.variant('kind', [
  v.object({ sessionId: id, kind: v.picklist(['take-lead', 'end', 'resume']) }),
  v.object({ sessionId: id, kind: v.literal('hand-lead'), userId: id }),
  v.object({ sessionId: id, kind: v.literal('set-mode'), mode: v.picklist(['together', 'divide']) }),
  v.object({ sessionId: id, kind: v.literal('set-votes'), votesNeeded: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9)) }),
  v.object({ sessionId: id, kind: v.literal('set-role'), userId: id, role: v.picklist(['reviewer', 'viewer']) }),
  v.object({ sessionId: id, kind: v.literal('remove'), userId: id }),
]);
export type SessionCommand = v.InferOutput<typeof SessionCommandSchema>;

/** Hold the next clips that nobody else holds; asked again, what is held is held longer. */
const ClaimSchema = v.object({ sessionId: id });
export type ClaimRequest = v.InferOutput<typeof ClaimSchema>;

const isText = v.check(isStorable, UNSTORABLE);
const body = v.pipe(
  v.string(),
  v.trim(),
  v.nonEmpty('Write something first.'),
  v.maxLength(4000, 'A comment can have at most 4000 characters.'),
  isText,
);
/** Comment on frames. The client chooses a new comment's id. */
export const CommentCommandSchema = v.variant('kind', [
  v.object({
    kind: v.literal('add'),
    id: uuid,
    sessionId: v.optional(id),
    videoId: id,
    parentId: v.nullable(uuid),
    startFrame: frame,
    endFrame: frame,
    body,
  }),
  v.object({ kind: v.literal('edit'), id: uuid, sessionId: v.optional(id), body }),
  v.object({ kind: v.literal('delete'), id: uuid, sessionId: v.optional(id) }),
  v.object({ kind: v.literal('resolve'), id: uuid, sessionId: v.optional(id), isResolved: v.boolean() }),
  v.object({ kind: v.literal('react'), id: uuid, sessionId: v.optional(id), emoji, isOn: v.boolean() }),
]);
export type CommentCommand = v.InferOutput<typeof CommentCommandSchema>;

/** A place on a picture, in parts of its width or height; finer than any screen, and in a range that PostgreSQL's reals have. */
const share = v.pipe(
  v.number(),
  v.minValue(-0.5),
  v.maxValue(1.5),
  v.transform((place) => Math.round(place * 1e6) / 1e6),
);
const stroke = {
  id: uuid,
  videoId: id,
  frame,
  tool: v.picklist(DRAWING_TOOLS),
  color: v.pipe(v.string(), v.regex(/^#[0-9a-f]{6}$/)),
  points: v.pipe(v.array(share), v.minLength(2), v.maxLength(2 * MAX_DRAWING_POINTS)),
};
/** Draw on a frame, take a drawing of one's own away, or all of one's own on a frame. */
export const DrawCommandSchema = v.variant('kind', [
  v.object({ kind: v.literal('add'), sessionId: v.optional(id), ...stroke }),
  v.object({ kind: v.literal('remove'), sessionId: v.optional(id), id: uuid }),
  v.object({ kind: v.literal('clear'), sessionId: v.optional(id), videoId: id, frame }),
]);
export type DrawCommand = v.InferOutput<typeof DrawCommandSchema>;

/** Tag a clip, or give it one's own stars; 0 takes them back. */
export const MarkCommandSchema = v.variant('kind', [
  v.object({
    kind: v.literal('tag'),
    sessionId: v.optional(id),
    clipId: id,
    tag: v.pipe(
      v.string(),
      v.trim(),
      v.toLowerCase(),
      v.nonEmpty('Name the tag.'),
      v.maxLength(40, 'A tag can have at most 40 characters.'),
      isText,
    ),
    isOn: v.boolean(),
  }),
  v.object({
    kind: v.literal('rate'),
    sessionId: v.optional(id),
    clipId: id,
    stars: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(5)),
  }),
]);
export type MarkCommand = v.InferOutput<typeof MarkCommandSchema>;

/** What can be asked of the server over a socket, by name. All may be sent twice: a repeat changes nothing. */
export const REQUEST_SCHEMAS = {
  review: ReviewCommandSchema,
  reviewMany: ReviewManySchema,
  alike: AlikeSchema,
  undo: UndoSchema,
  playback: PlaybackSchema,
  session: SessionCommandSchema,
  claim: ClaimSchema,
  comment: CommentCommandSchema,
  draw: DrawCommandSchema,
  mark: MarkCommandSchema,
  savedSearch: SavedSearchCommandSchema,
  /** What has happened to a clip's frames. */
  history: v.object({ clipId: id }),
  /** What undo and redo would do. */
  undoable: v.object({ scope: UndoSchema.entries.scope }),
  /** Take a seat in the room of a topic that one follows. */
  enter: v.object({ topic }),
  /** The time on the server's clock. */
  clock: v.object({}),
} as const;
export type RequestName = keyof typeof REQUEST_SCHEMAS;

/** A refusal, with a message for the person. */
export interface Refused {
  readonly kind: 'refused';
  readonly message: string;
}

/** The answer to a review command. `conflict` carries the clip as it is now, or null when it is gone. */
export type ReviewReply =
  | { readonly kind: 'ok'; readonly clips: readonly ClipView[]; readonly removedClipIds: readonly number[]; readonly summary: string }
  | { readonly kind: 'voted'; readonly clipId: number; readonly votes: readonly VoteView[]; readonly summary: string }
  | { readonly kind: 'conflict'; readonly current: ClipView | null; readonly message: string }
  | Refused;

/** Clips that were decided, as they are now, and how many were not, since somebody has changed them. */
export type ReviewManyReply = { readonly kind: 'ok'; readonly clips: readonly ClipView[]; readonly leftCount: number } | Refused;

/** One clip's playback: a signed URL, or that it is being made (a `clip-ready` signal follows). */
export type PlaybackReply =
  | {
      readonly kind: 'ok';
      readonly clips: readonly {
        readonly clipId: number;
        readonly startFrame: number;
        readonly endFrame: number;
        readonly url: string | null;
        /** How long the URL is good from now on. */
        readonly validMs: number;
      }[];
    }
  | Refused;

/** `reset`: too far behind, load the page's data again. */
export type SubscribeReply = { readonly kind: 'ok'; readonly missed: readonly LiveEvent[] } | { readonly kind: 'reset' } | Refused;

/** The clips that the asker holds, the first to be reviewed first; `othersHold` counts pending ones in other hands. */
export type ClaimReply =
  | { readonly kind: 'ok'; readonly clipIds: readonly number[]; readonly claims: readonly ClaimView[]; readonly othersHold: number }
  | Refused;

/** Done, or why not; what it changed comes as an event. */
export type DoneReply = { readonly kind: 'ok' } | Refused;

/** What undo and redo would do, in words, or null for nothing. */
export type UndoableReply = { readonly kind: 'ok'; readonly undo: string | null; readonly redo: string | null } | Refused;

/** Who is there, and where the lead's playback stands. */
export type EnterReply =
  | {
      readonly kind: 'ok';
      readonly seatId: string;
      readonly seats: readonly Seat[];
      readonly seatCount: number;
      readonly playhead: PlayheadView | null;
    }
  | Refused;

/** The answers to requests, by name. */
export interface Replies {
  review: ReviewReply;
  reviewMany: ReviewManyReply;
  alike: ReviewReply;
  undo: ReviewReply;
  playback: PlaybackReply;
  session: DoneReply;
  claim: ClaimReply;
  comment: DoneReply;
  draw: DoneReply;
  mark: DoneReply;
  savedSearch: DoneReply;
  history: { readonly kind: 'ok'; readonly entries: readonly HistoryEntry[] } | Refused;
  undoable: UndoableReply;
  enter: EnterReply;
  clock: { readonly kind: 'ok'; readonly nowMs: number } | Refused;
}

/** What is sent with a request, by name. */
export type Requests = { [Name in RequestName]: v.InferOutput<(typeof REQUEST_SCHEMAS)[Name]> };

const isSpan = (span: FrameSpan) => span.endFrame > span.startFrame;
const nullableFrame = v.nullable(frame);
const speed = v.pipe(v.number(), v.minValue(0.1), v.maxValue(4));
/** What a window tells the others of its room. Nothing of it is stored or answered; the latest value wins. */
export const SayingSchema = v.variant('kind', [
  v.object({
    kind: v.literal('here'),
    topic,
    seat: v.object({
      clipId: v.nullable(id),
      videoId: v.nullable(id),
      frame: nullableFrame,
      cursorFrame: nullableFrame,
      followingId: v.nullable(id),
      activity: v.picklist(['active', 'idle', 'away']),
    }),
  }),
  v.object({
    kind: v.literal('playhead'),
    topic,
    playhead: v.pipe(
      v.object({
        videoId: id,
        clipId: id,
        startFrame: frame,
        endFrame: frame,
        frame: v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_INTEGER)),
        atMs: v.pipe(v.number(), v.finite(), v.minValue(0)),
        isPlaying: v.boolean(),
        speed,
        loop: v.nullable(v.pipe(v.object({ startFrame: frame, endFrame: frame }), v.check(isSpan))),
      }),
      v.check((playhead) => isSpan(playhead)),
    ),
  }),
  v.object({ kind: v.literal('stroke'), topic, stroke: v.object(stroke) }),
  v.object({ kind: v.literal('reaction'), topic, emoji }),
]);
export type Saying = v.InferOutput<typeof SayingSchema>;

/** Socket.IO's typed events, client to server; a request is acknowledged with its reply. */
export type ClientToServerEvents = {
  [Name in RequestName]: (request: Requests[Name], reply: (answer: Replies[Name]) => void) => void;
} & {
  subscribe: (request: SubscribeRequest, reply: (answer: SubscribeReply) => void) => void;
  unsubscribe: (topic: string) => void;
  say: (saying: Saying) => void;
};

/** Socket.IO's typed events, server to client. */
export interface ServerToClientEvents {
  event: (event: LiveEvent) => void;
  signal: (signal: LiveSignal) => void;
  /** A topic that one may no longer follow. */
  'shut-out': (topic: Topic) => void;
  /** The log-in session has ended: go to the log-in page. */
  'signed-out': () => void;
}
