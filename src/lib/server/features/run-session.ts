import { randomUUID } from 'node:crypto';
import { joinSpans } from '#lib/core/cuts.ts';
import { tally } from '#lib/core/consensus.ts';
import type { ClaimReply, DoneReply, Refused, SessionCommand } from '#lib/live/commands.ts';
import type { MemberView, SessionListItem, SessionMode, SessionSpan, SessionSummary, SessionView } from '#lib/live/session-views.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { includes, requireInSession, requireUnderWay, rightIn, type Actor } from '#lib/server/features/rights.ts';
import * as claims from '#lib/server/stores/claims.ts';
import { clipsInSession } from '#lib/server/stores/clips.ts';
import { decisionTimes, sessionWork } from '#lib/server/stores/decisions.ts';
import * as sessions from '#lib/server/stores/review-sessions.ts';
import { findUser } from '#lib/server/stores/users.ts';
import { votesOf } from '#lib/server/stores/votes.ts';

/** What a session can be made over. */
export type SessionSource =
  | { readonly kind: 'videos'; readonly videoIds: readonly number[] }
  | { readonly kind: 'clips'; readonly clipIds: readonly number[] }
  | { readonly kind: 'pending' };

/** A page holds all clips of its session: more would make it slow. */
export const MAX_SESSION_CLIPS = 5_000;
const MAX_TITLE = 200;

/** The clip on the screen, and the one after it, so that it is there at once. */
const CLIPS_HELD = 2;
/** Someone whose last window is closed has this long to come back. */
const LAPSE_SECONDS = 8;

/** Makes a session; its maker hosts and leads it. A repeated command gets the session that it has made. */
export async function createSession(
  sql: Database,
  actor: Actor,
  wish: { readonly title: string; readonly mode: SessionMode; readonly votesNeeded: number; readonly source: SessionSource },
  commandId: string = randomUUID(),
): Promise<{ readonly kind: 'ok'; readonly sessionId: number } | Refused> {
  if (actor.role === 'viewer') return { kind: 'refused', message: 'Only reviewers start sessions. Ask an admin for the reviewer role.' };
  return sql.begin(async (tx) => {
    const earlier = await sessions.sessionOfCommand(tx, commandId);
    if (earlier !== null) return { kind: 'ok', sessionId: earlier } as const;
    const source = wish.source.kind === 'pending' ? { ...wish.source, limit: MAX_SESSION_CLIPS } : wish.source;
    const clips = await sessions.spansFor(tx, source);
    if (clips.length === 0) return { kind: 'refused', message: nothingIn(wish.source) } as const;
    if (clips.length > MAX_SESSION_CLIPS) {
      return {
        kind: 'refused',
        message: `That is ${clips.length} clips; a session holds at most ${MAX_SESSION_CLIPS}. Choose fewer videos.`,
      } as const;
    }
    const videoIds = [...new Set(clips.map((clip) => clip.videoId))];
    const spans: SessionSpan[] = videoIds.flatMap((videoId) =>
      joinSpans(clips.filter((clip) => clip.videoId === videoId)).map((span) => ({ videoId, ...span })),
    );
    const title = wish.title.trim() || titleFor(wish.source, clips[0]?.title ?? '', videoIds.length);
    const sessionId = await sessions.insertSession(tx, {
      title: title.slice(0, MAX_TITLE),
      mode: wish.mode,
      votesNeeded: wish.votesNeeded,
      hostId: actor.userId,
      ...{ spans, commandId },
    });
    // Two of the same command at once: the other one's is there now.
    if (sessionId === null) return { kind: 'ok', sessionId: (await sessions.sessionOfCommand(tx, commandId))! } as const;
    await sessions.publishSession(tx, sessionId, 'created', actor);
    return { kind: 'ok', sessionId } as const;
  }) as Promise<{ readonly kind: 'ok'; readonly sessionId: number } | Refused>;
}

/** The sessions that someone takes part in; an admin sees all. */
export function listSessions(sql: Sql, actor: Actor): Promise<SessionListItem[]> {
  return sessions.listSessions(sql, actor.role === 'admin' ? null : actor.userId);
}

/** A session and who takes part, for those who do; null for all others. */
export async function viewSession(
  sql: Sql,
  actor: Actor,
  sessionId: number,
): Promise<{ readonly session: SessionView; readonly members: MemberView[] } | null> {
  const allowed = await requireInSession(sql, actor, sessionId, 'watch');
  return allowed.kind === 'refused' ? null : { session: allowed.session, members: await sessions.sessionMembers(sql, sessionId) };
}

/** Changes how a session goes on: its lead, mode, votes, people, end. */
export async function commandSession(sql: Database, actor: Actor, command: SessionCommand): Promise<DoneReply> {
  return sql.begin(async (tx): Promise<DoneReply> => {
    const before = await sessions.lockSession(tx, command.sessionId);
    const needed = command.kind === 'take-lead' || command.kind === 'hand-lead' ? 'decide' : 'host';
    const allowed = await requireInSession(tx, actor, command.sessionId, needed);
    if (before === null || allowed.kind === 'refused') {
      return allowed.kind === 'refused' ? allowed : { kind: 'refused', message: 'This session is gone.' };
    }
    const { sessionId } = command;
    switch (command.kind) {
      case 'take-lead':
        return setLead(tx, actor, sessionId, before.leadId, actor.userId);
      case 'hand-lead': {
        const member = await sessions.memberRole(tx, sessionId, command.userId);
        const next = await findUser(tx, command.userId);
        if (member === null || next === null || !includes(rightIn(next.role, member), 'decide'))
          return { kind: 'refused', message: 'Only a reviewer of this session can lead it.' };
        if (before.leadId !== actor.userId && allowed.right !== 'host') {
          return { kind: 'refused', message: 'Only who leads can hand the lead to someone else. You can take it yourself.' };
        }
        return setLead(tx, actor, sessionId, before.leadId, command.userId);
      }
      case 'set-mode':
        await sessions.updateSession(tx, sessionId, { mode: command.mode });
        break;
      case 'set-votes':
        await sessions.updateSession(tx, sessionId, { votesNeeded: command.votesNeeded });
        break;
      case 'end':
      case 'resume':
        await sessions.setSessionOpen(tx, sessionId, command.kind === 'resume');
        await sessions.publishListed(
          tx,
          before,
          (await sessions.sessionMembers(tx, sessionId)).map((member) => member.userId),
          false,
          actor,
        );
        break;
      case 'set-role':
        return setRole(tx, actor, before, command.userId, command.role);
      case 'remove':
        return remove(tx, actor, before, command.userId);
    }
    await sessions.publishSession(tx, sessionId, command.kind, actor);
    return { kind: 'ok' };
  }) as Promise<DoneReply>;
}

/** Gives someone the next clips that nobody else holds, and renews those that they hold. */
export async function claimClips(sql: Database, actor: Actor, sessionId: number): Promise<ClaimReply> {
  return sql.begin(async (tx): Promise<ClaimReply> => {
    await sessions.lockSession(tx, sessionId);
    const allowed = await requireUnderWay(tx, actor, sessionId);
    if (allowed.kind === 'refused') return allowed;
    const dropped = await claims.dropDeadClaims(tx, sessionId);
    await claims.renewClaims(tx, sessionId, actor.userId, claims.CLAIM_SECONDS);
    const held = await claims.heldClipIds(tx, sessionId, actor.userId);
    const added =
      held.length < CLIPS_HELD ? await claims.claimNext(tx, sessionId, actor.userId, CLIPS_HELD - held.length, claims.CLAIM_SECONDS) : 0;
    const all = await claims.claimsOf(tx, sessionId);
    if (dropped + added > 0)
      await sessions.publishToSession(tx, sessionId, { type: 'claims-changed', payload: { claims: all } }, actor.userId);
    return {
      kind: 'ok',
      clipIds: added > 0 ? await claims.heldClipIds(tx, sessionId, actor.userId) : held,
      claims: all,
      othersHold: all.filter((claim) => claim.userId !== actor.userId).length,
    };
  }) as Promise<ClaimReply>;
}

/** Someone's last window on a session is closed: what they hold soon goes to others. */
export async function leaveSession(sql: Sql, sessionId: number, userId: number): Promise<void> {
  await claims.letClaimsLapse(sql, sessionId, userId, LAPSE_SECONDS);
}

/** A session looked back on: who did what, how long it took, what is open. */
export async function summarize(sql: Sql, actor: Actor, sessionId: number): Promise<SessionSummary | null> {
  const allowed = await requireInSession(sql, actor, sessionId, 'watch');
  if (allowed.kind === 'refused') return null;
  const { session } = allowed;
  const [people, clips, votes, times] = await Promise.all([
    sessionWork(sql, sessionId),
    clipsInSession(sql, sessionId),
    votesOf(sql, sessionId),
    decisionTimes(sql, sessionId),
  ]);
  const open = clips.filter((clip) => clip.state === 'pending');
  const disagreed = open.filter(
    ({ id }) =>
      tally(
        votes.filter((vote) => vote.clipId === id),
        session.votesNeeded,
      ).kind === 'disagreed',
  );
  const underWayMs = session.resumedAt === null ? 0 : Date.now() - Date.parse(session.resumedAt);
  return {
    session,
    people,
    clipCount: clips.length,
    openCount: open.length,
    disagreedCount: disagreed.length,
    workedMs: session.workedMs + Math.max(0, underWayMs),
    firstDecisionAt: times.first,
    lastDecisionAt: times.last,
  };
}

async function setLead(tx: Transaction, actor: Actor, sessionId: number, before: number | null, leadId: number): Promise<DoneReply> {
  if (before === leadId) return { kind: 'ok' };
  await sessions.updateSession(tx, sessionId, { leadId });
  await sessions.publishSession(tx, sessionId, 'lead', actor);
  return { kind: 'ok' };
}

async function setRole(
  tx: Transaction,
  actor: Actor,
  { id: sessionId, leadId }: SessionView,
  userId: number,
  role: 'reviewer' | 'viewer',
): Promise<DoneReply> {
  const before = await sessions.memberRole(tx, sessionId, userId);
  if (before === null) return { kind: 'refused', message: 'This person is not in the session.' };
  if (before === 'host') return { kind: 'refused', message: 'The host stays the host.' };
  await sessions.upsertMember(tx, sessionId, userId, role, false);
  if (role === 'viewer') await claims.letClaimsLapse(tx, sessionId, userId, 0);
  await publishMember(tx, actor, sessionId, userId);
  // A viewer can't lead: whoever made them one does.
  if (role === 'viewer' && leadId === userId) return setLead(tx, actor, sessionId, leadId, actor.userId);
  return { kind: 'ok' };
}

async function remove(tx: Transaction, actor: Actor, session: SessionView, userId: number): Promise<DoneReply> {
  const sessionId = session.id;
  if ((await sessions.memberRole(tx, sessionId, userId)) === 'host') return { kind: 'refused', message: 'The host can’t be removed.' };
  if (!(await sessions.removeMember(tx, sessionId, userId))) return { kind: 'ok' };
  await sessions.publishToSession(tx, sessionId, { type: 'member-removed', payload: { userId, actorName: actor.name } }, actor.userId);
  await sessions.publishListed(tx, session, [userId], false, actor);
  return session.leadId === userId ? setLead(tx, actor, sessionId, userId, actor.userId) : { kind: 'ok' };
}

/** Tells a session about a new member, or a member's new role. */
export async function publishMember(tx: Transaction, actor: Actor, sessionId: number, userId: number): Promise<void> {
  const member = (await sessions.sessionMembers(tx, sessionId)).find((other) => other.userId === userId);
  if (member !== undefined) await sessions.publishToSession(tx, sessionId, { type: 'member-changed', payload: { member } }, actor.userId);
}

function nothingIn(source: SessionSource): string {
  switch (source.kind) {
    case 'videos':
      return 'None of these videos is ready for review yet.';
    case 'clips':
      return 'None of these clips is there any more.';
    case 'pending':
      return 'Nothing waits for a decision: the queue is empty.';
  }
}

function titleFor(source: SessionSource, firstTitle: string, videoCount: number): string {
  if (source.kind === 'pending') return 'Everything pending';
  return videoCount === 1 ? firstTitle : `${firstTitle} and ${videoCount - 1} more`;
}
