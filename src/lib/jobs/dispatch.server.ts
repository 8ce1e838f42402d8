import type { StageName } from '#lib/jobs/stages.ts';
import type { VideoState } from '#lib/live/views.ts';
import type { Database } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { dispatchDeliveries } from '#lib/server/features/deliver-webhooks.ts';
import { lookAfterRestores } from '#lib/server/features/keep-library.ts';
import { foldJobChanges } from '#lib/server/features/watch-queues.ts';
import { videosToEmbed } from '#lib/server/features/embed-clips.ts';
import { videosLackingColors } from '#lib/server/stores/clip-colors.ts';
import { strandedExports } from '#lib/server/stores/clips.ts';
import { videosWithoutStills } from '#lib/server/stores/stills.ts';
import { unfinishedVideos } from '#lib/server/stores/videos.ts';

/** The stage that a video in this state waits for. */
const STAGE_FOR: Partial<Record<VideoState, StageName>> = {
  downloading: 'download',
  downloaded: 'encode',
  encoding: 'encode',
  encoded: 'detect-scenes',
  detecting: 'detect-scenes',
};

/**
 * Makes sure that everything on its way has a job: what a lost job has stranded goes on, and
 * masters that come back from the archive are noticed. Folds changes of jobs where no web process does.
 * Harmless to run often and on several nodes: a job that is there is not doubled.
 */
export async function dispatch(sql: Database): Promise<void> {
  while (await foldJobChanges(sql));
  for (const { id, state } of await unfinishedVideos(sql)) {
    const stage = STAGE_FOR[state];
    if (stage !== undefined) await sql.begin((tx) => enqueueStage(tx, stage, { itemId: id, videoId: id }));
  }
  for (const id of await videosWithoutStills(sql)) await sql.begin((tx) => enqueueStage(tx, 'keyframes', { itemId: id, videoId: id }));
  for (const id of await videosLackingColors(sql)) await sql.begin((tx) => enqueueStage(tx, 'colors', { itemId: id, videoId: id }));
  for (const id of await videosToEmbed(sql)) await sql.begin((tx) => enqueueStage(tx, 'embed', { itemId: id, videoId: id }));
  await dispatchDeliveries(sql);
  await lookAfterRestores(sql);
  for (const { id, videoId, version } of await strandedExports(sql)) {
    await sql.begin((tx) => enqueueStage(tx, 'export', { itemId: id, videoId }, { revision: `v${version}` }));
  }
}
