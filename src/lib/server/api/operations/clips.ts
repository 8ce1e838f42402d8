import * as v from 'valibot';
import { toCursor, fromCursor } from '#lib/server/api/cursor.ts';
import { NOTHING, operation, type Answer } from '#lib/server/api/define-operation.ts';
import { problem } from '#lib/server/api/problem.ts';
import { ClipSchema, DecidedSchema, FoundClipSchema, frame, HistoryEntrySchema, id, pageSchema, text } from '#lib/server/api/schemas.ts';
import { MAX_SEARCH_TEXT } from '#lib/live/search.ts';
import { MarkCommandSchema, ReviewCommandSchema, type DoneReply, type ReviewReply } from '#lib/live/commands.ts';
import { clipView } from '#lib/server/features/browse-library.ts';
import { reviewClip } from '#lib/server/features/review-clip.ts';
import { searchClips } from '#lib/server/features/search-clips.ts';
import { clipHistory, markClip } from '#lib/server/features/talk.ts';
import { undoDecision } from '#lib/server/features/undo.ts';

const GONE = problem('not-found', 'There is no such clip: it was split, merged or removed.');
const params = { clipId: id };
const date = v.optional(v.pipe(v.string(), v.isoDate()));
const sessionId = v.optional(v.pipe(id, v.description('Decide in a review session: its rules and votes then hold.')));
const [plain, split, moveCut] = ReviewCommandSchema.options;
const [tagCommand, rateCommand] = MarkCommandSchema.options;

/** Clips and what is decided about them. */
export const clipOperations = [
  operation({
    id: 'listClips',
    method: 'GET',
    path: '/clips',
    tag: 'Clips',
    scope: 'read',
    summary: 'Search clips by text, likeness or colour, or list them by filters, the newest first',
    description:
      'Pages have 48 clips. Text and likeness need a model on the server; without one that search is refused, colours and filters work.',
    query: {
      q: v.optional(v.pipe(text(MAX_SEARCH_TEXT), v.description('What is to be seen in them.'))),
      like: v.optional(v.pipe(id, v.description('More like this clip.'))),
      color: v.optional(
        v.pipe(
          v.string(),
          v.regex(/^[0-9a-f]{6}$/),
          v.description('With this colour, `c22f2f`: most of it first, unless text or likeness orders them.'),
        ),
      ),
      state: v.optional(ClipSchema.entries.state),
      videoId: v.optional(id),
      tag: v.optional(text(40)),
      stars: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(5), v.description('At least this many.'))),
      reviewerId: v.optional(id),
      decidedFrom: date,
      decidedTo: date,
      minSeconds: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(999_999))),
      maxSeconds: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(999_999))),
      cursor: v.optional(v.pipe(v.string(), v.maxLength(200), v.description('`nextCursor` of the page before.'))),
    },
    answer: pageSchema(FoundClipSchema),
    problems: ['refused'],
    run: async ({ sql, query: { q = '', cursor, decidedFrom, decidedTo, ...given } }) => {
      const wish = {
        ...{ q, from: decidedFrom ?? null, to: decidedTo ?? null, like: given.like ?? null, state: given.state ?? null },
        ...{ image: null, color: given.color === undefined ? null : `#${given.color}` },
        ...{ videoId: given.videoId ?? null, tag: given.tag ?? null, stars: given.stars ?? null, reviewerId: given.reviewerId ?? null },
        ...{ minSeconds: given.minSeconds ?? null, maxSeconds: given.maxSeconds ?? null },
      };
      const found = await searchClips(sql, wish, cursor === undefined ? null : fromCursor(cursor));
      if (found.kind === 'refused') return problem('refused', found.message);
      return { kind: 'ok', body: { items: found.hits, nextCursor: found.next === null ? null : toCursor(found.next) } };
    },
  }),
  operation({
    id: 'getClip',
    method: 'GET',
    path: '/clips/{clipId}',
    tag: 'Clips',
    scope: 'read',
    summary: 'A clip',
    params,
    answer: ClipSchema,
    problems: ['not-found'],
    run: async ({ sql, params: { clipId } }) => {
      const clip = await clipView(sql, clipId);
      return clip === null ? GONE : { kind: 'ok', body: clip };
    },
  }),
  operation({
    id: 'listClipDecisions',
    method: 'GET',
    path: '/clips/{clipId}/decisions',
    tag: 'Clips',
    scope: 'read',
    summary: 'What was decided about a clip’s frames, the newest first, also before it was split or merged',
    params,
    answer: v.object({ items: v.array(HistoryEntrySchema) }),
    problems: ['not-found'],
    run: async ({ sql, params: { clipId } }) => {
      if ((await clipView(sql, clipId)) === null) return GONE;
      return { kind: 'ok', body: { items: await clipHistory(sql, clipId) } };
    },
  }),
  operation({
    id: 'decideClip',
    method: 'POST',
    path: '/clips/{clipId}/decisions',
    tag: 'Clips',
    scope: 'review',
    summary: 'Approve, skip, archive, reopen, group, merge or split a clip, or move the cut before it',
    description:
      'Name the `version` of the clip that was looked at: if it has changed since, the answer is a conflict with the clip as it is now. ' +
      'With an `Idempotency-Key` a repeat does nothing and gets the answer of the first. In a session that votes, the answer may be `voted`.',
    params,
    body: v.variant('kind', [
      v.object({ kind: plain.entries.kind, version: id, sessionId, settle: plain.entries.settle }),
      v.object({
        kind: split.entries.kind,
        version: id,
        sessionId,
        atFrame: v.pipe(frame, v.description('The first frame of the second part.')),
      }),
      v.object({ kind: moveCut.entries.kind, version: id, sessionId, byFrames: moveCut.entries.byFrames }),
    ]),
    answer: DecidedSchema,
    problems: ['conflict', 'refused'],
    takesIdempotencyKey: true,
    run: async ({ sql, actor, params: { clipId }, body, commandId }) =>
      decided(await reviewClip(sql, actor, { ...body, clipId, commandId })),
  }),
  operation({
    id: 'undoDecision',
    method: 'POST',
    path: '/undo',
    tag: 'Clips',
    scope: 'review',
    summary: 'Undo or redo one’s own latest decision on a video or in a session',
    body: v.object({
      scope: v.variant('kind', [
        v.object({ kind: v.literal('video'), videoId: id }),
        v.object({ kind: v.literal('session'), sessionId: id }),
      ]),
      direction: v.optional(v.picklist(['undo', 'redo']), 'undo'),
    }),
    answer: DecidedSchema,
    problems: ['conflict', 'refused'],
    takesIdempotencyKey: true,
    run: async ({ sql, actor, body, commandId }) => decided(await undoDecision(sql, actor, { ...body, commandId })),
  }),
  ...([true, false] as const).map((isOn) =>
    operation({
      id: isOn ? 'tagClip' : 'untagClip',
      method: isOn ? 'PUT' : 'DELETE',
      path: '/clips/{clipId}/tags/{tag}',
      tag: 'Clips',
      scope: 'review',
      summary: isOn ? 'Tag a clip' : 'Take a tag off a clip',
      params: { ...params, tag: tagCommand.entries.tag },
      answer: 'nothing',
      problems: ['refused'],
      run: async ({ sql, actor, params: { clipId, tag } }) => done(await markClip(sql, actor, { kind: 'tag', clipId, tag, isOn })),
    }),
  ),
  operation({
    id: 'rateClip',
    method: 'PUT',
    path: '/clips/{clipId}/rating',
    tag: 'Clips',
    scope: 'review',
    summary: 'Give a clip one’s own stars; 0 takes them back',
    params,
    body: v.object({ stars: rateCommand.entries.stars }),
    answer: 'nothing',
    problems: ['refused'],
    run: async ({ sql, actor, params: { clipId }, body: { stars } }) => done(await markClip(sql, actor, { kind: 'rate', clipId, stars })),
  }),
];

function decided(reply: ReviewReply): Answer<Extract<ReviewReply, { kind: 'ok' | 'voted' }>> {
  if (reply.kind === 'refused') return problem('refused', reply.message);
  if (reply.kind === 'conflict') return problem('conflict', reply.message, { current: reply.current });
  return { kind: 'ok', body: reply };
}

/** A command without an answer of its own. */
export function done(reply: DoneReply): Answer<null> {
  return reply.kind === 'refused' ? problem('refused', reply.message) : NOTHING;
}
