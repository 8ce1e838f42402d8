import { randomUUID } from 'node:crypto';
import { extensionOf, titleOf } from '#lib/core/titles.ts';
import type { FileToUpload, PartToSend, UploadView } from '#lib/live/part-uploads.ts';
import { config } from '#lib/server/config.ts';
import type { Database } from '#lib/server/db.ts';
import { enqueueStage } from '#lib/server/enqueue.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { probeSource } from '#lib/server/media/probe.ts';
import { originalKey } from '#lib/server/storage/keys.ts';
import { objectStore, partUploads } from '#lib/server/storage/object-store.ts';
import { partSizeFor, type PartUploads } from '#lib/server/storage/part-uploads.ts';
import { insertVideo, reserveVideoId } from '#lib/server/stores/imports.ts';
import {
  deleteUpload,
  endUpload,
  findUnfinishedUpload,
  findUpload,
  insertUpload,
  partDigestsOf,
  setPartDigest,
  storeUploadIdsUnderWay,
  unfinishedUploads,
  uploadsBegunBefore,
  type UploadRow,
} from '#lib/server/stores/uploads.ts';
import { publishVideo } from '#lib/server/stores/videos.ts';

const UNFINISHED_LIFETIME_MS = 7 * 24 * 3_600_000;
const ENDED = { kind: 'refused', message: 'The upload was ended before it was whole: upload the file again.' } as const;

/** An answer to the owner of an upload; there is `none` where it is gone or somebody else's. */
export type UploadAnswer =
  | { readonly kind: 'ok'; readonly upload: UploadView }
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly message: string }
  /** Parts are missing; the upload goes on. */
  | { readonly kind: 'incomplete'; readonly message: string };

/** Begins an upload by parts, or goes on with the person's unfinished one of the same file. */
export async function beginUpload(sql: Database, actor: Actor, file: FileToUpload): Promise<UploadAnswer> {
  const { maxUploadBytes } = config();
  if (file.sizeBytes === 0) return { kind: 'refused', message: 'The file is empty.' };
  if (file.sizeBytes > maxUploadBytes) {
    return { kind: 'refused', message: `The file is too large: at most ${Math.floor(maxUploadBytes / 2 ** 30)} GB can be uploaded.` };
  }
  const known = await findUnfinishedUpload(sql, { ownerId: actor.userId, ...file });
  if (known !== null) {
    const arrived = await arrivedParts(sql, known);
    if (arrived !== null) return { kind: 'ok', upload: toView(known, arrived) };
    await deleteUpload(sql, known.id);
  }
  const videoId = await reserveVideoId(sql);
  const { key, storeUploadId } = await store().begin(originalKey(videoId, extensionOf(file.fileName)));
  const id = randomUUID();
  await insertUpload(sql, {
    ...{ id, ownerId: actor.userId, videoId, key, storeUploadId, partBytes: partSizeFor(file.sizeBytes) },
    ...file,
  });
  return uploadOf(sql, actor, id);
}

/** The uploads that a person has begun and not finished, oldest first. */
export async function uploadsOf(sql: Database, actor: Actor): Promise<UploadView[]> {
  return (await unfinishedUploads(sql, actor.userId)).map((row) => toView(row, {}));
}

/** How a person's upload stands. */
export async function uploadOf(sql: Database, actor: Actor, id: string): Promise<UploadAnswer> {
  const row = await findUpload(sql, actor.userId, id);
  if (row === null) return { kind: 'none' };
  return { kind: 'ok', upload: toView(row, row.state === 'sending' ? ((await arrivedParts(sql, row)) ?? {}) : {}) };
}

/** A URL to which exactly this part can be put; null where there is no such upload, or it has no such part. */
export async function signPart(
  sql: Database,
  actor: Actor,
  id: string,
  part: PartToSend,
): Promise<{ url: string; headers: Record<string, string> } | null> {
  const row = await findUpload(sql, actor.userId, id);
  if (row?.state !== 'sending' || part.partNumber > partCountOf(row)) return null;
  await setPartDigest(sql, id, part);
  return store().signPart(row, { ...part, sizeBytes: partSizeOf(row, part.partNumber) });
}

/**
 * Makes an upload whose parts have all arrived a video, unless it is none. Its content is compared with what is here
 * afterwards, by the download stage: that takes as long as reading it. Asking twice gives the same answer.
 */
export async function finishUpload(sql: Database, actor: Actor, id: string): Promise<UploadAnswer> {
  const row = await findUpload(sql, actor.userId, id);
  if (row?.state !== 'sending') return uploadOf(sql, actor, id);
  const whole = await makeWhole(sql, row);
  if (whole.kind === 'incomplete') return whole;
  const refusal = whole.kind === 'refused' ? whole.message : await refusalOf(row);
  if (refusal === null) await takeIn(sql, row);
  else if (await endUpload(sql, id, { state: 'refused', message: refusal })) await discard(row);
  return uploadOf(sql, actor, id);
}

/** Ends an upload and forgets it. One that is a video already stays one. */
export async function cancelUpload(sql: Database, actor: Actor, id: string): Promise<UploadAnswer | { readonly kind: 'cancelled' }> {
  const row = await findUpload(sql, actor.userId, id);
  if (row === null) return { kind: 'none' };
  await deleteUpload(sql, id);
  if (row.state === 'sending') await discard(row);
  return { kind: 'cancelled' };
}

/** Forgets the uploads that began more than seven days ago, and ends those that nobody has finished. Gives how many of these. */
export async function expireUploads(sql: Database, nowMs: number): Promise<number> {
  const parts = partUploads();
  if (parts === null) return 0;
  const timeMs = nowMs - UNFINISHED_LIFETIME_MS;
  const old = await uploadsBegunBefore(sql, timeMs);
  for (const row of old) {
    if (row.state === 'sending') await discard(row);
    await deleteUpload(sql, row.id);
  }
  const unknownCount = await parts.abortUnknown(timeMs, await storeUploadIdsUnderWay(sql));
  return old.filter(({ state }) => state === 'sending').length + unknownCount;
}

/** Joins the parts to one object, if they are what was announced. */
async function makeWhole(
  sql: Database,
  row: UploadRow,
): Promise<{ kind: 'ok' } | { kind: 'incomplete'; message: string } | { kind: 'refused'; message: string }> {
  const digests = await partDigestsOf(sql, row.id);
  const parts = await store().parts(row);
  if (parts === null) return (await isWhole(row)) ? { kind: 'ok' } : ENDED;
  const announced = parts.map((part) => ({ ...part, sha256: digests.get(part.partNumber) ?? '' }));
  if (announced.some(({ partNumber, sizeBytes, sha256 }) => sizeBytes !== partSizeOf(row, partNumber) || sha256 === '')) {
    return { kind: 'refused', message: 'The file has changed while it was uploaded: upload it again.' };
  }
  const missingCount = partCountOf(row) - parts.length;
  if (missingCount > 0) return { kind: 'incomplete', message: `${missingCount} parts of the file have not arrived: resume the upload.` };
  const { kind } = await store().complete(row, announced);
  if (kind === 'damaged') return { kind: 'refused', message: 'The file was damaged on its way: upload it again.' };
  return kind === 'ok' || (await isWhole(row)) ? { kind: 'ok' } : ENDED;
}

/** Whether the object is there, as when an earlier attempt ended right after joining it. */
async function isWhole(row: UploadRow): Promise<boolean> {
  return (await objectStore().stat(row.key))?.sizeBytes === row.sizeBytes;
}

async function refusalOf(row: UploadRow): Promise<string | null> {
  const probe = await probeSource(await objectStore().inputFor(row.key));
  return probe.kind === 'refused' ? probe.reason : null;
}

/** Makes the video; of two that try at once, one does. */
async function takeIn(sql: Database, { id, videoId, ownerId, key, sizeBytes, fileName }: UploadRow): Promise<void> {
  const isTaken = (await sql.begin(async (tx) => {
    if (!(await endUpload(tx, id, { state: 'taken' }))) return false;
    const video = { id: videoId, title: titleOf(fileName), fileName, sourceUrl: null, createdBy: ownerId };
    await insertVideo(tx, { ...video, original: { key, sizeBytes } });
    await enqueueStage(tx, 'download', { itemId: videoId, videoId });
    await publishVideo(tx, videoId, ownerId);
    return true;
  })) as boolean;
  // Cancelled meanwhile: nobody refers to the object.
  if (!isTaken && (await findUpload(sql, ownerId, id)) === null) await objectStore().remove(key);
}

async function discard(row: UploadRow): Promise<void> {
  await store().abort(row);
  await objectStore().remove(row.key);
}

/** The digests of the parts that have arrived, by part number; null when the store has forgotten the upload. */
async function arrivedParts(sql: Database, row: UploadRow): Promise<Record<string, string> | null> {
  const digests = await partDigestsOf(sql, row.id);
  const parts = await store().parts(row);
  if (parts === null) return (await isWhole(row)) ? Object.fromEntries(digests) : null;
  return Object.fromEntries(parts.flatMap(({ partNumber }) => (digests.has(partNumber) ? [[partNumber, digests.get(partNumber)!]] : [])));
}

function toView(row: UploadRow, arrived: Record<string, string>): UploadView {
  const { id, fileName, sizeBytes, partBytes, state, message } = row;
  const isVideo = state === 'taken' || state === 'done';
  return { id, fileName, sizeBytes, partBytes, state, message, arrived, videoId: row.duplicateOf ?? (isVideo ? row.videoId : null) };
}

function partCountOf({ sizeBytes, partBytes }: UploadRow): number {
  return Math.ceil(sizeBytes / partBytes);
}

function partSizeOf(row: UploadRow, partNumber: number): number {
  return partNumber < partCountOf(row) ? row.partBytes : row.sizeBytes - (partCountOf(row) - 1) * row.partBytes;
}

function store(): PartUploads {
  const parts = partUploads();
  if (parts === null) throw new Error('Uploads by parts need an S3 bucket: set PROD_S3_BUCKET_NAME.');
  return parts;
}
