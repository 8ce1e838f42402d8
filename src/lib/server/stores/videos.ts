import { publish } from '#lib/server/stores/outbox.ts';
import { videoStages } from '#lib/server/stores/stage-runs.ts';
import type { EncodedSource, SourceSummary } from '#lib/core/source.ts';
import type { FrameRate, Timebase } from '#lib/core/frame-rate.ts';
import type { StageName } from '#lib/jobs/stages.ts';
import { videoTopic, type Topic } from '#lib/live/topics.ts';
import type { ClipCounts, VideoState, VideoView } from '#lib/live/views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** A video with the fields that the pipeline needs and no page shows. */
export interface VideoRow {
  readonly id: number;
  readonly title: string;
  readonly state: VideoState;
  readonly failedStage: StageName | null;
  readonly fileName: string;
  readonly sourceUrl: string | null;
  readonly sourceKey: string | null;
  readonly proxyKey: string | null;
  readonly masterKey: string | null;
  readonly thumbnailKey: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly frameRateNum: number | null;
  readonly frameRateDen: number | null;
  readonly startTimecodeFrame: number;
  readonly isDropFrame: boolean | null;
  readonly frameCount: number | null;
  readonly scenes: DetectedScenes | null;
}

/** What scene detection found, with the parameters in force. */
export interface DetectedScenes {
  readonly frameCount: number;
  readonly cuts: readonly { readonly frame: number; readonly kind: 'cut' | 'dissolve' | 'fade'; readonly score: number }[];
  readonly params: Readonly<Record<string, unknown>>;
}

/** What the encode stage measured and made. */
export interface EncodedVideo {
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
  readonly frameCount: number;
  readonly durationMs: number;
  readonly hasAudio: boolean;
  readonly proxyKey: string;
  readonly masterKey: string;
  readonly thumbnailKey: string;
  readonly scenes: DetectedScenes | null;
  readonly source: EncodedSource;
}

/** How a video's frames are counted; null until it is known. */
export function timebaseOf(video: Pick<VideoRow, 'frameRateNum' | 'frameRateDen' | 'startTimecodeFrame' | 'isDropFrame'>): Timebase | null {
  const { frameRateNum: num, frameRateDen: den, startTimecodeFrame, isDropFrame } = video;
  if (num === null || den === null) return null;
  return { num, den, startTimecodeFrame, ...(isDropFrame === null ? {} : { isDropFrame }) };
}

/** Finds a video for the pipeline; null when it is gone or deleted. */
export async function findVideo(sql: Sql, videoId: number): Promise<VideoRow | null> {
  const [row] = await sql<VideoRow[]>`
    select id, title, state, failed_stage as "failedStage", file_name as "fileName", source_url as "sourceUrl",
           source_key as "sourceKey", proxy_key as "proxyKey", master_key as "masterKey", thumbnail_key as "thumbnailKey",
           width, height, frame_rate_num as "frameRateNum", frame_rate_den as "frameRateDen",
           start_timecode_frame as "startTimecodeFrame", is_drop_frame as "isDropFrame", frame_count as "frameCount", scenes
    from videos where id = ${videoId} and deleted_at is null`;
  return row ?? null;
}

/** Locks a video's row until the transaction ends: whoever changes its cuts or state takes it first. */
export async function lockVideo(tx: Transaction, videoId: number): Promise<VideoRow | null> {
  await tx`select from videos where id = ${videoId} for update`;
  return findVideo(tx, videoId);
}

/** Moves a video to a state that is not a failure. */
export async function setVideoState(tx: Transaction, videoId: number, state: Exclude<VideoState, 'failed'>): Promise<void> {
  await tx`update videos set state = ${state}, failed_stage = null, error = null, updated_at = now() where id = ${videoId}`;
}

/** Marks a video as failed in a stage, with a reason that a person can read. */
export async function setVideoFailed(tx: Transaction, videoId: number, stage: StageName, reason: string): Promise<void> {
  await tx`update videos set state = 'failed', failed_stage = ${stage}, error = ${reason}, updated_at = now() where id = ${videoId}`;
}

/** Stores what encoding made; the video is then `encoded`. */
export async function setVideoEncoded(tx: Transaction, videoId: number, encoded: EncodedVideo): Promise<void> {
  await tx`
    update videos
    set state = 'encoded', failed_stage = null, error = null, updated_at = now(),
        width = ${encoded.width}, height = ${encoded.height},
        frame_rate_num = ${encoded.frameRate.num}, frame_rate_den = ${encoded.frameRate.den},
        frame_count = ${encoded.frameCount}, duration_ms = ${encoded.durationMs}, has_audio = ${encoded.hasAudio},
        proxy_key = ${encoded.proxyKey}, master_key = ${encoded.masterKey}, thumbnail_key = ${encoded.thumbnailKey},
        scenes = ${encoded.scenes === null ? null : tx.json(encoded.scenes as never)},
        start_timecode_frame = ${encoded.source.startTimecodeFrame}, is_drop_frame = ${encoded.source.isDropFrame},
        source_facts = ${tx.json(summaryOf(encoded.source) as never)}
    where id = ${videoId}`;
}

function summaryOf({ startTimecodeFrame: _frame, isDropFrame: _drop, ...summary }: EncodedSource): SourceSummary {
  return summary;
}

/** Notes how far a video that is still being encoded is cut into clips, and how its frames count. */
export async function setVideoReach(
  tx: Transaction,
  videoId: number,
  reach: { readonly frameRate: FrameRate; readonly frameCount: number },
): Promise<void> {
  await tx`
    update videos set frame_rate_num = ${reach.frameRate.num}, frame_rate_den = ${reach.frameRate.den}, frame_count = ${reach.frameCount},
           updated_at = now()
    where id = ${videoId}`;
}

/** Hides a video from everybody, until it is brought back or its grace time is over. False when it is gone already. */
export async function markDeleted(tx: Transaction, videoId: number, actorId: number): Promise<boolean> {
  const rows = await tx`
    update videos set deleted_at = now(), deleted_by = ${actorId} where id = ${videoId} and deleted_at is null returning id`;
  return rows.length === 1;
}

/** Brings a deleted video back as it was. False when there is none. */
export async function unmarkDeleted(tx: Transaction, videoId: number): Promise<boolean> {
  const rows = await tx`
    update videos set deleted_at = null, deleted_by = null, updated_at = now()
    where id = ${videoId} and deleted_at is not null returning id`;
  return rows.length === 1;
}

/** A video in its grace time. */
export interface DeletedVideo {
  readonly id: number;
  readonly title: string;
  readonly deletedAt: string;
  readonly deletedBy: string | null;
  /** When it goes for good. */
  readonly goesAt: string;
  readonly clipCount: number;
}

/** The videos that can still be brought back, the latest first. */
export async function deletedVideos(sql: Sql, graceDays: number): Promise<DeletedVideo[]> {
  const iso = 'YYYY-MM-DD"T"HH24:MI:SS"Z"';
  return [
    ...(await sql<DeletedVideo[]>`
      select v.id, v.title, to_char(v.deleted_at at time zone 'utc', ${iso}) as "deletedAt", u.name as "deletedBy",
             to_char((v.deleted_at + make_interval(days => ${graceDays})) at time zone 'utc', ${iso}) as "goesAt",
             (select count(*)::int from clips c where c.video_id = v.id and c.superseded_at is null) as "clipCount"
      from videos v left join users u on u.id = v.deleted_by
      where v.deleted_at is not null order by v.deleted_at desc`),
  ];
}

/** The deleted videos whose grace time is over. */
export async function expiredVideos(sql: Sql, graceDays: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`select id from videos where deleted_at <= now() - make_interval(days => ${graceDays})`;
  return rows.map(({ id }) => id);
}

/** Whether a video has been deleted and waits for its end. */
export async function isDeleted(sql: Sql, videoId: number): Promise<boolean> {
  const [row] = await sql<
    { found: boolean }[]
  >`select exists (select from videos where id = ${videoId} and deleted_at is not null) as found`;
  return row!.found;
}

/** Where a video's master lies, or since when it is gone by a rule; null when there is no such video. */
export async function masterRow(sql: Sql, videoId: number): Promise<{ masterKey: string | null; removedAt: string | null } | null> {
  const [row] = await sql<{ masterKey: string | null; removedAt: string | null }[]>`
    select master_key as "masterKey", to_char(master_removed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "removedAt"
    from videos where id = ${videoId} and deleted_at is null`;
  return row ?? null;
}

/** Notes whether a master is on its way back from the archive. */
export async function setMasterRestoring(tx: Transaction, videoId: number, isRestoring: boolean): Promise<void> {
  await tx`update videos set is_master_restoring = ${isRestoring} where id = ${videoId}`;
}

/** The videos whose masters are on their way back. */
export async function restoringMasters(sql: Sql): Promise<{ videoId: number; masterKey: string | null }[]> {
  return [
    ...(await sql<{ videoId: number; masterKey: string | null }[]>`
      select id as "videoId", master_key as "masterKey" from videos where is_master_restoring and deleted_at is null`),
  ];
}

/** Deletes a video and all rows that belong to it. */
export async function deleteVideo(tx: Transaction, videoId: number): Promise<void> {
  await tx`delete from videos where id = ${videoId}`;
  await tx`delete from events where topic = ${videoTopic(videoId)} and type <> 'video-removed'`;
}

/** Videos whose state calls for a stage: what the dispatcher makes sure has a job. */
export async function unfinishedVideos(sql: Sql): Promise<{ id: number; state: VideoState }[]> {
  return [
    ...(await sql<{ id: number; state: VideoState }[]>`
      select id, state from videos where state not in ('ready', 'failed') and deleted_at is null and updated_at < now() - interval '20 seconds'`),
  ];
}

/** Which videos are wanted; what is left out restricts nothing. */
export interface VideoFilters {
  readonly state?: VideoState | undefined;
  /** A part of the title, in any case. */
  readonly title?: string | undefined;
}

/** The ids of videos that pass the filters, from below an id, the newest first. */
export async function videoIdsBefore(
  sql: Sql,
  { state, title, beforeId, limit }: VideoFilters & { readonly beforeId: number | null; readonly limit: number },
): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    select id from videos
    where deleted_at is null
      and (${beforeId}::int is null or id < ${beforeId}::int)
      and (${state ?? null}::text is null or state = ${state ?? null}::text)
      and (${title ?? null}::text is null or strpos(lower(title), lower(${title ?? null}::text)) > 0)
    order by id desc limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** Videos as the library shows them, newest first; all of them, or those named. */
export async function videoViews(sql: Sql, videoIds?: readonly number[]): Promise<VideoView[]> {
  const rows = await sql<(Omit<VideoView, 'frameRate' | 'clipCounts' | 'stages'> & Parameters<typeof timebaseOf>[0] & ClipCounts)[]>`
    select v.id, v.title, v.file_name as "fileName", v.source_url as "sourceUrl", v.state, v.failed_stage as "failedStage",
           v.error, v.width, v.height, v.frame_rate_num as "frameRateNum", v.frame_rate_den as "frameRateDen",
           v.start_timecode_frame as "startTimecodeFrame", v.is_drop_frame as "isDropFrame", v.source_facts as "sourceFacts",
           v.is_master_restoring as "isMasterRestoring", v.frame_count as "frameCount",
           v.duration_ms as "durationMs", v.thumbnail_key is not null as "hasThumbnail",
           to_char(v.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "createdAt",
           coalesce(c.pending, 0)::int as pending, coalesce(c.approved, 0)::int as approved,
           coalesce(c.skipped, 0)::int as skipped, coalesce(c.archived, 0)::int as archived
    from videos v
    left join lateral (
      select count(*) filter (where state = 'pending') as pending, count(*) filter (where state = 'approved') as approved,
             count(*) filter (where state = 'skipped') as skipped, count(*) filter (where state = 'archived') as archived
      from clips where video_id = v.id and superseded_at is null
    ) c on true
    where v.deleted_at is null ${videoIds === undefined ? sql`` : sql`and v.id = any(${[...videoIds]})`}
    order by v.id desc`;
  const stages = await videoStages(
    sql,
    rows.map((row) => row.id),
  );
  return rows.map(({ frameRateNum, frameRateDen, startTimecodeFrame, isDropFrame, pending, approved, skipped, archived, ...row }) => ({
    ...row,
    frameRate: timebaseOf({ frameRateNum, frameRateDen, startTimecodeFrame, isDropFrame }),
    clipCounts: { pending, approved, skipped, archived },
    stages: stages.filter((stage) => stage.videoId === row.id),
  }));
}

/** Videos' titles and how their frames are counted, the latest first; all of them, or those named. */
export async function videoTitles(
  sql: Sql,
  videoIds?: readonly number[],
): Promise<{ id: number; title: string; frameRate: VideoView['frameRate'] }[]> {
  const rows = await sql<({ id: number; title: string } & Parameters<typeof timebaseOf>[0])[]>`
    select id, title, frame_rate_num as "frameRateNum", frame_rate_den as "frameRateDen",
           start_timecode_frame as "startTimecodeFrame", is_drop_frame as "isDropFrame"
    from videos where deleted_at is null ${videoIds === undefined ? sql`` : sql`and id = any(${[...videoIds]})`}
    order by id desc`;
  return rows.map((row) => ({ id: row.id, title: row.title, frameRate: timebaseOf(row) }));
}

/** Tells the library and the video's own page how the video now stands. */
export async function publishVideo(tx: Transaction, videoId: number, actorId: number | null): Promise<void> {
  await tellOfVideo(tx, videoId, ['library', videoTopic(videoId)], actorId);
}

/** Tells the library alone how the video now stands: its own page has heard of its clips, and counts them itself. */
export async function publishToLibrary(tx: Transaction, videoId: number, actorId: number | null): Promise<void> {
  await tellOfVideo(tx, videoId, ['library'], actorId);
}

async function tellOfVideo(tx: Transaction, videoId: number, topics: readonly Topic[], actorId: number | null): Promise<void> {
  const [video] = await videoViews(tx, [videoId]);
  if (video === undefined) return;
  for (const topic of topics) await publish(tx, topic, { type: 'video-changed', payload: { video } }, actorId);
}

/** Whether the library holds any video. */
export async function hasVideos(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`select exists (select from videos where deleted_at is null) as found`;
  return row!.found;
}
