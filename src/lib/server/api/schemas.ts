import * as v from 'valibot';
import { WEBHOOK_EVENT_NAMES, type WebhookEvent } from '#lib/live/webhooks.ts';
import { SCOPE_NAMES } from '#lib/live/api-scopes.ts';
import { isPlace, PAGE } from '#lib/server/api/cursor.ts';
import { ROLES } from '#lib/live/views.ts';
import { STAGES, type StageName } from '#lib/jobs/stages.ts';

/** Schemas of what the API tells, named as the document names them. Answers are cut to them: what is not here is not told. */
/** An integer that an answer holds. */
export const wholeNumber = v.pipe(v.number(), v.integer());
/** A stage of the pipeline. */
export const stageName = v.picklist(Object.keys(STAGES) as StageName[]);
/** A moment, in UTC. */
export const time = v.pipe(v.string(), v.isoTimestamp());
const person = v.object({ id: wholeNumber, name: v.string() });

/** An id in a path or a body. */
export const id = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2_147_483_647));
/** A frame number of a video's review proxy, from 0. */
export const frame = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2_147_483_647));
/** Text that PostgreSQL can keep; NULs are refused before. */
export const text = (most: number) => v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(most));

export const RoleSchema = v.picklist(ROLES);
export const ClipStateSchema = v.picklist(['pending', 'approved', 'skipped', 'archived']);
export const ExportStateSchema = v.picklist(['none', 'queued', 'exporting', 'exported', 'failed']);
export const VideoStateSchema = v.picklist(['downloading', 'downloaded', 'encoding', 'encoded', 'detecting', 'ready', 'failed']);

/** How a list is paged. */
export const paging = {
  cursor: v.optional(
    v.pipe(
      v.string(),
      v.maxLength(200),
      v.check(isPlace, 'This is no cursor of this list.'),
      v.description('`nextCursor` of the page before.'),
    ),
  ),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(PAGE.most)), PAGE.usual),
};
/** A page of a list. */
export const pageSchema = <Item extends v.GenericSchema>(item: Item) =>
  v.object({
    items: v.array(item),
    nextCursor: v.pipe(v.nullable(v.string()), v.description('Gives the next page; null at the end.')),
  });

export const FrameRateSchema = v.pipe(
  v.object({
    num: wholeNumber,
    den: wholeNumber,
    startTimecodeFrame: v.exactOptional(wholeNumber),
    isDropFrame: v.exactOptional(v.boolean()),
  }),
  v.description('Frames per second as an exact fraction, and how the source’s own timecode counts.'),
);

export const StageSchema = v.object({
  stage: stageName,
  state: v.picklist(['queued', 'running', 'done', 'failed']),
  attempt: wholeNumber,
  percent: v.nullable(v.number()),
  etaMs: v.nullable(v.number()),
  error: v.nullable(v.string()),
});

export const VideoSchema = v.object({
  id: wholeNumber,
  title: v.string(),
  fileName: v.string(),
  sourceUrl: v.nullable(v.string()),
  state: VideoStateSchema,
  failedStage: v.nullable(stageName),
  error: v.nullable(v.string()),
  width: v.nullable(wholeNumber),
  height: v.nullable(wholeNumber),
  frameRate: v.nullable(FrameRateSchema),
  frameCount: v.nullable(wholeNumber),
  durationMs: v.nullable(wholeNumber),
  createdAt: time,
  clipCounts: v.object({ pending: wholeNumber, approved: wholeNumber, skipped: wholeNumber, archived: wholeNumber }),
  stages: v.array(StageSchema),
});

export const ClipSchema = v.object({
  id: wholeNumber,
  videoId: wholeNumber,
  startFrame: wholeNumber,
  endFrame: v.pipe(wholeNumber, v.description('The first frame after the clip.')),
  state: ClipStateSchema,
  groupId: v.nullable(wholeNumber),
  version: v.pipe(wholeNumber, v.description('Name it with a decision: a clip that has changed since is a conflict.')),
  decidedBy: v.nullable(person),
  decidedAt: v.nullable(time),
  exportState: ExportStateSchema,
  exportError: v.nullable(v.string()),
  tags: v.array(v.string()),
  ratings: v.array(v.object({ userId: wholeNumber, stars: wholeNumber })),
});

export const FoundClipSchema = v.object({
  clip: ClipSchema,
  videoTitle: v.string(),
  frameRate: FrameRateSchema,
  likenessPercent: v.pipe(
    v.nullable(v.number()),
    v.description('How near it is, or how much of it has the colour; null where nothing was compared.'),
  ),
});

const vote = v.object({
  clipId: wholeNumber,
  userId: wholeNumber,
  version: wholeNumber,
  choice: v.picklist(['approve', 'skip', 'archive']),
});
export const DecidedSchema = v.variant('kind', [
  v.object({ kind: v.literal('ok'), clips: v.array(ClipSchema), removedClipIds: v.array(wholeNumber), summary: v.string() }),
  v.object({ kind: v.literal('voted'), clipId: wholeNumber, votes: v.array(vote), summary: v.string() }),
]);

export const HistoryEntrySchema = v.object({
  id: wholeNumber,
  kind: v.string(),
  reversedKind: v.nullable(v.string()),
  actorId: wholeNumber,
  actorName: v.string(),
  at: time,
  after: v.array(v.object({ startFrame: wholeNumber, endFrame: wholeNumber, state: v.string() })),
});

export const CommentSchema = v.object({
  id: v.pipe(v.string(), v.uuid()),
  videoId: wholeNumber,
  parentId: v.nullable(v.pipe(v.string(), v.uuid())),
  author: person,
  startFrame: wholeNumber,
  endFrame: wholeNumber,
  body: v.string(),
  mentions: v.array(person),
  reactions: v.array(v.object({ emoji: v.string(), userId: wholeNumber, name: v.string() })),
  createdAt: time,
  editedAt: v.nullable(time),
  resolvedBy: v.nullable(v.string()),
});

export const SessionModeSchema = v.picklist(['together', 'divide']);
export const SessionItemSchema = v.object({
  id: wholeNumber,
  title: v.string(),
  mode: SessionModeSchema,
  hostName: v.nullable(v.string()),
  createdAt: time,
  isEnded: v.boolean(),
  videoTitles: v.array(v.string()),
  members: v.array(person),
  clipCount: wholeNumber,
  pendingCount: wholeNumber,
});
export const SessionSchema = v.object({
  id: wholeNumber,
  title: v.string(),
  mode: SessionModeSchema,
  votesNeeded: wholeNumber,
  leadId: v.nullable(wholeNumber),
  hostName: v.nullable(v.string()),
  createdAt: time,
  resumedAt: v.pipe(v.nullable(time), v.description('Start of the sitting under way; null once the session is closed.')),
  workedMs: wholeNumber,
  spans: v.array(v.object({ videoId: wholeNumber, startFrame: wholeNumber, endFrame: wholeNumber })),
});
export const MemberSchema = v.object({ userId: wholeNumber, name: v.string(), role: v.picklist(['host', 'reviewer', 'viewer']) });
export const SessionSummarySchema = v.object({
  session: SessionSchema,
  people: v.array(
    v.object({
      ...{ userId: wholeNumber, name: v.string(), approved: wholeNumber, skipped: wholeNumber, archived: wholeNumber },
      ...{ edits: wholeNumber, undone: wholeNumber, comments: wholeNumber },
    }),
  ),
  ...{ clipCount: wholeNumber, openCount: wholeNumber, disagreedCount: wholeNumber, workedMs: wholeNumber },
  firstDecisionAt: v.nullable(time),
  lastDecisionAt: v.nullable(time),
});

export const ExportSettingsSchema = v.object({ source: v.picklist(['proxy', 'master']), nameTemplate: text(200) });

export const PersonSchema = v.object({
  id: wholeNumber,
  email: v.string(),
  name: v.string(),
  role: RoleSchema,
  isDisabled: v.boolean(),
  hasPassword: v.boolean(),
  createdAt: time,
});
export const InviteSchema = v.object({
  id: v.pipe(v.string(), v.description('Names the invite and lets nobody in.')),
  role: RoleSchema,
  createdByName: v.nullable(v.string()),
  createdAt: time,
  expiresAt: time,
});

export const TokenSchema = v.object({
  id: wholeNumber,
  name: v.string(),
  userId: wholeNumber,
  userName: v.string(),
  scopes: v.array(v.picklist(SCOPE_NAMES)),
  ratePerMinute: wholeNumber,
  createdAt: time,
  expiresAt: time,
  lastUsedAt: v.nullable(time),
  state: v.picklist(['active', 'expired', 'revoked', 'disabled']),
});

export const WebhookEventSchema = v.picklist(WEBHOOK_EVENT_NAMES);
export const WebhookSchema = v.object({
  id: wholeNumber,
  url: v.string(),
  description: v.string(),
  events: v.array(WebhookEventSchema),
  isEnabled: v.boolean(),
  disabledReason: v.nullable(v.string()),
  failingSince: v.nullable(time),
  previousUntil: v.pipe(v.nullable(time), v.description('Until when the secret before the last rotation signs too.')),
  createdByName: v.nullable(v.string()),
  createdAt: time,
  pendingCount: wholeNumber,
  failedCount: wholeNumber,
});
export const DeliverySchema = v.object({
  id: wholeNumber,
  messageId: v.pipe(v.string(), v.description('Sent as `webhook-id`.')),
  event: v.union([WebhookEventSchema, v.literal('ping')]),
  state: v.picklist(['pending', 'delivered', 'failed']),
  createdAt: time,
  nextAttemptAt: v.nullable(time),
  attempts: v.array(
    v.object({
      ...{ at: time, durationMs: v.number(), status: v.nullable(wholeNumber), error: v.nullable(v.string()), responseExcerpt: v.string() },
    }),
  ),
  payloadExcerpt: v.string(),
});

const videoId = wholeNumber;
/** What webhooks are told with each event, as `data`. */
export const WEBHOOK_DATA = {
  'video.ready': v.object({ video: VideoSchema }),
  'video.failed': v.object({ video: VideoSchema }),
  'clip.ready': v.object({ videoId, clipIds: v.array(wholeNumber) }),
  'clip.decided': v.object({
    ...{ videoId, kind: v.string(), actorName: v.nullable(v.string()), clips: v.array(ClipSchema), removedClipIds: v.array(wholeNumber) },
  }),
  'export.done': v.object({ videoId, clip: ClipSchema }),
  'export.failed': v.object({ videoId, clip: ClipSchema }),
  'session.closed': v.object({ session: SessionSchema }),
} as const satisfies Record<WebhookEvent, v.GenericSchema>;
