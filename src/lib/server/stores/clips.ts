import type { ClipState, LiveClip, ReviewClip } from '#lib/core/review.ts';
import { spansOverlap, type FrameSpan } from '#lib/core/cuts.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { ClipView, ExportState } from '#lib/live/views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';
import type { ExportSource } from '#lib/server/stores/export-settings.ts';
import { publish, signal } from '#lib/server/stores/outbox.ts';

/** Frames of a clip, and whose they are. */
export interface FrameSpanWithId extends FrameSpan {
  readonly id: number;
}

type ClipViewRow = Omit<ClipView, 'decidedBy'> & { deciderId: number | null; deciderName: string | null };

function selectViews(sql: Sql) {
  return sql`
    select c.id, c.video_id as "videoId", c.start_frame as "startFrame", c.end_frame as "endFrame", c.state,
           c.group_id as "groupId", c.version, u.id as "deciderId", u.name as "deciderName",
           to_char(c.decided_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "decidedAt",
           c.export_state as "exportState", c.export_error as "exportError",
           array(select t.tag from clip_tags t where t.clip_id = c.id order by t.tag) as tags,
           coalesce((select json_agg(json_build_object('userId', r.user_id, 'stars', r.stars) order by r.user_id)
                     from clip_ratings r where r.clip_id = c.id), '[]') as ratings,
           case when s.clip_id is not null then json_build_object('count', cardinality(s.frames), 'tileCount', s.tile_count,
             'width', s.width, 'height', s.height, 'blurhash', s.blurhash) end as stills
    from clips c join videos v on v.id = c.video_id and v.deleted_at is null left join users u on u.id = c.decided_by
         left join clip_stills s on s.clip_id = c.id and s.start_frame = c.start_frame and s.end_frame = c.end_frame`;
}

function toView({ deciderId, deciderName, ...row }: ClipViewRow): ClipView {
  return { ...row, decidedBy: deciderId !== null && deciderName !== null ? { id: deciderId, name: deciderName } : null };
}

/** A video's live clips in source order. */
export async function clipsOfVideo(sql: Sql, videoId: number): Promise<ClipView[]> {
  return clipsOfVideos(sql, [videoId]);
}

/** The live clips of videos, video by video in source order. */
export async function clipsOfVideos(sql: Sql, videoIds: readonly number[]): Promise<ClipView[]> {
  const rows = await sql<ClipViewRow[]>`
    ${selectViews(sql)} where c.video_id = any(${[...videoIds]}) and c.superseded_at is null order by c.video_id, c.start_frame`;
  return rows.map(toView);
}

/** The live clips of a review session, in the order of its films. */
export async function clipsInSession(sql: Sql, sessionId: number): Promise<ClipView[]> {
  const rows = await sql<ClipViewRow[]>`
    ${selectViews(sql)}
    where c.superseded_at is null
      and exists (select from review_session_spans p where p.session_id = ${sessionId} and p.video_id = c.video_id
                  and c.start_frame < p.end_frame and c.end_frame > p.start_frame)
    order by c.video_id, c.start_frame`;
  return rows.map(toView);
}

/** Live clips by id; those that are gone are left out. */
export async function clipsById(sql: Sql, clipIds: readonly number[]): Promise<ClipView[]> {
  const rows = await sql<ClipViewRow[]>`
    ${selectViews(sql)} where c.id = any(${[...clipIds]}) and c.superseded_at is null order by c.video_id, c.start_frame`;
  return rows.map(toView);
}

/** All approved clips, for the exports page, newest decision first. */
export async function approvedClips(sql: Sql): Promise<ClipView[]> {
  const rows = await sql<ClipViewRow[]>`
    ${selectViews(sql)} where c.state = 'approved' and c.superseded_at is null order by c.video_id desc, c.start_frame`;
  return rows.map(toView);
}

/** A live clip and the one before it in its video; null when the clip is gone. */
export async function clipWithPrevious(
  sql: Sql,
  clipId: number,
): Promise<{ videoId: number; clip: LiveClip; previous: LiveClip | null } | null> {
  const [row] = await sql<{ videoId: number }[]>`
    select c.video_id as "videoId" from clips c join videos v on v.id = c.video_id
    where c.id = ${clipId} and c.superseded_at is null and v.deleted_at is null`;
  if (row === undefined) return null;
  const pair = await sql<LiveClip[]>`
    select id, start_frame as "startFrame", end_frame as "endFrame", state, group_id as "groupId", version
    from clips
    where video_id = ${row.videoId} and superseded_at is null
      and start_frame <= (select start_frame from clips where id = ${clipId})
    order by start_frame desc limit 2`;
  const [clip, previous] = pair;
  return clip === undefined ? null : { videoId: row.videoId, clip, previous: previous ?? null };
}

/** Live clips by id, locked rows not needed: the caller holds the video's lock. */
export async function liveClips(sql: Sql, clipIds: readonly number[]): Promise<LiveClip[]> {
  return [
    ...(await sql<LiveClip[]>`
      select id, start_frame as "startFrame", end_frame as "endFrame", state, group_id as "groupId", version
      from clips where id = any(${[...clipIds]}) and superseded_at is null order by start_frame`),
  ];
}

/**
 * Replaces clips by others over the same frames. A clip of `after` whose id is in `before` is
 * changed in place; an id that is not live is brought back; one without an id is made.
 * Every clip touched gets a new version, and its export is void unless its frames and approval stay.
 * Gives the clips after, in source order, with their ids.
 */
export async function replaceClips(
  tx: Transaction,
  videoId: number,
  before: readonly LiveClip[],
  after: readonly ReviewClip[],
  actorId: number | null,
): Promise<LiveClip[]> {
  // Out of the way first: the exclusion constraint looks at each statement.
  await tx`update clips set superseded_at = now(), version = version + 1 where id = any(${before.map((clip) => clip.id)})`;
  const result: LiveClip[] = [];
  for (const clip of after) {
    const decided = clip.state !== 'pending';
    const rows =
      clip.id === null
        ? await tx<{ id: number; version: number }[]>`
            insert into clips (video_id, start_frame, end_frame, state, group_id, decided_by, decided_at)
            values (${videoId}, ${clip.startFrame}, ${clip.endFrame}, ${clip.state}, ${clip.groupId},
                    ${decided ? actorId : null}, ${decided ? tx`now()` : null})
            returning id, version`
        : await tx<{ id: number; version: number }[]>`
            update clips
            set superseded_at = null,
                export_state = case when ${clip.state} = 'approved' and state = 'approved'
                  and start_frame = ${clip.startFrame} and end_frame = ${clip.endFrame} then export_state else 'none' end,
                export_key = case when start_frame = ${clip.startFrame} and end_frame = ${clip.endFrame} then export_key end,
                export_error = null,
                start_frame = ${clip.startFrame}, end_frame = ${clip.endFrame}, state = ${clip.state}, group_id = ${clip.groupId},
                decided_by = case when state = ${clip.state} then decided_by when ${decided} then ${actorId}::int end,
                decided_at = case when state = ${clip.state} then decided_at when ${decided} then now() end
            where id = ${clip.id} and video_id = ${videoId}
            returning id, version`;
    const row = rows[0];
    if (row === undefined) throw new Error(`Clip ${clip.id} of video ${videoId} has no row to change.`);
    if (clip.id === null) await inheritMarks(tx, row.id, before, clip);
    result.push({ ...clip, id: row.id, version: row.version });
  }
  return result;
}

/** Changes only the states of live clips of a video: as `replaceClips` does, for many at once. Gives them as they are then. */
export async function setClipStates(
  tx: Transaction,
  changes: readonly { readonly id: number; readonly state: ClipState }[],
  actorId: number,
): Promise<LiveClip[]> {
  return [
    ...(await tx<LiveClip[]>`
      update clips c
      set version = c.version + 1, state = n.state, export_error = null,
          export_state = case when n.state = 'approved' and c.state = 'approved' then c.export_state else 'none' end,
          decided_by = case when c.state = n.state then c.decided_by when n.state <> 'pending' then ${actorId}::int end,
          decided_at = case when c.state = n.state then c.decided_at when n.state <> 'pending' then now() end
      from unnest(${changes.map((change) => change.id)}::int[], ${changes.map((change) => change.state)}::text[]) as n (id, state)
      where c.id = n.id and c.superseded_at is null
      returning c.id, c.start_frame as "startFrame", c.end_frame as "endFrame", c.state, c.group_id as "groupId", c.version`),
  ].sort((one, other) => one.startFrame - other.startFrame);
}

/** A new clip takes over the tags and stars of the clips whose frames it has; of two ratings by one person the higher. */
async function inheritMarks(tx: Transaction, clipId: number, before: readonly LiveClip[], span: FrameSpan): Promise<void> {
  const parentIds = before.filter((clip) => spansOverlap(clip, span)).map((clip) => clip.id);
  await tx`
    insert into clip_tags (clip_id, tag, created_by, created_at)
    select distinct on (tag) ${clipId}::int, tag, created_by, created_at from clip_tags where clip_id = any(${parentIds}) order by tag, created_at`;
  await tx`
    insert into clip_ratings (clip_id, user_id, stars)
    select ${clipId}::int, user_id, max(stars) from clip_ratings where clip_id = any(${parentIds}) group by user_id`;
}

/** Makes the first clips of a video, one for each span. */
export async function insertClips(tx: Transaction, videoId: number, spans: readonly FrameSpan[]): Promise<void> {
  await tx`
    insert into clips (video_id, start_frame, end_frame)
    select ${videoId}, s, e from unnest(${spans.map((span) => span.startFrame)}::int[], ${spans.map((span) => span.endFrame)}::int[]) as t (s, e)`;
}

/** The frame up to which a video is cut into clips; 0 for none. */
export async function clippedEnd(sql: Sql, videoId: number): Promise<number> {
  const [row] = await sql<{ end: number }[]>`
    select coalesce(max(end_frame), 0) as "end" from clips where video_id = ${videoId} and superseded_at is null`;
  return row!.end;
}

/** A video's live clips that begin at a frame or later, in source order. */
export async function clipsFrom(sql: Sql, videoId: number, startFrame: number): Promise<FrameSpanWithId[]> {
  return [
    ...(await sql<FrameSpanWithId[]>`
      select id, start_frame as "startFrame", end_frame as "endFrame" from clips
      where video_id = ${videoId} and superseded_at is null and start_frame >= ${startFrame} order by start_frame`),
  ];
}

/** The videos of live clips, each once, in order. */
export async function videosOfClips(sql: Sql, clipIds: readonly number[]): Promise<number[]> {
  const rows = await sql<{ videoId: number }[]>`
    select distinct video_id as "videoId" from clips where id = any(${[...clipIds]}) and superseded_at is null order by video_id`;
  return rows.map((row) => row.videoId);
}

/** What an export job needs to know of a clip. */
export interface ExportRow {
  readonly id: number;
  readonly videoId: number;
  readonly startFrame: number;
  readonly endFrame: number;
  readonly version: number;
  readonly state: ClipState;
  readonly exportState: ExportState;
  readonly exportKey: string | null;
  readonly exportBytes: number | null;
  /** What its file is, or is to be, cut from; null as the settings say. */
  readonly exportSource: ExportSource | null;
  readonly isLive: boolean;
}

/** Clips for export and download, by id, also those that are no longer live. */
export async function exportRows(sql: Sql, clipIds: readonly number[]): Promise<ExportRow[]> {
  return [
    ...(await sql<ExportRow[]>`
      select id, video_id as "videoId", start_frame as "startFrame", end_frame as "endFrame", version, state,
             export_state as "exportState", export_key as "exportKey", export_bytes::float8 as "exportBytes",
             export_source as "exportSource", superseded_at is null as "isLive"
      from clips
      where id = any(${[...clipIds]}) and video_id not in (select id from videos where deleted_at is not null)
      order by video_id, start_frame`),
  ];
}

/** Sets how a clip's export stands, if the clip still has the version that is being exported. */
export async function setExportState(
  tx: Transaction,
  clipId: number,
  version: number,
  to: {
    readonly state: ExportState;
    readonly key?: string;
    readonly bytes?: number;
    readonly source?: ExportSource;
    readonly error?: string;
  },
): Promise<boolean> {
  const rows = await tx`
    update clips set export_state = ${to.state}, export_key = coalesce(${to.key ?? null}, export_key),
           export_bytes = coalesce(${to.bytes ?? null}, export_bytes), export_source = coalesce(${to.source ?? null}, export_source),
           export_error = ${to.error ?? null}
    where id = ${clipId} and version = ${version} and superseded_at is null and state = 'approved' returning id`;
  return rows.length === 1;
}

/** Approved clips that no export has finished or failed: what the dispatcher makes sure has a job. */
export async function strandedExports(sql: Sql): Promise<{ id: number; videoId: number; version: number }[]> {
  return [
    ...(await sql<{ id: number; videoId: number; version: number }[]>`
      select c.id, c.video_id as "videoId", c.version from clips c join videos v on v.id = c.video_id
      where c.superseded_at is null and c.state = 'approved' and c.export_state in ('none', 'queued', 'exporting')
        and c.decided_at < now() - interval '20 seconds' and v.proxy_key is not null and v.deleted_at is null limit 500`),
  ];
}

/** A video's approved clips that are not exported yet. */
export async function unexportedClips(sql: Sql, videoId: number): Promise<{ id: number; version: number }[]> {
  return [
    ...(await sql<{ id: number; version: number }[]>`
      select id, version from clips
      where video_id = ${videoId} and superseded_at is null and state = 'approved' and export_state in ('none', 'queued')`),
  ];
}

/** So many ids fit into one notification. */
const IDS_PER_SIGNAL = 700;

/** Tells pages that show clips of any video which ones to look at again. */
export async function touchClips(tx: Transaction, clipIds: readonly number[]): Promise<void> {
  for (let start = 0; start < clipIds.length; start += IDS_PER_SIGNAL) {
    const payload = { clipIds: clipIds.slice(start, start + IDS_PER_SIGNAL) };
    await signal(tx, { topic: 'library', type: 'clips-touched', payload });
  }
}

/** Tells a video's page, and pages that show clips of any video, which clips are gone and how those named now stand. */
export async function publishClips(
  tx: Transaction,
  videoId: number,
  change: { readonly cause: string; readonly removedClipIds: readonly number[]; readonly clipIds: readonly number[] },
  actor: { readonly userId: number; readonly name: string } | null,
): Promise<ClipView[]> {
  const clips = await clipsById(tx, change.clipIds);
  await publish(
    tx,
    videoTopic(videoId),
    {
      type: 'clips-changed',
      payload: { videoId, cause: change.cause, actorName: actor?.name ?? null, removedClipIds: change.removedClipIds, clips },
    },
    actor?.userId ?? null,
  );
  await touchClips(tx, [...change.removedClipIds, ...change.clipIds]);
  return clips;
}
