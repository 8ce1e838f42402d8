import { error } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { videoPage } from '#lib/server/features/browse-library.ts';
import { talkers } from '#lib/server/features/talk.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  requireUser(event);
  const found = await videoPage(db(), toId(event.params.videoId));
  if (found === null) error(404, 'There is no such video, or it was removed.');
  const number = (name: string) => toId(event.url.searchParams.get(name)) || null;
  return { ...found, ...(await talkers(db())), clipId: number('clip'), frame: number('frame') };
};
