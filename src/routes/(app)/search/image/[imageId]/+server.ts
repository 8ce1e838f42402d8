import { error } from '@sveltejs/kit';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { searchImageThumbnail } from '#lib/server/features/search-image.ts';
import type { RequestHandler } from './$types';

/** The thumbnail of an image that somebody searches with. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const thumbnail = await searchImageThumbnail(db(), event.params.imageId);
  if (thumbnail === null) error(404, 'This image is not kept any more.');
  return new Response(Buffer.from(thumbnail), { headers: { 'content-type': 'image/webp', 'cache-control': 'private, max-age=86400' } });
};
