import type { FrameSpan } from '#lib/core/cuts.ts';
import type { LiveClip } from '#lib/core/review.ts';
import type { PersonSummary } from '#lib/live/session-views.ts';
import type { HistoryEntry } from '#lib/live/talk-views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** A fact: what one reviewer did to one stretch of a video. */
export interface Decision {
  readonly id: number;
  readonly videoId: number;
  readonly actorId: number;
  readonly kind: string;
  readonly beforeClips: readonly LiveClip[];
  readonly afterClips: readonly LiveClip[];
  readonly beforeCuts: readonly number[];
  readonly afterCuts: readonly number[];
  readonly reversesId: number | null;
  readonly sessionId: number | null;
  /** The batch that it is part of; null for a decision on its own. */
  readonly batchId: string | null;
}

function selectDecisions(sql: Sql) {
  return sql`
    select d.id, d.video_id as "videoId", d.actor_id as "actorId", d.kind, d.before_clips as "beforeClips",
           d.after_clips as "afterClips", d.before_cuts as "beforeCuts", d.after_cuts as "afterCuts", d.reverses_id as "reversesId",
           d.session_id as "sessionId", d.batch_id as "batchId", d.created_at as at
    from decisions d`;
}

/** Adds a fact. A command that was already taken violates `decisions_command`. */
export async function insertDecision(tx: Transaction, commandId: string, decision: Omit<Decision, 'id'>): Promise<void> {
  await tx`
    insert into decisions (video_id, actor_id, command_id, kind, before_clips, after_clips, before_cuts, after_cuts, reverses_id,
                           session_id, batch_id)
    values (${decision.videoId}, ${decision.actorId}, ${commandId}, ${decision.kind}, ${tx.json(decision.beforeClips as never)},
            ${tx.json(decision.afterClips as never)}, ${[...decision.beforeCuts]}::int[], ${[...decision.afterCuts]}::int[], ${decision.reversesId},
            ${decision.sessionId}, ${decision.batchId})`;
}

/** The fact that a command left behind, if it was already taken. */
export async function decisionOfCommand(sql: Sql, commandId: string): Promise<Decision | null> {
  const [row] = await sql<Decision[]>`${selectDecisions(sql)} where d.command_id = ${commandId}`;
  return row ?? null;
}

/** Where to look for a person's own decisions: on a video, or in a review session. */
export type DecisionScope = { readonly kind: 'video'; readonly videoId: number } | { readonly kind: 'session'; readonly sessionId: number };

/** A batch belongs to the video that its actor was at, also with its clips of others. */
const inScope = (sql: Sql, scope: DecisionScope, actorId: number) =>
  scope.kind === 'video'
    ? sql`(d.video_id = ${scope.videoId}
           or d.batch_id = any(array(select b.id from decision_batches b where b.video_id = ${scope.videoId} and b.actor_id = ${actorId})))`
    : sql`d.session_id = ${scope.sessionId}`;

/** Whether nothing has reversed the decision `d` yet; a batch is reversed as a whole, also where some of it had to be left. */
const isUnreversed = (sql: Sql) => sql`
  not exists (select from decisions r where r.reverses_id = d.id)
  and not exists (select from decision_batches r where r.reverses_id = d.batch_id)`;

/** The facts of a batch, by video in source order of their clips. */
export async function decisionsOfBatch(sql: Sql, batchId: string): Promise<Decision[]> {
  return [...(await sql<Decision[]>`${selectDecisions(sql)} where d.batch_id = ${batchId} order by d.video_id, d.id`)];
}

/** What a person's undo would reverse: their latest decision (or redo) in the scope that is not reversed yet. */
export async function latestUndoable(sql: Sql, scope: DecisionScope, actorId: number): Promise<(Decision & { at: Date }) | null> {
  const [row] = await sql<(Decision & { at: Date })[]>`
    ${selectDecisions(sql)}
    where ${inScope(sql, scope, actorId)} and d.actor_id = ${actorId} and d.kind <> 'undo' and ${isUnreversed(sql)}
    order by d.id desc limit 1`;
  return row ?? null;
}

/** What a person's redo would reverse: their latest undo not reversed yet, unless they decided something since. */
export async function latestRedoable(sql: Sql, scope: DecisionScope, actorId: number): Promise<(Decision & { at: Date }) | null> {
  const [row] = await sql<(Decision & { at: Date })[]>`
    ${selectDecisions(sql)}
    where ${inScope(sql, scope, actorId)} and d.actor_id = ${actorId} and d.kind = 'undo' and ${isUnreversed(sql)}
      and not exists (select from decisions n where n.actor_id = d.actor_id and n.id > d.id and n.kind not in ('undo', 'redo')
                      and ${scope.kind === 'video' ? sql`n.video_id = ${scope.videoId}` : sql`n.session_id = ${scope.sessionId}`})
    order by d.id desc limit 1`;
  return row ?? null;
}

/** What was decided about any of a video's frames `[startFrame, endFrame)`, newest first. */
export async function historyOf(sql: Sql, videoId: number, span: FrameSpan, limit: number): Promise<HistoryEntry[]> {
  return [
    ...(await sql<HistoryEntry[]>`
      select d.id, d.kind, r.kind as "reversedKind", (select count(*)::int from decisions b where b.batch_id = d.batch_id) as "batchCount", u.name as "actorName", u.id as "actorId",
             to_char(d.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at,
             (select coalesce(json_agg(json_build_object('startFrame', a -> 'startFrame', 'endFrame', a -> 'endFrame', 'state', a -> 'state')), '[]')
              from jsonb_array_elements(d.after_clips) a) as after
      from decisions d join users u on u.id = d.actor_id left join decisions r on r.id = d.reverses_id
      where d.video_id = ${videoId}
        and exists (select from jsonb_array_elements(d.after_clips) a
                    where (a ->> 'startFrame')::int < ${span.endFrame} and (a ->> 'endFrame')::int > ${span.startFrame})
      order by d.id desc limit ${limit}`),
  ];
}

/** What each person did in a review session: the clips of it that stand as they decided, and their other work. */
export async function sessionWork(sql: Sql, sessionId: number): Promise<PersonSummary[]> {
  return [
    ...(await sql<PersonSummary[]>`
      with scope as (
        select distinct c.id, c.state, c.decided_by, c.decided_at, p.session_id
        from review_session_spans p
        join clips c on c.video_id = p.video_id and c.superseded_at is null
          and c.start_frame < p.end_frame and c.end_frame > p.start_frame
        where p.session_id = ${sessionId}
      ), made as (
        select c.decided_by as user_id, c.state from scope c join review_sessions s on s.id = c.session_id where c.decided_at >= s.created_at
      ), done as (
        select d.actor_id as user_id, d.kind from decisions d
        where d.session_id = ${sessionId} and (d.kind = 'undo' or not exists (select from decisions r where r.reverses_id = d.id))
      ), said as (
        select author_id as user_id from comments m join review_sessions s on s.id = ${sessionId}
        where m.deleted_at is null and m.created_at >= s.created_at
          and exists (select from review_session_spans p where p.session_id = s.id and p.video_id = m.video_id)
      )
      select u.id as "userId", u.name,
             (select count(*)::int from made where user_id = u.id and state = 'approved') as approved,
             (select count(*)::int from made where user_id = u.id and state = 'skipped') as skipped,
             (select count(*)::int from made where user_id = u.id and state = 'archived') as archived,
             (select count(*)::int from done where user_id = u.id and kind in ('split', 'merge', 'move-cut')) as edits,
             (select count(*)::int from done where user_id = u.id and kind = 'undo') as undone,
             (select count(*)::int from said where user_id = u.id) as comments
      from users u
      where u.id in (select user_id from review_session_members where session_id = ${sessionId}
                     union select user_id from made union select user_id from done)
      order by u.name, u.id`),
  ];
}

/** When a review session's first and last decisions were made; null without any. */
export async function decisionTimes(sql: Sql, sessionId: number): Promise<{ first: string | null; last: string | null }> {
  const [row] = await sql<{ first: string | null; last: string | null }[]>`
    select to_char(min(created_at) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as first,
           to_char(max(created_at) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as last
    from decisions where session_id = ${sessionId}`;
  return row!;
}
