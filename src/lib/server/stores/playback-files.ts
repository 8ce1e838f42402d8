import type { FrameSpan } from '#lib/core/cuts.ts';
import type { Sql } from '#lib/server/db.ts';

/** Beyond this age of its last word a cache counts as gone, with its machine. */
const LOST_AFTER_SECONDS = 300;

/** How the playback cache of one machine stands. */
export interface PlaybackCacheView {
  readonly id: string;
  readonly seenAt: string;
  readonly isLost: boolean;
  readonly fileCount: number;
  readonly sizeBytes: number;
  readonly limitBytes: number;
  readonly diskFreeBytes: number;
  /** Files made and removed since the cache is known. */
  readonly madeCount: number;
  readonly evictedCount: number;
}

/** A file of a cache. */
export interface PlaybackFile extends FrameSpan {
  readonly clipId: number;
}

/** Notes that a cache has made a file. A clip that is gone by now is left out. */
export async function notePlaybackFile(sql: Sql, cacheId: string, file: PlaybackFile & { readonly sizeBytes: number }): Promise<void> {
  await sql`
    insert into playback_caches (id, made_count) values (${cacheId}, 1)
    on conflict (id) do update set made_count = playback_caches.made_count + 1`;
  await sql`
    insert into playback_files (cache_id, clip_id, start_frame, end_frame, size_bytes)
    select ${cacheId}, id, ${file.startFrame}, ${file.endFrame}, ${file.sizeBytes} from clips where id = ${file.clipId}
    on conflict (clip_id, start_frame, end_frame, cache_id) do update set size_bytes = excluded.size_bytes, made_at = now()`;
}

/** Which caches other than `cacheId` hold files of clips, those of lost machines not counted. */
export async function playbackFilesElsewhere(
  sql: Sql,
  cacheId: string,
  clipIds: readonly number[],
): Promise<(PlaybackFile & { readonly cacheId: string })[]> {
  return [
    ...(await sql<(PlaybackFile & { cacheId: string })[]>`
      select f.cache_id as "cacheId", f.clip_id as "clipId", f.start_frame as "startFrame", f.end_frame as "endFrame"
      from playback_files f join playback_caches c on c.id = f.cache_id
      where f.clip_id = any(${[...clipIds]}) and f.cache_id <> ${cacheId}
        and c.seen_at > now() - make_interval(secs => ${LOST_AFTER_SECONDS})
      order by f.made_at desc`),
  ];
}

/** Notes how a cache stands after a sweep, and which files went. Forgets caches of which nothing was heard for a day. */
export async function noteCacheState(
  sql: Sql,
  cacheId: string,
  state: {
    readonly fileCount: number;
    readonly sizeBytes: number;
    readonly limitBytes: number;
    readonly diskFreeBytes: number;
    readonly removed: readonly PlaybackFile[];
  },
): Promise<void> {
  const { fileCount, sizeBytes, limitBytes, diskFreeBytes, removed } = state;
  await sql`
    insert into playback_caches as known (id, file_count, size_bytes, limit_bytes, disk_free_bytes, evicted_count)
    values (${cacheId}, ${fileCount}, ${sizeBytes}, ${limitBytes}, ${diskFreeBytes}, ${removed.length})
    on conflict (id) do update
      set seen_at = now(), file_count = excluded.file_count, size_bytes = excluded.size_bytes, limit_bytes = excluded.limit_bytes,
          disk_free_bytes = excluded.disk_free_bytes, evicted_count = known.evicted_count + excluded.evicted_count`;
  for (const { clipId, startFrame, endFrame } of removed) {
    await sql`
      delete from playback_files
      where cache_id = ${cacheId} and clip_id = ${clipId} and start_frame = ${startFrame} and end_frame = ${endFrame}`;
  }
  await sql`delete from playback_caches where seen_at < now() - interval '1 day'`;
}

/** The playback caches of all machines. */
export async function playbackCaches(sql: Sql): Promise<PlaybackCacheView[]> {
  return [
    ...(await sql<PlaybackCacheView[]>`
      select id, to_char(seen_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "seenAt",
             seen_at < now() - make_interval(secs => ${LOST_AFTER_SECONDS}) as "isLost",
             file_count as "fileCount", size_bytes::float8 as "sizeBytes", limit_bytes::float8 as "limitBytes",
             disk_free_bytes::float8 as "diskFreeBytes", made_count::float8 as "madeCount", evicted_count::float8 as "evictedCount"
      from playback_caches order by id`),
  ];
}
