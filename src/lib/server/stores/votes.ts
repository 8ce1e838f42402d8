import type { Choice } from '#lib/core/consensus.ts';
import type { VoteView } from '#lib/live/session-views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** The votes of a session that count: those on clips as they are now. */
export async function votesOf(sql: Sql, sessionId: number): Promise<VoteView[]> {
  return [
    ...(await sql<VoteView[]>`
      select o.clip_id as "clipId", o.user_id as "userId", o.version, o.choice
      from clip_votes o join clips c on c.id = o.clip_id
      where o.session_id = ${sessionId} and c.superseded_at is null and c.version = o.version and not o.is_withdrawn order by o.clip_id, o.at`),
  ];
}

/** The votes on one version of a clip. */
export async function votesOnClip(sql: Sql, sessionId: number, clipId: number, version: number): Promise<VoteView[]> {
  return [
    ...(await sql<VoteView[]>`
      select clip_id as "clipId", user_id as "userId", version, choice from clip_votes
      where session_id = ${sessionId} and clip_id = ${clipId} and version = ${version} and not is_withdrawn order by at`),
  ];
}

/** Casts a vote, in place of an earlier one of the same person. */
export async function castVote(
  tx: Transaction,
  vote: {
    readonly sessionId: number;
    readonly clipId: number;
    readonly userId: number;
    readonly version: number;
    readonly choice: Choice;
    readonly batchId: string | null;
  },
): Promise<void> {
  await tx`
    insert into clip_votes (session_id, clip_id, user_id, version, choice, batch_id)
    values (${vote.sessionId}, ${vote.clipId}, ${vote.userId}, ${vote.version}, ${vote.choice}, ${vote.batchId})
    on conflict (session_id, clip_id, user_id) do update
    set version = excluded.version, choice = excluded.choice, at = now(), is_withdrawn = false, batch_id = excluded.batch_id`;
}

/** A person's latest vote of a session that still counts on a pending clip, with when it was cast. */
export async function latestVote(
  sql: Sql,
  sessionId: number,
  userId: number,
): Promise<(VoteView & { at: Date; startFrame: number; videoId: number; batchId: string | null }) | null> {
  const [row] = await sql<(VoteView & { at: Date; startFrame: number; videoId: number; batchId: string | null })[]>`
    select o.clip_id as "clipId", o.user_id as "userId", o.version, o.choice, o.batch_id as "batchId", o.at, c.start_frame as "startFrame", c.video_id as "videoId"
    from clip_votes o join clips c on c.id = o.clip_id
    where o.session_id = ${sessionId} and o.user_id = ${userId} and c.superseded_at is null and c.version = o.version
      and c.state = 'pending' and not o.is_withdrawn
    order by o.at desc limit 1`;
  return row ?? null;
}

/** Takes a vote back, by a command that is remembered with it. */
export async function withdrawVote(tx: Transaction, vote: VoteView, sessionId: number, commandId: string): Promise<void> {
  await tx`
    update clip_votes set is_withdrawn = true, withdrawn_by = ${commandId}
    where session_id = ${sessionId} and clip_id = ${vote.clipId} and user_id = ${vote.userId}`;
}

/** The vote that a command took back, if it did; it may have been cast again since. */
export async function voteWithdrawnBy(sql: Sql, commandId: string): Promise<VoteView | null> {
  const [row] = await sql<VoteView[]>`
    select clip_id as "clipId", user_id as "userId", version, choice from clip_votes where withdrawn_by = ${commandId}`;
  return row ?? null;
}
