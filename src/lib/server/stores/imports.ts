import type { Sql, Transaction } from '#lib/server/db.ts';

/** The video with this content, or that came from this URL; null when there is none. */
export async function findDuplicate(sql: Sql, by: { readonly sha256: string } | { readonly sourceUrl: string }): Promise<number | null> {
  const [row] = await sql<{ id: number }[]>`
    select id from videos where ${'sha256' in by ? sql`source_sha256 = ${by.sha256}` : sql`source_url = ${by.sourceUrl} and state <> 'failed'`}`;
  return row?.id ?? null;
}

/** An id for a video whose file goes to its place in the object store before there is a row. */
export async function reserveVideoId(sql: Sql): Promise<number> {
  const [row] = await sql<{ id: number }[]>`select nextval(pg_get_serial_sequence('videos', 'id'))::int as id`;
  return row!.id;
}

/** A video that is to be made. */
export interface NewVideo {
  /** One that was reserved; without it the video gets the next. */
  readonly id?: number;
  readonly title: string;
  readonly fileName: string;
  readonly sourceUrl: string | null;
  readonly createdBy: number;
  /** Its original, where that lies in the object store already. */
  readonly original?: { readonly key: string; readonly sizeBytes: number };
}

/** Makes the row of a video whose content is not known yet: it waits for the download stage. Gives its id. */
export async function insertVideo(tx: Transaction, video: NewVideo): Promise<number> {
  const { key = null, sizeBytes = null } = video.original ?? {};
  const [row] = await tx<{ id: number }[]>`
    insert into videos (id, title, file_name, source_url, source_key, source_bytes, state, created_by)
    overriding system value
    values (${video.id ?? tx`default`}, ${video.title}, ${video.fileName}, ${video.sourceUrl}, ${key}, ${sizeBytes}, 'downloading',
            ${video.createdBy})
    returning id`;
  return row!.id;
}

/** Gives a video its source. Fails on `videos_source_sha256` when the content is known. */
export async function setSource(
  tx: Transaction,
  videoId: number,
  source: { readonly key: string; readonly sha256: string; readonly sizeBytes: number; readonly title: string; readonly fileName: string },
): Promise<void> {
  await tx`
    update videos set source_key = ${source.key}, source_sha256 = ${source.sha256}, source_bytes = ${source.sizeBytes},
           title = ${source.title}, file_name = ${source.fileName}, state = 'downloaded', error = null, failed_stage = null, updated_at = now()
    where id = ${videoId}`;
}
