import { error, fail, redirect } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { videoPage } from '#lib/server/features/browse-library.ts';
import { masterState, restoreMaster } from '#lib/server/features/keep-library.ts';
import { removeVideo, retryStage, retryVideo } from '#lib/server/features/manage-video.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  requireUser(event);
  const found = await videoPage(db(), toId(event.params.videoId));
  if (found === null) error(404, 'There is no such video, or it was removed.');
  event.depends('app:master');
  return { ...found, master: await masterState(db(), found.video.id) };
};

export const actions: Actions = {
  retry: async (event) => {
    const user = requireRole(event, 'reviewer');
    const outcome = await retryVideo(db(), actorOf(user), toId(event.params.videoId));
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
  retryStage: async (event) => {
    const user = requireRole(event, 'reviewer');
    const stage = String((await event.request.formData()).get('stage'));
    const outcome = await retryStage(db(), actorOf(user), toId(event.params.videoId), stage);
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
  remove: async (event) => {
    const user = requireRole(event, 'reviewer');
    const outcome = await removeVideo(db(), actorOf(user), toId(event.params.videoId));
    if (outcome.kind === 'refused') return fail(400, { message: outcome.message });
    redirect(303, '/');
  },
  restoreMaster: async (event) => {
    const user = requireRole(event, 'reviewer');
    const outcome = await restoreMaster(db(), actorOf(user), toId(event.params.videoId));
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
};
