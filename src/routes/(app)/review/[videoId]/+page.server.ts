import { error } from '@sveltejs/kit';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { videoPage } from '#lib/server/features/browse-library.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  requireUser(event);
  const found = await videoPage(db(), Number(event.params.videoId) || 0);
  if (found === null) error(404, 'There is no such video, or it was removed.');
  return { ...found, clipId: Number(event.url.searchParams.get('clip')) || null };
};
