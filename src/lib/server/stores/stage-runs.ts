import type { PendingQuery, Row } from 'postgres';
import { STAGES, type StageName } from '#lib/jobs/stages.ts';
import type { StageView } from '#lib/live/views.ts';
import type { Sql } from '#lib/server/db.ts';

/** The item of a stage: the video or clip that it works on, and the video that this belongs to. */
export interface StageItem {
  readonly itemId: number;
  readonly videoId: number;
}

/** Latest progress of a running stage. */
export interface StageProgress {
  readonly percent: number | null;
  readonly fps: number | null;
  readonly etaMs: number | null;
}

/** Whether a stage of the video `v` has not failed for good since a time, an SQL expression: then it is worth another try. */
export function hasNotFailedSince(sql: Sql, stage: StageName, since: PendingQuery<Row[]>) {
  return sql`
    not exists (select from stage_runs r
                where r.item_kind = 'video' and r.item_id = v.id and r.stage = ${stage} and r.state = 'failed' and r.finished_at >= ${since})`;
}

/** Whether a stage has failed for good. */
export async function hasFailed(sql: Sql, stage: StageName, item: StageItem): Promise<boolean> {
  const rows = await sql`
    select 1 from stage_runs
    where item_kind = ${STAGES[stage].item} and item_id = ${item.itemId} and stage = ${stage} and state = 'failed'`;
  return rows.length > 0;
}

/** Notes that a stage waits in its queue. */
export async function markQueued(sql: Sql, stage: StageName, item: StageItem): Promise<void> {
  await sql`
    insert into stage_runs (item_kind, item_id, video_id, stage, state)
    values (${STAGES[stage].item}, ${item.itemId}, ${item.videoId}, ${stage}, 'queued')
    on conflict (item_kind, item_id, stage) do update
      set state = 'queued', attempt = 0, failures = 0, percent = null, fps = null, eta_ms = null, error = null,
          queued_at = now(), started_at = null, finished_at = null`;
}

/**
 * Notes that a stage runs. An attempt is counted when the one before has failed, not when its worker has
 * gone: then the work goes on, and its progress stays. Gives the stage as screens see it.
 */
export async function markRunning(sql: Sql, stage: StageName, item: StageItem): Promise<StageView> {
  const [row] = await sql<Pick<StageView, 'attempt' | 'percent' | 'fps' | 'etaMs'>[]>`
    insert into stage_runs as known (item_kind, item_id, video_id, stage, state, attempt, started_at)
    values (${STAGES[stage].item}, ${item.itemId}, ${item.videoId}, ${stage}, 'running', 1, now())
    on conflict (item_kind, item_id, stage) do update
      set state = 'running', attempt = known.failures + 1, error = null, finished_at = null,
          started_at = case when known.attempt = known.failures + 1 then coalesce(known.started_at, now()) else now() end,
          percent = case when known.attempt = known.failures + 1 then known.percent end,
          fps = case when known.attempt = known.failures + 1 then known.fps end,
          eta_ms = case when known.attempt = known.failures + 1 then known.eta_ms end
    returning attempt, percent, fps, eta_ms as "etaMs"`;
  return { ...item, stage, state: 'running', ...row!, error: null };
}

/** Counts an attempt that has failed. Gives how many there are by now. */
export async function countFailure(sql: Sql, stage: StageName, item: StageItem): Promise<number> {
  const [row] = await sql<{ failures: number }[]>`
    update stage_runs set failures = failures + 1
    where item_kind = ${STAGES[stage].item} and item_id = ${item.itemId} and stage = ${stage} returning failures`;
  return row?.failures ?? Infinity;
}

/** Stores a running stage's progress, so that a newcomer sees it too. */
export async function recordProgress(sql: Sql, stage: StageName, item: StageItem, progress: StageProgress): Promise<void> {
  await sql`
    update stage_runs set percent = ${progress.percent}, fps = ${progress.fps}, eta_ms = ${progress.etaMs}
    where item_kind = ${STAGES[stage].item} and item_id = ${item.itemId} and stage = ${stage} and state = 'running'`;
}

/** Notes that a stage is done, or that it failed for good with `error`. */
export async function markFinished(sql: Sql, stage: StageName, item: StageItem, error: string | null): Promise<void> {
  await sql`
    update stage_runs
    set state = ${error === null ? 'done' : 'failed'}, error = ${error}, finished_at = now(), eta_ms = null,
        percent = case when ${error === null} then 100 else percent end
    where item_kind = ${STAGES[stage].item} and item_id = ${item.itemId} and stage = ${stage}`;
}

/** The videos' own stages (not their clips'), by video, in the order in which they were queued. */
export async function videoStages(sql: Sql, videoIds: readonly number[]): Promise<StageView[]> {
  const rows = await sql<StageView[]>`
    select video_id as "videoId", item_id as "itemId", stage, state, attempt, percent, fps, eta_ms as "etaMs", error
    from stage_runs where item_kind = 'video' and video_id = any(${[...videoIds]}) order by queued_at, stage`;
  return [...rows];
}
