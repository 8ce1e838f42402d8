import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { extensionOf, titleOf } from '#lib/core/titles.ts';
import { videoTopic } from '#lib/live/topics.ts';
import type { Database, Transaction } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { probeSource } from '#lib/server/media/probe.ts';
import { originalKey } from '#lib/server/storage/keys.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { findDuplicate, insertVideo, setSource } from '#lib/server/stores/imports.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import { deleteVideo, lockVideo, publishVideo } from '#lib/server/stores/videos.ts';

/** What became of an import: a new video, one that is there already, or a reason for people. */
export type ImportOutcome =
  | { readonly kind: 'ok'; readonly videoId: number }
  | { readonly kind: 'duplicate'; readonly videoId: number }
  | { readonly kind: 'refused'; readonly message: string };

interface LocalFile {
  readonly path: string;
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
  return orDuplicate(sql, checked.sha256, () =>
    sql.begin(async (tx) => {
      const title = titleOf(file.fileName);
      const videoId = await insertVideo(tx, { title, fileName: file.fileName, sourceUrl: file.sourceUrl, createdBy: actor.userId });
      await takeIn(tx, videoId, file, checked.sha256);
      await publishVideo(tx, videoId, actor.userId);
      return { kind: 'ok', videoId };
    }),
  );
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
  const known = await findDuplicate(sql, { sourceUrl });
  if (known !== null) return { kind: 'duplicate', videoId: known };
  return sql.begin(async (tx): Promise<ImportOutcome> => {
    const fileName = decodeLastSegment(parsed);
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
  const outcome: ImportOutcome =
    checked.kind === 'duplicate'
      ? checked
      : await orDuplicate(sql, checked.sha256, () =>
          sql.begin(async (tx) => {
            if ((await lockVideo(tx, videoId)) !== null) {
              await takeIn(tx, videoId, file, checked.sha256);
              await publishVideo(tx, videoId, null);
            }
            return { kind: 'ok', videoId };
          }),
        );
  if (outcome.kind === 'duplicate' && outcome.videoId !== videoId) {
    await sql.begin(async (tx) => {
      await deleteVideo(tx, videoId);
      for (const topic of ['library', videoTopic(videoId)] as const) {
        await publish(tx, topic, { type: 'video-removed', payload: { videoId } }, null);
      }
    });
  }
  return outcome;
}

async function checkFile(
  sql: Database,
  file: LocalFile,
): Promise<Exclude<ImportOutcome, { kind: 'ok' }> | { readonly kind: 'new'; readonly sha256: string }> {
  const probe = await probeSource(file.path);
  if (probe.kind === 'refused') return { kind: 'refused', message: probe.reason };
  const sha256 = await digestOf(file.path);
  const known = await findDuplicate(sql, { sha256 });
  return known === null ? { kind: 'new', sha256 } : { kind: 'duplicate', videoId: known };
}

/** Moves the file into the store and enqueues its encode. A file whose transaction fails shows nowhere and is swept. */
async function takeIn(tx: Transaction, videoId: number, file: LocalFile, sha256: string): Promise<void> {
  const { size: sizeBytes } = await stat(file.path);
  const key = originalKey(videoId, extensionOf(file.fileName));
  await setSource(tx, videoId, { key, sha256, sizeBytes, title: titleOf(file.fileName), fileName: file.fileName });
  await objectStore().publish(key, file.path);
  await enqueueStage(tx, 'encode', { itemId: videoId, videoId });
}

/** Two imports of the same content at once: the unique index lets one win, the other is told of it. */
async function orDuplicate(sql: Database, sha256: string, run: () => Promise<ImportOutcome>): Promise<ImportOutcome> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof postgres.PostgresError && error.constraint_name === 'videos_source_sha256')) throw error;
    const videoId = await findDuplicate(sql, { sha256 });
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
