import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { extensionOf, plainFileName, titleOf } from '#lib/core/titles.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import { bringBackVideo } from '#lib/server/features/manage-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { probeSource } from '#lib/server/media/probe.ts';
import { originalKey, originalPrefix } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { findDuplicate, insertVideo, reserveVideoId, setSource } from '#lib/server/stores/imports.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import { settleUpload } from '#lib/server/stores/uploads.ts';
import { deleteVideo, isDeleted, lockVideo, publishVideo } from '#lib/server/stores/videos.ts';

/** What became of an import: a new video, one that is there already, or a reason for people. */
export type ImportOutcome =
  | { readonly kind: 'ok'; readonly videoId: number }
  | { readonly kind: 'duplicate'; readonly videoId: number }
  | { readonly kind: 'refused'; readonly message: string };

interface LocalFile {
  readonly path: string;
  readonly fileName: string;
}

/** An original in its place in the object store. */
interface Original {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly fileName: string;
}

/** Takes a finished local file into the library, unless it is no video or its content is there already. */
export async function importFile(
  sql: Database,
  actor: Actor,
  file: LocalFile & { readonly sourceUrl: string | null },
): Promise<ImportOutcome> {
  const checked = await checkFile(sql, file);
  if (checked.kind !== 'new') return checked;
  const videoId = await reserveVideoId(sql);
  const original = await storeOriginal(videoId, file, checked.sha256);
  const outcome = await orDuplicate(sql, checked.sha256, () =>
    sql.begin(async (tx) => {
      const { fileName } = original;
      await insertVideo(tx, { id: videoId, title: titleOf(fileName), fileName, sourceUrl: file.sourceUrl, createdBy: actor.userId });
      await takeIn(tx, videoId, original);
      await publishVideo(tx, videoId, actor.userId);
      return { kind: 'ok', videoId };
    }),
  );
  if (outcome.kind === 'duplicate') await objectStore().remove(original.key);
  return outcome;
}

/** The video with this content or from this URL; one that was removed is brought back, for somebody wants it again. */
async function knownVideo(sql: Database, by: Parameters<typeof findDuplicate>[1]): Promise<number | null> {
  const videoId = await findDuplicate(sql, by);
  if (videoId !== null && (await isDeleted(sql, videoId))) await bringBackVideo(sql, null, videoId);
  return videoId;
}

/** Notes a video that is to be downloaded; its page is there at once. */
export async function importUrl(sql: Database, actor: Actor, { url }: { readonly url: string }): Promise<ImportOutcome> {
  const parsed = URL.parse(url.trim());
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) {
    return { kind: 'refused', message: 'Give the address of a video or of a page with one: https://…' };
  }
  if (parsed.username !== '' || parsed.password !== '') {
    return { kind: 'refused', message: 'The address holds a user name or password: these would be seen by everyone. Remove them.' };
  }
  const sourceUrl = parsed.href;
  const known = await knownVideo(sql, { sourceUrl });
  if (known !== null) return { kind: 'duplicate', videoId: known };
  return sql.begin(async (tx): Promise<ImportOutcome> => {
    const fileName = plainFileName(decodeLastSegment(parsed));
    const videoId = await insertVideo(tx, { title: titleOf(fileName), fileName, sourceUrl, createdBy: actor.userId });
    await enqueueStage(tx, 'download', { itemId: videoId, videoId });
    await publishVideo(tx, videoId, actor.userId);
    return { kind: 'ok', videoId };
  }) as Promise<ImportOutcome>;
}

/**
 * Gives a downloading video its file. When the content is there already, the new video goes and
 * the outcome names the one that stays.
 */
export async function completeDownload(sql: Database, videoId: number, file: LocalFile): Promise<ImportOutcome> {
  const checked = await checkFile(sql, file);
  if (checked.kind === 'refused') return checked;
  if (checked.kind === 'duplicate') return giveWay(sql, videoId, checked.videoId);
  return giveOriginal(sql, videoId, await storeOriginal(videoId, file, checked.sha256));
}

/**
 * Finds out whether the content of an uploaded object is here already, reading it once; then the new video goes, else it
 * is encoded. `onProgress` gets the share that has been read, in percent.
 */
export async function identifyUpload(
  sql: Database,
  video: { readonly id: number; readonly key: string; readonly fileName: string },
  options: { readonly signal: AbortSignal; readonly onProgress: (percent: number) => void },
): Promise<ImportOutcome> {
  const stat = await objectStore().stat(video.key);
  if (stat === null) return { kind: 'refused', message: 'The uploaded file is gone: upload it again.' };
  let readBytes = 0;
  const hash = createHash('sha256');
  for await (const chunk of addAbortSignal(options.signal, await objectStore().openRead(video.key)) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    options.onProgress((100 * (readBytes += chunk.length)) / stat.sizeBytes);
  }
  const original = { key: video.key, sizeBytes: stat.sizeBytes, sha256: hash.digest('hex'), fileName: video.fileName };
  const known = await knownVideo(sql, { sha256: original.sha256 });
  return known === null ? giveOriginal(sql, video.id, original) : giveWay(sql, video.id, known);
}

/** Makes an original a video's own. One whose video is gone, or gives way, is removed. */
async function giveOriginal(sql: Database, videoId: number, original: Original): Promise<ImportOutcome> {
  let isGone = false;
  const outcome = await orDuplicate(sql, original.sha256, () =>
    sql.begin(async (tx) => {
      isGone = (await lockVideo(tx, videoId)) === null;
      if (!isGone) {
        await takeIn(tx, videoId, original);
        await settleUpload(tx, videoId, null);
        await publishVideo(tx, videoId, null);
      }
      return { kind: 'ok', videoId };
    }),
  );
  if (isGone) await objectStore().remove(original.key);
  return outcome.kind === 'duplicate' ? giveWay(sql, videoId, outcome.videoId) : outcome;
}

/** Removes a new video in favour of the one with the same content. */
async function giveWay(sql: Database, videoId: number, knownId: number): Promise<ImportOutcome> {
  if (knownId !== videoId) {
    await sql.begin(async (tx) => {
      await settleUpload(tx, videoId, knownId);
      await deleteVideo(tx, videoId);
      for (const topic of ['library', videoTopic(videoId)] as const) {
        await publish(tx, topic, { type: 'video-removed', payload: { videoId } }, null);
      }
    });
    await objectStore().removePrefix(originalPrefix(videoId));
  }
  return { kind: 'duplicate', videoId: knownId };
}

async function checkFile(
  sql: Database,
  file: LocalFile,
): Promise<Exclude<ImportOutcome, { kind: 'ok' }> | { readonly kind: 'new'; readonly sha256: string }> {
  const probe = await probeSource(file.path);
  if (probe.kind === 'refused') return { kind: 'refused', message: probe.reason };
  const sha256 = await digestOf(file.path);
  const known = await knownVideo(sql, { sha256 });
  return known === null ? { kind: 'new', sha256 } : { kind: 'duplicate', videoId: known };
}

/** Moves a file to its place in the store. It takes long where that is far, so no transaction waits for it; a lost one is swept. */
async function storeOriginal(videoId: number, file: LocalFile, sha256: string): Promise<Original> {
  const { size: sizeBytes } = await stat(file.path);
  const key = originalKey(videoId, extensionOf(file.fileName));
  await objectStore().publish(key, file.path);
  return { key, sizeBytes, sha256, fileName: plainFileName(file.fileName) };
}

async function takeIn(tx: Transaction, videoId: number, original: Original): Promise<void> {
  await setSource(tx, videoId, { ...original, title: titleOf(original.fileName) });
  await enqueueStage(tx, 'encode', { itemId: videoId, videoId });
}

/** Two imports of the same content at once: the unique index lets one win, the other is told of it. */
async function orDuplicate(sql: Database, sha256: string, run: () => Promise<ImportOutcome>): Promise<ImportOutcome> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof postgres.PostgresError && error.constraint_name === 'videos_source_sha256')) throw error;
    const videoId = await knownVideo(sql, { sha256 });
    if (videoId === null) throw error;
    return { kind: 'duplicate', videoId };
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

function decodeLastSegment(url: URL): string {
  const segment = url.pathname.split('/').findLast((part) => part !== '') ?? url.hostname;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
