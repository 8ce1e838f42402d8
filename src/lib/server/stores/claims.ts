import type { ClaimView } from '#lib/live/session-views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** Someone who is quiet for longer loses what they hold. */
export const CLAIM_SECONDS = 45;

/** The claims of a session that are in force. */
export async function claimsOf(sql: Sql, sessionId: number): Promise<ClaimView[]> {
  return [
    ...(await sql<ClaimView[]>`
      select clip_id as "clipId", user_id as "userId" from clip_claims
      where session_id = ${sessionId} and expires_at > now() order by clip_id`),
  ];
}

/** Drops a session's claims that have expired, or whose clip is decided or gone; gives how many. The session is locked. */
export async function dropDeadClaims(tx: Transaction, sessionId: number): Promise<number> {
  const dropped = await tx`
    delete from clip_claims k using clips c
    where k.session_id = ${sessionId} and c.id = k.clip_id
      and (k.expires_at <= now() or c.superseded_at is not null or c.state <> 'pending')`;
  return dropped.count;
}

/** Holds on longer to what a person holds. */
export async function renewClaims(tx: Transaction, sessionId: number, userId: number, ttlSeconds: number): Promise<void> {
  await tx`
    update clip_claims set expires_at = now() + make_interval(secs => ${ttlSeconds})
    where session_id = ${sessionId} and user_id = ${userId}`;
}

/**
 * Lets a person hold up to `limit` more clips: the first pending ones of the session that nobody holds
 * and that the person has not voted on. Gives how many. The session is locked.
 */
export async function claimNext(tx: Transaction, sessionId: number, userId: number, limit: number, ttlSeconds: number): Promise<number> {
  const claimed = await tx`
    insert into clip_claims (session_id, clip_id, user_id, expires_at)
    select ${sessionId}, c.id, ${userId}, now() + make_interval(secs => ${ttlSeconds})
    from clips c
    where c.superseded_at is null and c.state = 'pending'
      and exists (select from review_session_spans p where p.session_id = ${sessionId} and p.video_id = c.video_id
                  and c.start_frame < p.end_frame and c.end_frame > p.start_frame)
      and not exists (select from clip_claims k where k.session_id = ${sessionId} and k.clip_id = c.id)
      and not exists (select from clip_votes o where o.session_id = ${sessionId} and o.clip_id = c.id
                      and o.user_id = ${userId} and o.version = c.version and not o.is_withdrawn)
    order by c.video_id, c.start_frame limit ${limit}
    on conflict do nothing`;
  return claimed.count;
}

/** The clips that a person holds, in the order of the films. */
export async function heldClipIds(sql: Sql, sessionId: number, userId: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select c.id from clip_claims k join clips c on c.id = k.clip_id
    where k.session_id = ${sessionId} and k.user_id = ${userId} and k.expires_at > now() order by c.video_id, c.start_frame`;
  return rows.map((row) => row.id);
}

/** Lets a person hold clips that they have just made or reopened, where the work is divided; gives whether anything changed. */
export async function claimMade(
  tx: Transaction,
  sessionId: number,
  userId: number,
  clipIds: readonly number[],
  ttlSeconds: number,
): Promise<boolean> {
  const claimed = await tx`
    insert into clip_claims (session_id, clip_id, user_id, expires_at)
    select s.id, c.id, ${userId}, now() + make_interval(secs => ${ttlSeconds})
    from review_sessions s, clips c
    where s.id = ${sessionId} and s.mode = 'divide' and c.id = any(${[...clipIds]}) and c.state = 'pending' and c.superseded_at is null
    order by c.id
    on conflict do nothing`;
  return claimed.count > 0;
}

/** Lets what a person holds lapse soon, unless they come back and renew it. */
export async function letClaimsLapse(sql: Sql, sessionId: number, userId: number, withinSeconds: number): Promise<void> {
  await sql`
    update clip_claims set expires_at = least(expires_at, now() + make_interval(secs => ${withinSeconds}))
    where session_id = ${sessionId} and user_id = ${userId}`;
}

/** Lets go of one clip, when it has been voted on. */
export async function releaseClaim(tx: Transaction, sessionId: number, clipId: number, userId: number): Promise<boolean> {
  const released = await tx`
    delete from clip_claims where session_id = ${sessionId} and clip_id = ${clipId} and user_id = ${userId}`;
  return released.count > 0;
}
