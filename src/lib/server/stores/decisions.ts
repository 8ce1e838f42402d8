import type { LiveClip } from '#lib/core/review.ts';
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
}

function selectDecisions(sql: Sql) {
  return sql`
    select d.id, d.video_id as "videoId", d.actor_id as "actorId", d.kind, d.before_clips as "beforeClips",
           d.after_clips as "afterClips", d.before_cuts as "beforeCuts", d.after_cuts as "afterCuts", d.reverses_id as "reversesId"
    from decisions d`;
}

/** Adds a fact. A command that was already taken violates `decisions_command`. */
export async function insertDecision(tx: Transaction, commandId: string, decision: Omit<Decision, 'id'>): Promise<void> {
  await tx`
    insert into decisions (video_id, actor_id, command_id, kind, before_clips, after_clips, before_cuts, after_cuts, reverses_id)
    values (${decision.videoId}, ${decision.actorId}, ${commandId}, ${decision.kind}, ${tx.json(decision.beforeClips as never)},
            ${tx.json(decision.afterClips as never)}, ${[...decision.beforeCuts]}::int[], ${[...decision.afterCuts]}::int[], ${decision.reversesId})`;
}

/** The fact that a command left behind, if it was already taken. */
export async function decisionOfCommand(sql: Sql, commandId: string): Promise<Decision | null> {
  const [row] = await sql<Decision[]>`${selectDecisions(sql)} where d.command_id = ${commandId}`;
  return row ?? null;
}

/**
 * What a person's undo would reverse: their latest decision (or redo) on the video that is not
 * reversed yet.
 */
export async function latestUndoable(sql: Sql, videoId: number, actorId: number): Promise<Decision | null> {
  const [row] = await sql<Decision[]>`
    ${selectDecisions(sql)}
    where d.video_id = ${videoId} and d.actor_id = ${actorId} and d.kind <> 'undo'
      and not exists (select from decisions r where r.reverses_id = d.id)
    order by d.id desc limit 1`;
  return row ?? null;
}

/** What a person's redo would reverse: their latest undo not reversed yet, unless they decided something since. */
export async function latestRedoable(sql: Sql, videoId: number, actorId: number): Promise<Decision | null> {
  const [row] = await sql<Decision[]>`
    ${selectDecisions(sql)}
    where d.video_id = ${videoId} and d.actor_id = ${actorId} and d.kind = 'undo'
      and not exists (select from decisions r where r.reverses_id = d.id)
      and not exists (select from decisions n where n.video_id = d.video_id and n.actor_id = d.actor_id
                      and n.id > d.id and n.kind not in ('undo', 'redo'))
    order by d.id desc limit 1`;
  return row ?? null;
}
