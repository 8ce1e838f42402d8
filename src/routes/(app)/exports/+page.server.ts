import { fail } from '@sveltejs/kit';
import { requireRole, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { exportsPage } from '#lib/server/features/browse-library.ts';
import { retryExport } from '#lib/server/features/manage-video.ts';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = (event) => {
  requireUser(event);
  return exportsPage(db());
};

export const actions: Actions = {
  retry: async (event) => {
    const user = requireRole(event, 'reviewer');
    const clipId = Number((await event.request.formData()).get('clipId')) || 0;
    const outcome = await retryExport(db(), { userId: user.id, name: user.name, role: user.role }, clipId);
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
};
