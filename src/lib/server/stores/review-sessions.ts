import type { FrameSpan } from '#lib/core/cuts.ts';
import type { LiveEventBody } from '#lib/live/events.ts';
import type {
  InviteView,
  MemberRole,
  MemberView,
  SessionListItem,
  SessionMode,
  SessionSpan,
  SessionView,
} from '#lib/live/session-views.ts';
import { sessionTopic, userTopic } from '#lib/live/topics.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';
import { publish } from '#lib/server/stores/outbox.ts';

const isoTime = (sql: Sql, column: string) => sql`to_char(${sql(column)} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** A session as its page shows it; null when there is none. */
export async function sessionView(sql: Sql, sessionId: number): Promise<SessionView | null> {
  const [row] = await sql<SessionView[]>`
    select s.id, s.title, s.mode, s.votes_needed as "votesNeeded", s.lead_id as "leadId", h.name as "hostName",
           ${isoTime(sql, 's.created_at')} as "createdAt", ${isoTime(sql, 's.resumed_at')} as "resumedAt", s.worked_ms as "workedMs",
           coalesce((select json_agg(json_build_object('videoId', video_id, 'startFrame', start_frame, 'endFrame', end_frame)
                                     order by video_id, start_frame)
                     from review_session_spans where session_id = s.id), '[]') as spans
    from review_sessions s left join users h on h.id = s.created_by where s.id = ${sessionId}`;
  return row ?? null;
}

/** Locks a session's row until the transaction ends: whoever changes the session or its claims takes it first. */
export async function lockSession(tx: Transaction, sessionId: number): Promise<SessionView | null> {
  await tx`select from review_sessions where id = ${sessionId} for update`;
  return sessionView(tx, sessionId);
}

/** Makes a session with its host; gives its id, or null when the command has made one already. */
export async function insertSession(
  tx: Transaction,
  session: {
    readonly title: string;
    readonly mode: SessionMode;
    readonly votesNeeded: number;
    readonly hostId: number;
    readonly spans: readonly SessionSpan[];
    readonly commandId: string;
  },
): Promise<number | null> {
  const [row] = await tx<{ id: number }[]>`
    insert into review_sessions (title, mode, votes_needed, lead_id, created_by, command_id)
    values (${session.title}, ${session.mode}, ${session.votesNeeded}, ${session.hostId}, ${session.hostId}, ${session.commandId})
    on conflict (command_id) do nothing returning id`;
  if (row === undefined) return null;
  const { id } = row;
  const column = (name: keyof SessionSpan) => session.spans.map((span) => span[name]);
  await tx`
    insert into review_session_spans (session_id, video_id, start_frame, end_frame)
    select ${id}, v, s, e
    from unnest(${column('videoId')}::int[], ${column('startFrame')}::int[], ${column('endFrame')}::int[]) as t (v, s, e)`;
  await tx`insert into review_session_members (session_id, user_id, role) values (${id}, ${session.hostId}, 'host')`;
  return id;
}

/** The session that a command has made; null when there is none. */
export async function sessionOfCommand(sql: Sql, commandId: string): Promise<number | null> {
  const [row] = await sql<{ id: number }[]>`select id from review_sessions where command_id = ${commandId}`;
  return row?.id ?? null;
}

/** Changes what is named of a session. */
export async function updateSession(
  tx: Transaction,
  sessionId: number,
  to: { readonly mode?: SessionMode; readonly votesNeeded?: number; readonly leadId?: number },
): Promise<void> {
  await tx`
    update review_sessions
    set mode = coalesce(${to.mode ?? null}, mode), votes_needed = coalesce(${to.votesNeeded ?? null}, votes_needed),
        lead_id = coalesce(${to.leadId ?? null}, lead_id)
    where id = ${sessionId}`;
}

/** Ends the sitting under way, or with `isOpen` begins a new one; either is harmless to repeat. */
export async function setSessionOpen(tx: Transaction, sessionId: number, isOpen: boolean): Promise<void> {
  await (isOpen
    ? tx`update review_sessions set resumed_at = now() where id = ${sessionId} and resumed_at is null`
    : tx`update review_sessions
         set worked_ms = worked_ms + (extract(epoch from now() - resumed_at) * 1000)::bigint, resumed_at = null
         where id = ${sessionId} and resumed_at is not null`);
}

/** Tells everyone in a session how it now stands. */
export async function publishSession(
  tx: Transaction,
  sessionId: number,
  cause: string,
  actor: { readonly userId: number; readonly name: string } | null,
): Promise<void> {
  const session = await sessionView(tx, sessionId);
  if (session === null) return;
  await publishToSession(
    tx,
    sessionId,
    { type: 'session-changed', payload: { session, cause, actorName: actor?.name ?? null } },
    actor?.userId ?? null,
  );
}

/** Adds an event to a session's topic. */
export async function publishToSession(tx: Transaction, sessionId: number, event: LiveEventBody, actorId: number | null): Promise<void> {
  await publish(tx, sessionTopic(sessionId), event, actorId);
}

/** Tells people that their lists of sessions have changed. */
export async function publishListed(
  tx: Transaction,
  session: SessionView,
  userIds: readonly number[],
  isNew: boolean,
  actor: { readonly userId: number; readonly name: string },
): Promise<void> {
  const payload = { sessionId: session.id, title: session.title, isNew, actorName: actor.name };
  // In one order, since each topic is locked until the transaction ends.
  for (const userId of [...userIds].sort((one, other) => one - other)) {
    await publish(tx, userTopic(userId), { type: 'session-listed', payload }, actor.userId);
  }
}

/** What someone is in a session; null for one who never joined or was removed. */
export async function memberRole(sql: Sql, sessionId: number, userId: number): Promise<MemberRole | null> {
  const [row] = await sql<{ role: MemberRole }[]>`
    select role from review_session_members where session_id = ${sessionId} and user_id = ${userId} and removed_at is null`;
  return row?.role ?? null;
}

/** Who takes part in a session, its host first. */
export async function sessionMembers(sql: Sql, sessionId: number): Promise<MemberView[]> {
  return [
    ...(await sql<MemberView[]>`
      select m.user_id as "userId", u.name, m.role
      from review_session_members m join users u on u.id = m.user_id
      where m.session_id = ${sessionId} and m.removed_at is null and u.disabled_at is null
      order by m.role <> 'host', m.joined_at, m.user_id`),
  ];
}

/** Lets someone in, or gives a member another role. `isWelcomeBack`: also one who had been removed. Gives whether they are in. */
export async function upsertMember(
  tx: Transaction,
  sessionId: number,
  userId: number,
  role: MemberRole,
  isWelcomeBack: boolean,
): Promise<boolean> {
  const rows = await tx`
    insert into review_session_members as m (session_id, user_id, role) values (${sessionId}, ${userId}, ${role})
    on conflict (session_id, user_id) do update set role = ${role}, removed_at = null
      where m.removed_at is null or ${isWelcomeBack}
    returning role`;
  return rows.length === 1;
}

/** Removes a member and what they hold; gives whether they were one. */
export async function removeMember(tx: Transaction, sessionId: number, userId: number): Promise<boolean> {
  await tx`delete from clip_claims where session_id = ${sessionId} and user_id = ${userId}`;
  const rows = await tx`
    update review_session_members set removed_at = now()
    where session_id = ${sessionId} and user_id = ${userId} and removed_at is null returning user_id`;
  return rows.length === 1;
}

/** Adds a link into a session. */
export async function insertSessionInvite(
  tx: Sql,
  invite: {
    readonly tokenHash: string;
    readonly sessionId: number;
    readonly role: InviteView['role'];
    readonly createdBy: number;
    readonly validHours: number;
  },
): Promise<void> {
  await tx`
    insert into review_session_invites (token_hash, session_id, role, created_by, expires_at)
    values (${invite.tokenHash}, ${invite.sessionId}, ${invite.role}, ${invite.createdBy}, now() + make_interval(hours => ${invite.validHours}))`;
}

/** A session's links that still let people in, newest first. */
export async function openInvites(sql: Sql, sessionId: number): Promise<InviteView[]> {
  return [
    ...(await sql<InviteView[]>`
      select token_hash as "tokenHash", role, ${isoTime(sql, 'expires_at')} as "expiresAt" from review_session_invites
      where session_id = ${sessionId} and revoked_at is null and expires_at > now() order by created_at desc`),
  ];
}

/** Takes a link back; gives whether there was one to take. */
export async function revokeSessionInvite(sql: Sql, sessionId: number, tokenHash: string): Promise<boolean> {
  const rows = await sql`
    update review_session_invites set revoked_at = now()
    where session_id = ${sessionId} and token_hash = ${tokenHash} and revoked_at is null returning session_id`;
  return rows.length === 1;
}

/** What a link opens; null when it is expired, taken back or never was. */
export async function findSessionInvite(sql: Sql, tokenHash: string): Promise<{ sessionId: number; role: InviteView['role'] } | null> {
  const [row] = await sql<{ sessionId: number; role: InviteView['role'] }[]>`
    select session_id as "sessionId", role from review_session_invites
    where token_hash = ${tokenHash} and revoked_at is null and expires_at > now()`;
  return row ?? null;
}

/** Sessions, those under way first, then newest first: a person's own, or with null everybody's. */
export async function listSessions(sql: Sql, userId: number | null): Promise<SessionListItem[]> {
  return [
    ...(await sql<SessionListItem[]>`
      select s.id, s.title, s.mode, h.name as "hostName", ${isoTime(sql, 's.created_at')} as "createdAt", s.resumed_at is null as "isEnded",
             coalesce((select array_agg(v.title order by v.id) from videos v
                       where v.deleted_at is null and v.id in (select video_id from review_session_spans where session_id = s.id)), '{}') as "videoTitles",
             coalesce((select json_agg(json_build_object('id', u.id, 'name', u.name) order by m.joined_at)
                       from review_session_members m join users u on u.id = m.user_id
                       where m.session_id = s.id and m.removed_at is null), '[]') as members,
             n.total::int as "clipCount", n.pending::int as "pendingCount"
      from review_sessions s
      left join users h on h.id = s.created_by
      cross join lateral (
        select count(distinct c.id) as total, count(distinct c.id) filter (where c.state = 'pending') as pending
        from review_session_spans p
        join clips c on c.video_id = p.video_id and c.superseded_at is null
          and c.start_frame < p.end_frame and c.end_frame > p.start_frame
        join videos v on v.id = c.video_id and v.deleted_at is null
        where p.session_id = s.id
      ) n
      where ${userId}::int is null
         or exists (select from review_session_members m where m.session_id = s.id and m.user_id = ${userId}::int and m.removed_at is null)
      order by s.resumed_at is null, s.id desc limit 200`),
  ];
}

/** The frames of whole videos that are ready, the clips named, or all pending clips; with how many clips each span covers. */
export async function spansFor(
  sql: Sql,
  source:
    | { readonly kind: 'videos'; readonly videoIds: readonly number[] }
    | { readonly kind: 'clips'; readonly clipIds: readonly number[] }
    | { readonly kind: 'pending'; readonly limit: number },
): Promise<(SessionSpan & { readonly title: string })[]> {
  const rows = await sql<(FrameSpan & { videoId: number; title: string })[]>`
    select c.video_id as "videoId", c.start_frame as "startFrame", c.end_frame as "endFrame", v.title
    from clips c join videos v on v.id = c.video_id
    where c.superseded_at is null and v.state = 'ready' and v.deleted_at is null and ${
      source.kind === 'videos'
        ? sql`c.video_id = any(${[...source.videoIds]})`
        : source.kind === 'clips'
          ? sql`c.id = any(${[...source.clipIds]})`
          : sql`c.state = 'pending'`
    }
    order by c.video_id, c.start_frame limit ${source.kind === 'pending' ? source.limit : null}`;
  return [...rows];
}
