import { templateProblem } from '#lib/core/export-names.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Outcome } from '#lib/server/features/manage-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { clipsById, publishClips } from '#lib/server/stores/clips.ts';
import {
  exportSettings,
  queueExports,
  setExportSettings,
  type ExportSettings,
  type ExportSource,
} from '#lib/server/stores/export-settings.ts';
import { findVideo, publishToLibrary } from '#lib/server/stores/videos.ts';

/** How clips are exported and what their files are called. */
export function currentExportSettings(sql: Sql): Promise<ExportSettings> {
  return exportSettings(sql);
}

/** Changes how clips are exported and what their files are called, from now on. */
export async function changeExportSettings(sql: Database, actor: Actor, settings: ExportSettings): Promise<Outcome> {
  const problem = templateProblem(settings.nameTemplate);
  if (problem !== null) return { kind: 'refused', message: problem };
  await setExportSettings(sql, { ...settings, nameTemplate: settings.nameTemplate.trim() }, actor.userId);
  return { kind: 'ok' };
}

/** Exports approved clips once more, from the proxy or the master. The files that are there are replaced when the new ones are done. */
export async function exportAgain(sql: Database, actor: Actor, clipIds: readonly number[], source: ExportSource): Promise<Outcome> {
  // Asked before anything is queued: a file that is there must not go for one that can't be made.
  const unreadable = source === 'master' ? await unreadableMasters(sql, clipIds) : [];
  if (unreadable.length > 0) {
    const titles = unreadable.map((title) => `“${title}”`).join(', ');
    return {
      kind: 'refused',
      message: `The master of ${titles} can’t be read now: restore it on the video’s page, or export from the proxy.`,
    };
  }
  const queued = await sql.begin(async (tx) => {
    const clips = await queueExports(tx, clipIds, source);
    for (const { id, videoId, version } of clips) {
      await enqueueStage(tx, 'export', { itemId: id, videoId }, { revision: `v${version}` });
    }
    for (const [videoId, own] of Map.groupBy(clips, (clip) => clip.videoId)) {
      await publishClips(tx, videoId, { cause: 'export-queued', removedClipIds: [], clipIds: own.map(({ id }) => id) }, actor);
      await publishToLibrary(tx, videoId, actor.userId);
    }
    return clips.length;
  });
  if (queued === 0)
    return { kind: 'refused', message: 'None of these clips can be exported now: they must be approved, and not under way.' };
  return { kind: 'ok' };
}

/** The titles of the videos of some clips whose masters are archived or gone. */
async function unreadableMasters(sql: Sql, clipIds: readonly number[]): Promise<string[]> {
  const videoIds = [...new Set((await clipsById(sql, clipIds)).map((clip) => clip.videoId))];
  const found = await Promise.all(
    videoIds.map(async (videoId) => {
      const video = await findVideo(sql, videoId);
      const availability = video?.masterKey ? await objectStore().availability(video.masterKey) : null;
      return video === null || availability?.kind === 'ready' || availability?.kind === 'restored' ? [] : [video.title];
    }),
  );
  return found.flat();
}
