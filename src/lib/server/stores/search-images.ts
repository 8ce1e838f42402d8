import type { Sql } from '#lib/server/db.ts';
import type { StoredModel } from '#lib/server/stores/embeddings.ts';

/** How long an image can be searched with after it was last sent, unless a saved search needs it. */
const LIFETIME_DAYS = 30;

/** Keeps what is needed of an image to search with it again. */
export async function saveSearchImage(
  sql: Sql,
  image: { readonly id: string; readonly model: StoredModel; readonly vector: readonly number[]; readonly thumbnail: Uint8Array },
): Promise<void> {
  await sql`
    insert into search_images (id, thumbnail, model_id, embedding, expires_at)
    values (${image.id}, ${Buffer.from(image.thumbnail)}, ${image.model.id}, ${JSON.stringify(image.vector)}::halfvec,
            now() + make_interval(days => ${LIFETIME_DAYS}))
    on conflict (id) do update
    set model_id = excluded.model_id, embedding = excluded.embedding, thumbnail = excluded.thumbnail, expires_at = excluded.expires_at`;
}

/** An image's vector of this model; null when the image has expired or another model has seen it. */
export async function vectorOfImage(sql: Sql, modelId: number, imageId: string): Promise<number[] | null> {
  const [row] = await sql<{ vector: string }[]>`
    select embedding::text as vector from search_images where id = ${imageId} and model_id = ${modelId}`;
  return row === undefined ? null : (JSON.parse(row.vector) as number[]);
}

/** An image's thumbnail, WebP; null when it has expired. */
export async function thumbnailOfImage(sql: Sql, imageId: string): Promise<Uint8Array | null> {
  const [row] = await sql<{ thumbnail: Uint8Array }[]>`select thumbnail from search_images where id = ${imageId}`;
  return row?.thumbnail ?? null;
}

/** Removes the images that have expired. Gives how many. */
export async function removeExpiredImages(sql: Sql): Promise<number> {
  return (
    await sql`delete from search_images 
    where expires_at < now() and not exists (select from saved_searches s where s.image_id = search_images.id)`
  ).count;
}
