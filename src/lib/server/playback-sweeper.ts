import { config } from '#lib/server/config.ts';
import type { Sql } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { parseTempClipKey } from '#lib/server/storage/keys.ts';
import { playbackCache } from '#lib/server/storage/playback-cache.ts';
import { noteCacheState } from '#lib/server/stores/playback-files.ts';

const LOOK_EVERY_MS = 60_000;
const CLEAN_EVERY_MS = 4 * 3_600_000;
const MAX_AGE_MS = 15 * 60_000;
const IN_USE_MS = 60_000;

/**
 * Keeps this machine's playback cache within its limits until the function that it gives is called:
 * each minute by size and free disk, every four hours by age too. It runs on each machine, and not as
 * a job, because each has a disk of its own; two processes of one machine do no harm to each other.
 */
export function startPlaybackSweeper(sql: Sql): () => void {
  let cleanedAtMs = Date.now();
  let isSweeping = false;
  const look = () => {
    if (isSweeping) return;
    isSweeping = true;
    const byAge = Date.now() - cleanedAtMs >= CLEAN_EVERY_MS;
    if (byAge) cleanedAtMs = Date.now();
    sweepPlaybackCache(sql, { byAge })
      .catch((error: unknown) => log.warn({ err: error }, 'the playback cache was not swept'))
      .finally(() => (isSweeping = false));
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  look();
  return () => clearInterval(timer);
}

/** Sweeps this machine's playback cache once, and notes how it stands. Gives how many files went. */
export async function sweepPlaybackCache(
  sql: Sql,
  { byAge, nowMs }: { readonly byAge: boolean; readonly nowMs?: number },
): Promise<number> {
  const { maxBytes, minFreeBytes } = config().playbackCache;
  const limits = { maxBytes, minFreeBytes, maxAgeMs: byAge ? MAX_AGE_MS : Infinity, inUseMs: IN_USE_MS };
  const { removedKeys, ...state } = await playbackCache().sweep(limits, nowMs);
  const removed = removedKeys.flatMap((key) => parseTempClipKey(key) ?? []);
  await noteCacheState(sql, playbackCache().id, { ...state, limitBytes: maxBytes, removed });
  const facts = { ...state, removedFiles: removedKeys.length };
  if (state.diskFreeBytes < minFreeBytes) log.warn(facts, 'the disk of the playback cache is nearly full: free some space');
  else if (byAge || removedKeys.length > 0) log.info(facts, 'playback cache swept');
  return removedKeys.length;
}
