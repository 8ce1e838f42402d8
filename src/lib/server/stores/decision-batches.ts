import type { AlikeStanding } from '#lib/live/alike.ts';
import type { VoteView } from '#lib/live/session-views.ts';
import type { ClipState } from '#lib/core/review.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** A command that decided many clips at once, or took that back. */
export interface DecisionBatch {
  readonly id: string;
  readonly actorId: number;
  readonly kind: 'approve' | 'skip' | 'archive' | 'undo' | 'redo';
  /** The video that its actor was at. */
  readonly videoId: number;
  /** The clip that the others are like. */
  readonly clipId: number | null;
  readonly leastPercent: number | null;
  readonly sessionId: number | null;
  readonly reversesId: string | null;
}

/** Adds a batch; its facts and votes name it. */
export async function insertBatch(tx: Transaction, batch: DecisionBatch): Promise<void> {
  await tx`
    insert into decision_batches (id, actor_id, kind, video_id, clip_id, least_percent, session_id, reverses_id)
    values (${batch.id}, ${batch.actorId}, ${batch.kind}, ${batch.videoId}, ${batch.clipId}, ${batch.leastPercent}, ${batch.sessionId},
            ${batch.reversesId})`;
}

/** A batch by its command; null when there is none. */
export async function findBatch(sql: Sql, id: string): Promise<DecisionBatch | null> {
  const [row] = await sql<DecisionBatch[]>`
    select id, actor_id as "actorId", kind, video_id as "videoId", clip_id as "clipId", least_percent as "leastPercent",
           session_id as "sessionId", reverses_id as "reversesId"
    from decision_batches where id = ${id}`;
  return row ?? null;
}

/** How many clips a batch has decided or voted on. */
export async function sizeOfBatch(sql: Sql, id: string): Promise<number> {
  const [row] = await sql<{ size: number }[]>`
    select count(*)::int as size
    from (select (d.before_clips -> 0 ->> 'id')::int from decisions d where d.batch_id = ${id}
          union select clip_id from clip_votes where batch_id = ${id}) touched`;
  return row!.size;
}

/** The videos of a batch's facts and votes. */
export async function videosOfBatch(sql: Sql, id: string): Promise<number[]> {
  const rows = await sql<{ videoId: number }[]>`
    select video_id as "videoId" from decisions where batch_id = ${id}
    union select c.video_id from clip_votes o join clips c on c.id = o.clip_id where o.batch_id = ${id}`;
  return rows.map((row) => row.videoId);
}

/** The votes of a batch that still count on pending clips. */
export async function votesOfBatch(sql: Sql, id: string): Promise<VoteView[]> {
  return [
    ...(await sql<VoteView[]>`
      select o.clip_id as "clipId", o.user_id as "userId", o.version, o.choice
      from clip_votes o join clips c on c.id = o.clip_id
      where o.batch_id = ${id} and not o.is_withdrawn and c.superseded_at is null and c.version = o.version and c.state = 'pending'
      order by o.clip_id`),
  ];
}

/** A live clip as a decision on many sees it. */
export interface ClipStanding {
  readonly clipId: number;
  readonly videoId: number;
  readonly version: number;
  readonly state: ClipState;
  readonly standing: AlikeStanding;
  readonly who: string | null;
}

/**
 * How live clips stand for someone who would decide them together, in a session or alone; see `AlikeStanding`.
 * The clip on the screen, `ownClipId`, is theirs also where a session is about to review it.
 */
export async function standingsOf(
  sql: Sql,
  clipIds: readonly number[],
  { userId, sessionId, ownClipId }: { readonly userId: number; readonly sessionId: number | null; readonly ownClipId: number },
): Promise<ClipStanding[]> {
  return [
    ...(await sql<ClipStanding[]>`
      select c.id as "clipId", c.video_id as "videoId", c.version, c.state,
             case when c.state <> 'pending' then 'decided'
                  when ${sessionId}::int is null and c.id <> ${ownClipId} and other.id is not null then 'in-session'
                  when ${sessionId}::int is not null and not inside.is_so then 'outside'
                  when held.name is not null then 'held'
                  when voted.is_so then 'voted'
                  else 'open' end as standing,
             case when c.state <> 'pending' then null
                  when ${sessionId}::int is null then other.title else held.name end as who
      from clips c join videos v on v.id = c.video_id and v.deleted_at is null
      left join lateral (
        select s.id, case when exists (select from review_session_members m where m.session_id = s.id and m.user_id = ${userId}
                                       and m.removed_at is null) then s.title end as title
        from review_session_spans p join review_sessions s on s.id = p.session_id
        where s.resumed_at is not null and p.video_id = c.video_id and c.start_frame < p.end_frame and c.end_frame > p.start_frame
        order by s.id limit 1) other on ${sessionId}::int is null
      left join lateral (
        select u.name from clip_claims k join users u on u.id = k.user_id join review_sessions s on s.id = k.session_id
        where k.session_id = ${sessionId} and k.clip_id = c.id and k.user_id <> ${userId} and k.expires_at > now() and s.mode = 'divide'
        ) held on true
      cross join lateral (
        select exists (select from review_session_spans p where p.session_id = ${sessionId} and p.video_id = c.video_id
                       and c.start_frame < p.end_frame and c.end_frame > p.start_frame) as is_so) inside
      cross join lateral (
        select exists (select from clip_votes o where o.session_id = ${sessionId} and o.clip_id = c.id and o.user_id = ${userId}
                       and o.version = c.version and not o.is_withdrawn) as is_so) voted
      where c.id = any(${[...clipIds]}) and c.superseded_at is null
      order by c.video_id, c.start_frame`),
  ];
}
