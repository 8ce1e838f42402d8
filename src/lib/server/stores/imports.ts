import type { Sql, Transaction } from '#lib/server/db.ts';

/** The video with this content, or that came from this URL; null when there is none. */
export async function findDuplicate(sql: Sql, by: { readonly sha256: string } | { readonly sourceUrl: string }): Promise<number | null> {
  const [row] = await sql<{ id: number }[]>`
    select id from videos where ${'sha256' in by ? sql`source_sha256 = ${by.sha256}` : sql`source_url = ${by.sourceUrl} and state <> 'failed'`}`;
  return row?.id ?? null;
}

/** Makes a video's row: with a source it is `downloaded`, without one it waits for its download. Gives its id. */
export async function insertVideo(
  tx: Transaction,
  video: { readonly title: string; readonly fileName: string; readonly sourceUrl: string | null; readonly createdBy: number },
): Promise<number> {
  const [row] = await tx<{ id: number }[]>`
    insert into videos (title, file_name, source_url, state, created_by)
    values (${video.title}, ${video.fileName}, ${video.sourceUrl}, 'downloading', ${video.createdBy})
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
