import type { DoneReply, Refused } from '#lib/live/commands.ts';
import type { InviteView, MemberRole } from '#lib/live/session-views.ts';
import { createToken, hashToken } from '#lib/server/auth/tokens.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { publishMember } from '#lib/server/features/run-session.ts';
import { requireInSession, type Actor } from '#lib/server/features/rights.ts';
import * as sessions from '#lib/server/stores/review-sessions.ts';
import { findUser } from '#lib/server/stores/users.ts';

/** How long a link may be good for. */
export const INVITE_HOURS = [1, 24, 168, 720] as const;

/** A link as its page shows it. */
export interface InvitePage {
  readonly sessionId: number;
  readonly title: string;
  readonly hostName: string | null;
  readonly role: InviteView['role'];
  readonly videoCount: number;
  readonly isMember: boolean;
}

/** Makes a link into a session; gives its path. Only the host may. */
export async function inviteToSession(
  sql: Sql,
  actor: Actor,
  sessionId: number,
  wish: { readonly role: InviteView['role']; readonly validHours: number },
): Promise<{ readonly kind: 'ok'; readonly path: string } | Refused> {
  const allowed = await requireInSession(sql, actor, sessionId, 'host');
  if (allowed.kind === 'refused') return allowed;
  const { token, tokenHash } = createToken();
  await sessions.insertSessionInvite(sql, { tokenHash, sessionId, role: wish.role, createdBy: actor.userId, validHours: wish.validHours });
  return { kind: 'ok', path: `/join/${token}` };
}

/** A session's links that still let people in; the caller has asked for the right to see them. */
export function listInvites(sql: Sql, sessionId: number): Promise<InviteView[]> {
  return sessions.openInvites(sql, sessionId);
}

/** Takes a link back; who came in by it stays. */
export async function revokeInvite(sql: Sql, actor: Actor, sessionId: number, tokenHash: string): Promise<DoneReply> {
  const allowed = await requireInSession(sql, actor, sessionId, 'host');
  if (allowed.kind === 'refused') return allowed;
  await sessions.revokeSessionInvite(sql, sessionId, tokenHash);
  return { kind: 'ok' };
}

/** What a link opens, for someone logged in; null when it opens nothing any more. Looking joins nothing. */
export async function viewInvite(sql: Sql, actor: Actor, token: string): Promise<InvitePage | null> {
  const invite = await sessions.findSessionInvite(sql, hashToken(token));
  const session = invite === null ? null : await sessions.sessionView(sql, invite.sessionId);
  if (invite === null || session === null) return null;
  return {
    sessionId: session.id,
    title: session.title,
    hostName: session.hostName,
    role: actor.role === 'viewer' ? 'viewer' : invite.role,
    videoCount: new Set(session.spans.map((span) => span.videoId)).size,
    isMember: (await sessions.memberRole(sql, session.id, actor.userId)) !== null,
  };
}

/** Joins a session by link. Someone in already keeps the greater role; someone removed needs a new link from the host. */
export async function joinByInvite(
  sql: Database,
  actor: Actor,
  token: string,
): Promise<{ readonly kind: 'ok'; readonly sessionId: number } | Refused> {
  return sql.begin(async (tx): Promise<{ readonly kind: 'ok'; readonly sessionId: number } | Refused> => {
    const invite = await sessions.findSessionInvite(tx, hashToken(token));
    if (invite === null)
      return { kind: 'refused', message: 'This link has expired or was taken back. Ask the session’s host for a new one.' };
    const { sessionId } = invite;
    const before = await sessions.memberRole(tx, sessionId, actor.userId);
    const role: MemberRole = actor.role === 'viewer' ? 'viewer' : invite.role;
    if (before === 'host' || before === role || (before === 'reviewer' && role === 'viewer')) return { kind: 'ok', sessionId };
    const isIn = await sessions.upsertMember(tx, sessionId, actor.userId, role, false);
    if (!isIn) return { kind: 'refused', message: 'You were removed from this session: its host can add you again.' };
    await publishMember(tx, actor, sessionId, actor.userId);
    return { kind: 'ok', sessionId };
  }) as Promise<{ readonly kind: 'ok'; readonly sessionId: number } | Refused>;
}

/** Adds someone who has an account, also one who had been removed. Only the host may. */
export async function addMember(
  sql: Database,
  actor: Actor,
  sessionId: number,
  userId: number,
  role: InviteView['role'],
): Promise<DoneReply> {
  return sql.begin(async (tx): Promise<DoneReply> => {
    const allowed = await requireInSession(tx, actor, sessionId, 'host');
    if (allowed.kind === 'refused') return allowed;
    if ((await sessions.memberRole(tx, sessionId, userId)) === 'host') return { kind: 'ok' };
    if ((await findUser(tx, userId)) === null) return { kind: 'refused', message: 'There is no such account any more.' };
    const isNew = (await sessions.memberRole(tx, sessionId, userId)) === null;
    await sessions.upsertMember(tx, sessionId, userId, role, true);
    await publishMember(tx, actor, sessionId, userId);
    if (isNew) await sessions.publishListed(tx, allowed.session, [userId], true, actor);
    return { kind: 'ok' };
  }) as Promise<DoneReply>;
}
