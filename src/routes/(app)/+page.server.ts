import { fail, redirect } from '@sveltejs/kit';
import { requireRole, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { libraryPage } from '#lib/server/features/browse-library.ts';
import { expectUpload } from '#lib/server/features/expect-upload.ts';
import { importUrl } from '#lib/server/features/import-video.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  const user = requireUser(event);
  if (user.role !== 'viewer') await expectUpload(db());
  return libraryPage(db());
};

export const actions: Actions = {
  importUrl: async (event) => {
    const user = requireRole(event, 'reviewer');
    const given = (await event.request.formData()).get('url');
    const url = typeof given === 'string' ? given : '';
    const outcome = await importUrl(db(), { userId: user.id, name: user.name, role: user.role }, { url });
    if (outcome.kind === 'refused') return fail(400, { url, message: outcome.message, videoId: null });
    if (outcome.kind === 'duplicate') redirect(303, `/videos/${outcome.videoId}`);
    return { url, message: null, videoId: outcome.videoId };
  },
};
