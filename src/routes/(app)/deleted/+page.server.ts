import { fail } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { bringBackVideo, purgeVideo, removedVideos } from '#lib/server/features/manage-video.ts';
import type { Actions, PageServerLoad } from './$types';

/** What was removed and can still be brought back, for those who may remove. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'reviewer');
  return { videos: await removedVideos(db()) };
};

const videoIdOf = async (request: Request) => toId((await request.formData()).get('videoId'));

export const actions: Actions = {
  bringBack: async (event) => {
    const user = requireRole(event, 'reviewer');
    const outcome = await bringBackVideo(db(), actorOf(user), await videoIdOf(event.request));
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
  purge: async (event) => {
    requireRole(event, 'admin');
    await purgeVideo(db(), await videoIdOf(event.request));
    return { message: null };
  },
};
