import * as v from 'valibot';
import { pageOf } from '#lib/server/api/cursor.ts';
import { operation } from '#lib/server/api/define-operation.ts';
import { done } from '#lib/server/api/operations/clips.ts';
import { CUT_LIST_TYPES, cutListQuery } from '#lib/server/api/operations/videos.ts';
import { problem } from '#lib/server/api/problem.ts';
import * as schemas from '#lib/server/api/schemas.ts';
import { sendList } from '#lib/server/api/send-file.ts';
import { sessionClips } from '#lib/server/features/browse-library.ts';
import { addMember, INVITE_HOURS, inviteToSession } from '#lib/server/features/join-session.ts';
import { sessionListFile } from '#lib/server/features/interchange.ts';
import * as sessions from '#lib/server/features/run-session.ts';
import type { Database } from '#lib/server/db.ts';
import type { Actor } from '#lib/server/features/rights.ts';

const { id, pageSchema, paging, SessionModeSchema } = schemas;
const GONE = problem('not-found', 'There is no such session, or you are not part of it: ask its host for a link.');
const params = { sessionId: id };
const votesNeeded = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9));
const memberRole = v.picklist(['reviewer', 'viewer']);
const SessionWithMembers = v.object({ session: schemas.SessionSchema, members: v.array(schemas.MemberSchema) });

/** Review sessions: those that the token's person takes part in; an admin sees all. */
export const sessionOperations = [
  operation({
    id: 'listSessions',
    method: 'GET',
    path: '/sessions',
    tag: 'Sessions',
    scope: 'read',
    summary: 'The latest sessions that one takes part in, those under way first',
    answer: v.object({ items: v.array(schemas.SessionItemSchema) }),
    run: async ({ sql, actor }) => ({ kind: 'ok', body: { items: await sessions.listSessions(sql, actor) } }),
  }),
  operation({
    id: 'createSession',
    method: 'POST',
    path: '/sessions',
    tag: 'Sessions',
    scope: 'review',
    summary: 'Start a session over videos, clips or everything pending',
    body: v.object({
      source: v.variant('kind', [
        v.object({ kind: v.literal('videos'), videoIds: v.pipe(v.array(id), v.minLength(1), v.maxLength(1000)) }),
        v.object({ kind: v.literal('clips'), clipIds: v.pipe(v.array(id), v.minLength(1), v.maxLength(sessions.MAX_SESSION_CLIPS)) }),
        v.object({ kind: v.literal('pending') }),
      ]),
      title: v.optional(v.pipe(v.string(), v.trim(), v.maxLength(200)), ''),
      mode: v.optional(SessionModeSchema, 'together'),
      votesNeeded: v.optional(votesNeeded, 1),
    }),
    answer: SessionWithMembers,
    status: 201,
    problems: ['refused'],
    takesIdempotencyKey: true,
    run: async ({ sql, actor, body, commandId }) => {
      const outcome = await sessions.createSession(sql, actor, body, commandId);
      if (outcome.kind === 'refused') return problem('refused', outcome.message);
      const answer = await sessionAnswer(sql, actor, outcome.sessionId);
      return answer.kind === 'ok' ? { ...answer, location: `/api/v1/sessions/${outcome.sessionId}` } : answer;
    },
  }),
  operation({
    id: 'getSession',
    method: 'GET',
    path: '/sessions/{sessionId}',
    tag: 'Sessions',
    scope: 'read',
    summary: 'A session and who takes part',
    params,
    answer: SessionWithMembers,
    problems: ['not-found'],
    run: ({ sql, actor, params: { sessionId } }) => sessionAnswer(sql, actor, sessionId),
  }),
  operation({
    id: 'changeSession',
    method: 'PATCH',
    path: '/sessions/{sessionId}',
    tag: 'Sessions',
    scope: 'review',
    summary: 'Change how a session works, as its host',
    params,
    body: v.object({ mode: v.optional(SessionModeSchema), votesNeeded: v.optional(votesNeeded) }),
    answer: SessionWithMembers,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { sessionId }, body }) => {
      const commands = [
        ...(body.mode === undefined ? [] : [{ kind: 'set-mode', sessionId, mode: body.mode } as const]),
        ...(body.votesNeeded === undefined ? [] : [{ kind: 'set-votes', sessionId, votesNeeded: body.votesNeeded } as const]),
      ];
      for (const command of commands) {
        const refusal = await refusalOf(sql, actor, command);
        if (refusal !== null) return refusal;
      }
      return sessionAnswer(sql, actor, sessionId);
    },
  }),
  ...(['close', 'resume'] as const).map((verb) =>
    operation({
      id: `${verb}Session`,
      method: 'POST',
      path: `/sessions/{sessionId}/${verb}`,
      tag: 'Sessions',
      scope: 'review',
      summary: verb === 'close' ? 'Close a session, as its host' : 'Resume a closed session, as its host',
      params,
      answer: SessionWithMembers,
      problems: ['not-found', 'refused'],
      run: async ({ sql, actor, params: { sessionId } }) =>
        (await refusalOf(sql, actor, { kind: verb === 'close' ? 'end' : 'resume', sessionId })) ?? sessionAnswer(sql, actor, sessionId),
    }),
  ),
  operation({
    id: 'listSessionClips',
    method: 'GET',
    path: '/sessions/{sessionId}/clips',
    tag: 'Sessions',
    scope: 'read',
    summary: 'A session’s clips, in the order of its films',
    params,
    query: { state: v.optional(schemas.ClipStateSchema), ...paging },
    answer: pageSchema(schemas.ClipSchema),
    problems: ['not-found'],
    run: async ({ sql, actor, params: { sessionId }, query: { state, ...page } }) => {
      const clips = await sessionClips(sql, actor, sessionId);
      if (clips === null) return GONE;
      const chosen = clips.filter((clip) => state === undefined || clip.state === state);
      return { kind: 'ok', body: pageOf(chosen, (clip) => clip.videoId * 2 ** 31 + clip.startFrame, page) };
    },
  }),
  operation({
    id: 'getSessionSummary',
    method: 'GET',
    path: '/sessions/{sessionId}/summary',
    tag: 'Sessions',
    scope: 'read',
    summary: 'A session looked back on: who did what, how long it took, what is open',
    params,
    answer: schemas.SessionSummarySchema,
    problems: ['not-found'],
    run: async ({ sql, actor, params: { sessionId } }) => {
      const summary = await sessions.summarize(sql, actor, sessionId);
      return summary === null ? GONE : { kind: 'ok', body: summary };
    },
  }),
  operation({
    id: 'getSessionCutList',
    method: 'GET',
    path: '/sessions/{sessionId}/cut-list',
    tag: 'Sessions',
    scope: 'read',
    summary: 'A session’s decisions as OTIO, EDL, Final Cut Pro XML or CSV',
    params,
    query: cutListQuery,
    answer: CUT_LIST_TYPES,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { sessionId }, query }) =>
      sendList(await sessionListFile(sql, actor, sessionId, query.format, query.clips), GONE),
  }),
  operation({
    id: 'inviteToSession',
    method: 'POST',
    path: '/sessions/{sessionId}/invites',
    tag: 'Sessions',
    scope: 'review',
    summary: 'Make a link into a session, as its host; it is shown once',
    params,
    body: v.object({ role: memberRole, validHours: v.optional(v.picklist(INVITE_HOURS), 24) }),
    answer: v.object({ url: v.string() }),
    status: 201,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { sessionId }, body, request }) => {
      if ((await sessions.viewSession(sql, actor, sessionId)) === null) return GONE;
      const outcome = await inviteToSession(sql, actor, sessionId, body);
      if (outcome.kind === 'refused') return problem('refused', outcome.message);
      return { kind: 'ok', body: { url: new URL(outcome.path, request.url).href } };
    },
  }),
  operation({
    id: 'addSessionMember',
    method: 'PUT',
    path: '/sessions/{sessionId}/members/{userId}',
    tag: 'Sessions',
    scope: 'review',
    summary: 'Add someone to a session, or change what they may do in it, as its host',
    params: { ...params, userId: id },
    body: v.object({ role: memberRole }),
    answer: 'nothing',
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { sessionId, userId }, body: { role } }) =>
      (await sessions.viewSession(sql, actor, sessionId)) === null ? GONE : done(await addMember(sql, actor, sessionId, userId, role)),
  }),
  operation({
    id: 'removeSessionMember',
    method: 'DELETE',
    path: '/sessions/{sessionId}/members/{userId}',
    tag: 'Sessions',
    scope: 'review',
    summary: 'Remove someone from a session, as its host',
    params: { ...params, userId: id },
    answer: 'nothing',
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params }) =>
      (await sessions.viewSession(sql, actor, params.sessionId)) === null
        ? GONE
        : done(await sessions.commandSession(sql, actor, { kind: 'remove', ...params })),
  }),
];

async function sessionAnswer(sql: Database, actor: Actor, sessionId: number) {
  const found = await sessions.viewSession(sql, actor, sessionId);
  return found === null ? GONE : ({ kind: 'ok', body: found } as const);
}

/** Carries out a command; null when it is done. Who is not in the session hears that there is none. */
async function refusalOf(sql: Database, actor: Actor, command: Parameters<typeof sessions.commandSession>[2]) {
  if ((await sessions.viewSession(sql, actor, command.sessionId)) === null) return GONE;
  const reply = await sessions.commandSession(sql, actor, command);
  return reply.kind === 'refused' ? problem('refused', reply.message) : null;
}
