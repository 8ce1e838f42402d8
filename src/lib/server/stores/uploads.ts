import type { Sql, Transaction } from '#lib/server/db.ts';

/** An upload by parts as its row says; see migrations/0009-uploads.sql. */
export interface UploadRow {
  readonly id: string;
  readonly ownerId: number;
  readonly videoId: number;
  readonly key: string;
  readonly storeUploadId: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly partBytes: number;
  readonly state: 'sending' | 'taken' | 'done' | 'duplicate' | 'refused';
  readonly message: string | null;
  readonly duplicateOf: number | null;
}

/** An upload that begins. */
export type NewUpload = Omit<UploadRow, 'state' | 'message' | 'duplicateOf'> & { readonly modifiedAtMs: number };

/** What becomes of an upload that is whole: a video, or nothing and why. */
export type UploadEnd = { readonly state: 'taken' } | { readonly state: 'refused'; readonly message: string };

const columns = (sql: Sql) => sql`
  id, owner_id as "ownerId", video_id as "videoId", key, store_upload_id as "storeUploadId", file_name as "fileName",
  size_bytes as "sizeBytes", part_bytes as "partBytes", state, message, duplicate_of as "duplicateOf"`;

/** Notes an upload that begins. */
export async function insertUpload(sql: Sql, upload: NewUpload): Promise<void> {
  await sql`
    insert into uploads (id, owner_id, video_id, key, store_upload_id, file_name, size_bytes, part_bytes, modified_at_ms)
    values (${upload.id}, ${upload.ownerId}, ${upload.videoId}, ${upload.key}, ${upload.storeUploadId}, ${upload.fileName},
            ${upload.sizeBytes}, ${upload.partBytes}, ${upload.modifiedAtMs})`;
}

/** A person's upload; null when it is gone or somebody else's. */
export async function findUpload(sql: Sql, ownerId: number, id: string): Promise<UploadRow | null> {
  const [row] = await sql<UploadRow[]>`select ${columns(sql)} from uploads where id = ${id} and owner_id = ${ownerId}`;
  return row ?? null;
}

/** A person's unfinished upload of a file; null when there is none. */
export async function findUnfinishedUpload(
  sql: Sql,
  file: { readonly ownerId: number; readonly fileName: string; readonly sizeBytes: number; readonly modifiedAtMs: number },
): Promise<UploadRow | null> {
  const [row] = await sql<UploadRow[]>`
    select ${columns(sql)} from uploads
    where owner_id = ${file.ownerId} and file_name = ${file.fileName} and size_bytes = ${file.sizeBytes}
      and modified_at_ms = ${file.modifiedAtMs} and state = 'sending'
    order by created_at desc limit 1`;
  return row ?? null;
}

/** A person's unfinished uploads, oldest first. */
export async function unfinishedUploads(sql: Sql, ownerId: number): Promise<UploadRow[]> {
  return [
    ...(await sql<UploadRow[]>`
      select ${columns(sql)} from uploads where owner_id = ${ownerId} and state = 'sending' order by created_at, id`),
  ];
}

/** What the object store calls the uploads that are still being sent. */
export async function storeUploadIdsUnderWay(sql: Sql): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`select store_upload_id as id from uploads where state = 'sending'`;
  return new Set(rows.map(({ id }) => id));
}

/** Uploads that began before, whatever has become of them. */
export async function uploadsBegunBefore(sql: Sql, timeMs: number): Promise<UploadRow[]> {
  return [...(await sql<UploadRow[]>`select ${columns(sql)} from uploads where created_at < ${new Date(timeMs)}`)];
}

/** Notes the digest that a part is announced with. */
export async function setPartDigest(
  sql: Sql,
  uploadId: string,
  part: { readonly partNumber: number; readonly sha256: string },
): Promise<void> {
  await sql`
    insert into upload_parts (upload_id, part_number, sha256) values (${uploadId}, ${part.partNumber}, ${part.sha256})
    on conflict (upload_id, part_number) do update set sha256 = excluded.sha256`;
}

/** The digests of an upload's parts, by part number. */
export async function partDigestsOf(sql: Sql, uploadId: string): Promise<Map<number, string>> {
  const rows = await sql<{ partNumber: number; sha256: string }[]>`
    select part_number as "partNumber", sha256 from upload_parts where upload_id = ${uploadId}`;
  return new Map(rows.map(({ partNumber, sha256 }) => [partNumber, sha256]));
}

/** Ends an upload that is still being sent. False when it has been ended, or is gone. */
export async function endUpload(sql: Sql, id: string, end: UploadEnd): Promise<boolean> {
  const { count } = await sql`
    update uploads set state = ${end.state}, message = ${'message' in end ? end.message : null}
    where id = ${id} and state = 'sending'`;
  return count === 1;
}

/** Notes whether a taken upload's content is new, or that of another video. Does nothing for videos that came another way. */
export async function settleUpload(tx: Transaction, videoId: number, duplicateOf: number | null): Promise<void> {
  await tx`
    update uploads set state = ${duplicateOf === null ? 'done' : 'duplicate'}, duplicate_of = ${duplicateOf}
    where video_id = ${videoId} and state = 'taken'`;
}

/** Forgets an upload and its parts. */
export async function deleteUpload(sql: Sql, id: string): Promise<void> {
  await sql`delete from uploads where id = ${id}`;
}
