import { error, fail, redirect } from '@sveltejs/kit';
import { requireRole, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { videoPage } from '#lib/server/features/browse-library.ts';
import { removeVideo, retryVideo } from '#lib/server/features/manage-video.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  requireUser(event);
  const found = await videoPage(db(), Number(event.params.videoId) || 0);
  if (found === null) error(404, 'There is no such video, or it was removed.');
  return found;
};

export const actions: Actions = {
  retry: async (event) => {
    const user = requireRole(event, 'reviewer');
    const outcome = await retryVideo(db(), { userId: user.id, name: user.name, role: user.role }, Number(event.params.videoId) || 0);
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
  remove: async (event) => {
    const user = requireRole(event, 'reviewer');
    const outcome = await removeVideo(db(), { userId: user.id, name: user.name, role: user.role }, Number(event.params.videoId) || 0);
    if (outcome.kind === 'refused') return fail(400, { message: outcome.message });
    redirect(303, '/');
  },
};
