import type { Database, Sql } from '#lib/server/db.ts';
import type { Outcome } from '#lib/server/features/manage-video.ts';
import { purgeVideo } from '#lib/server/features/manage-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { log } from '#lib/server/log.ts';
import { objectStore, type Availability } from '#lib/server/storage/object-store.ts';
import {
  librarySettings,
  noteRemovedFile,
  outdatedFiles,
  setLibrarySettings,
  type LibrarySettings,
} from '#lib/server/stores/library-settings.ts';
import { expiredVideos, findVideo, masterRow, publishVideo, restoringMasters, setMasterRestoring } from '#lib/server/stores/videos.ts';

/** The rules, and what they would remove now. */
export async function libraryRules(sql: Sql) {
  const settings = await librarySettings(sql);
  const [originals, masters] = await Promise.all([
    settings.originalDays === null ? [] : outdatedFiles(sql, 'source', settings.originalDays),
    settings.masterDays === null ? [] : outdatedFiles(sql, 'master', settings.masterDays),
  ]);
  return {
    settings,
    due: {
      originalCount: originals.length,
      originalBytes: originals.reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0),
      masterCount: masters.length,
    },
  };
}

/** Changes the rules; the next sweep goes by them. */
export async function changeLibraryRules(sql: Sql, actor: Actor, settings: LibrarySettings): Promise<void> {
  await setLibrarySettings(sql, settings, actor.userId);
  log.info({ userId: actor.userId, ...settings }, 'the library’s rules were changed');
}

/**
 * Removes what the rules say: videos whose grace time is over, with all that they own, and originals and
 * masters that are old enough. A file goes before its row says so, and the row stays when the store fails:
 * then the next sweep does it again. Gives how many went.
 */
export async function applyLibraryRules(sql: Database): Promise<number> {
  const { graceDays, originalDays, masterDays } = await librarySettings(sql);
  let count = 0;
  const each = async (what: object, work: () => Promise<unknown>) => {
    try {
      await work();
      count += 1;
    } catch (error) {
      log.warn({ err: error, ...what }, 'a rule of the library could not be applied; the next sweep tries again');
    }
  };
  for (const videoId of await expiredVideos(sql, graceDays)) await each({ videoId }, () => purgeVideo(sql, videoId));
  for (const [kind, days] of [
    ['source', originalDays],
    ['master', masterDays],
  ] as const) {
    for (const { videoId, key } of days === null ? [] : await outdatedFiles(sql, kind, days)) {
      await each({ videoId, kind }, async () => {
        await objectStore().remove(key);
        await sql.begin(async (tx) => {
          await noteRemovedFile(tx, kind, videoId);
          await publishVideo(tx, videoId, null);
        });
      });
    }
  }
  return count;
}

/** How a video's master can be had. */
export type MasterState =
  (Availability & { readonly sizeBytes: number }) | { readonly kind: 'removed'; readonly at: string } | { readonly kind: 'none' };

/** Whether a video's master can be read now. */
export async function masterState(sql: Sql, videoId: number): Promise<MasterState> {
  const row = await masterRow(sql, videoId);
  if (row?.removedAt != null) return { kind: 'removed', at: row.removedAt };
  const key = row?.masterKey ?? null;
  if (key === null) return { kind: 'none' };
  const [availability, stat] = await Promise.all([objectStore().availability(key), objectStore().stat(key)]);
  return availability === null ? { kind: 'none' } : { ...availability, sizeBytes: stat?.sizeBytes ?? 0 };
}

/** Asks the archive for a video's master. The page hears when it is back. */
export async function restoreMaster(sql: Database, actor: Actor, videoId: number): Promise<Outcome> {
  const video = await findVideo(sql, videoId);
  if (video === null || video.masterKey === null) return { kind: 'refused', message: 'This video has no master any more.' };
  await objectStore().restore(video.masterKey, (await librarySettings(sql)).restoreDays);
  await sql.begin(async (tx) => {
    await setMasterRestoring(tx, videoId, true);
    await publishVideo(tx, videoId, actor.userId);
  });
  return { kind: 'ok' };
}

/** Looks whether masters that were asked for are back, and tells their pages. */
export async function lookAfterRestores(sql: Database): Promise<void> {
  for (const { videoId, masterKey } of await restoringMasters(sql)) {
    const availability = masterKey === null ? null : await objectStore().availability(masterKey);
    if (availability?.kind === 'restoring' || availability?.kind === 'archived') continue;
    await sql.begin(async (tx) => {
      await setMasterRestoring(tx, videoId, false);
      await publishVideo(tx, videoId, null);
    });
  }
}
