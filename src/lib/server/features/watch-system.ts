import { config } from '#lib/server/config.ts';
import type { Sql } from '#lib/server/db.ts';
import { playbackCaches, type PlaybackCacheView } from '#lib/server/stores/playback-files.ts';

/** What the system page shows. */
export async function systemPage(sql: Sql): Promise<{ caches: PlaybackCacheView[]; minFreeBytes: number }> {
  return { caches: await playbackCaches(sql), minFreeBytes: config().playbackCache.minFreeBytes };
}
