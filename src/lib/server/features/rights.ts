import type { Refused } from '#lib/live/commands.ts';
import type { MemberRole, SessionView } from '#lib/live/session-views.ts';
import type { Role } from '#lib/live/views.ts';
import type { Sql } from '#lib/server/db.ts';
import { memberRole, sessionView } from '#lib/server/stores/review-sessions.ts';

/** Who acts: taken from the log-in session, never from a message. */
export interface Actor {
  readonly userId: number;
  readonly name: string;
  readonly role: Role;
}

/** What someone may do: in a review session the lesser of what their account and the session allow. */
export type Right = 'watch' | 'decide' | 'host';

const REFUSALS: Readonly<Record<Right, string>> = {
  watch: 'You are not part of this session: ask its host for a link.',
  decide: 'You can watch, but only reviewers decide. Ask an admin or the session’s host for the reviewer role.',
  host: 'Only the session’s host can do this.',
};

/** What an account and a membership together allow; null for nothing. An admin hosts every session. */
export function rightIn(role: Role, member: MemberRole | null): Right | null {
  if (role === 'admin') return 'host';
  if (member === null) return null;
  if (role === 'viewer' || member === 'viewer') return 'watch';
  return member === 'host' ? 'host' : 'decide';
}

/** Whether a right includes another. */
export function includes(right: Right | null, wanted: Right): boolean {
  const rank = ['watch', 'decide', 'host'] as const;
  return right !== null && rank.indexOf(right) >= rank.indexOf(wanted);
}

/** The session, if someone may do this in it; else why not. */
export async function requireInSession(
  sql: Sql,
  actor: Actor,
  sessionId: number,
  wanted: Right,
): Promise<{ readonly kind: 'ok'; readonly session: SessionView; readonly right: Right } | Refused> {
  const session = await sessionView(sql, sessionId);
  const right = session === null ? null : rightIn(actor.role, await memberRole(sql, sessionId, actor.userId));
  if (session === null || right === null) return { kind: 'refused', message: REFUSALS.watch };
  if (!includes(right, wanted)) return { kind: 'refused', message: REFUSALS[wanted] };
  return { kind: 'ok', session, right };
}

/** The session, if it is under way and someone may decide in it; else why not. */
export async function requireUnderWay(
  sql: Sql,
  actor: Actor,
  sessionId: number,
): Promise<{ readonly kind: 'ok'; readonly session: SessionView; readonly right: Right } | Refused> {
  const allowed = await requireInSession(sql, actor, sessionId, 'decide');
  if (allowed.kind === 'ok' && allowed.session.resumedAt === null) {
    return { kind: 'refused', message: 'This session has ended. Its host can resume it.' };
  }
  return allowed;
}

/** Whether someone may decide and talk: by their account, and where a session is named also in it. Null means yes. */
export async function refusalToDecide(sql: Sql, actor: Actor, sessionId: number | undefined): Promise<Refused | null> {
  if (sessionId === undefined) return actor.role === 'viewer' ? { kind: 'refused', message: REFUSALS.decide } : null;
  const allowed = await requireInSession(sql, actor, sessionId, 'decide');
  return allowed.kind === 'refused' ? allowed : null;
}
