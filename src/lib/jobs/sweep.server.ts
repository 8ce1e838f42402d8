import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { config } from '#lib/server/config.ts';
import type { Database } from '#lib/server/db.ts';
import { applyLibraryRules } from '#lib/server/features/keep-library.ts';
import { expireUploads } from '#lib/server/features/upload-parts.ts';
import { log } from '#lib/server/log.ts';
import { ATTEMPT_PREFIXES } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { removeEndedTokens } from '#lib/server/stores/api-tokens.ts';
import { removeOldActionItems } from '#lib/server/stores/job-action-items.ts';
import { removeOldAttempts } from '#lib/server/stores/job-attempts.ts';
import { removeOldStatistics } from '#lib/server/stores/job-statistics.ts';
import { forgetLostWorkers } from '#lib/server/stores/job-workers.ts';
import { removeDeletedSearches } from '#lib/server/stores/saved-searches.ts';
import { removeExpiredImages } from '#lib/server/stores/search-images.ts';
import { unreferencedKeys } from '#lib/server/stores/media-keys.ts';
import { removeOldCalls } from '#lib/server/stores/pool-calls.ts';
import { removeOldPoolEvents } from '#lib/server/stores/pools.ts';
import { removeOldDeliveries } from '#lib/server/stores/webhooks.ts';

/** Longer than any attempt may take: what is older and not referred to, nobody will refer to. */
const ATTEMPT_LIFETIME_MS = 24 * 3_600_000;
const CALL_LIFETIME_DAYS = 14;
const POOL_EVENT_LIFETIME_DAYS = 90;
const ENDED_TOKEN_LIFETIME_DAYS = 90;
const DELIVERY_LIFETIME_DAYS = 30;
/** As long as pg-boss keeps ended jobs: see `migrate-jobs.ts`. */
const ATTEMPT_LIFETIME_DAYS = 14;
const STATISTICS_LIFETIME = { minuteDays: 2, hourDays: 90 };
const UNDO_LIFETIME_DAYS = 1;

/**
 * Removes what nobody needs: files of attempts that another attempt has overtaken or whose video is gone,
 * uploads that nobody has finished, what the library’s rules say, work folders that a crash left, old records.
 */
export async function sweep(sql: Database, nowMs = Date.now()): Promise<void> {
  const removedFiles = (await sweepAttempts(sql, nowMs)) + (await sweepWorkFolders(nowMs));
  const endedUploads = await expireUploads(sql, nowMs);
  const ruledOut = await applyLibraryRules(sql);
  await removeDeletedSearches(sql);
  const removedImages = await removeExpiredImages(sql);
  const removedCalls = await removeOldCalls(sql, CALL_LIFETIME_DAYS);
  await removeOldPoolEvents(sql, POOL_EVENT_LIFETIME_DAYS);
  await removeEndedTokens(sql, ENDED_TOKEN_LIFETIME_DAYS);
  await removeOldDeliveries(sql, DELIVERY_LIFETIME_DAYS);
  await removeOldAttempts(sql, ATTEMPT_LIFETIME_DAYS);
  await removeOldStatistics(sql, STATISTICS_LIFETIME);
  await removeOldActionItems(sql, UNDO_LIFETIME_DAYS);
  await forgetLostWorkers(sql);
  log.info({ removedFiles, endedUploads, ruledOut, removedImages, removedCalls }, 'swept');
}

async function sweepAttempts(sql: Database, nowMs: number): Promise<number> {
  let removedCount = 0;
  for (const prefix of ATTEMPT_PREFIXES) {
    const old = (await objectStore().list(prefix)).filter(({ usedAtMs }) => nowMs - usedAtMs > ATTEMPT_LIFETIME_MS);
    for (const key of await unreferencedKeys(
      sql,
      old.map((object) => object.key),
    )) {
      await objectStore().remove(key);
      removedCount += 1;
    }
  }
  return removedCount;
}

async function sweepWorkFolders(nowMs: number): Promise<number> {
  const workDir = path.join(config().dataDir, 'work');
  let removedCount = 0;
  for (const name of await readdir(workDir).catch(() => [])) {
    const folder = path.join(workDir, name);
    const changedAtMs = (await stat(folder).catch(() => null))?.mtimeMs ?? nowMs;
    if (nowMs - changedAtMs <= ATTEMPT_LIFETIME_MS) continue;
    await rm(folder, { recursive: true, force: true });
    removedCount += 1;
  }
  return removedCount;
}
