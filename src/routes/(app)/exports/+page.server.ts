import { fail } from '@sveltejs/kit';
import * as v from 'valibot';
import { ClipIdsSchema, toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { exportsPage } from '#lib/server/features/browse-library.ts';
import { changeExportSettings, currentExportSettings, exportAgain } from '#lib/server/features/export-clips.ts';
import { retryExport } from '#lib/server/features/manage-video.ts';
import type { Actions, PageServerLoad } from './$types';

const Settings = v.object({ source: v.picklist(['proxy', 'master']), nameTemplate: v.string() });
const Again = v.object({
  source: v.picklist(['proxy', 'master']),
  clips: ClipIdsSchema,
});

export const load: PageServerLoad = async (event) => {
  requireUser(event);
  return { ...(await exportsPage(db())), settings: await currentExportSettings(db()) };
};

export const actions: Actions = {
  retry: async (event) => {
    const user = requireRole(event, 'reviewer');
    const clipId = toId((await event.request.formData()).get('clipId'));
    const outcome = await retryExport(db(), actorOf(user), clipId);
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
  settings: async (event) => {
    const user = requireRole(event, 'reviewer');
    const wish = v.safeParse(Settings, Object.fromEntries(await event.request.formData()));
    if (!wish.success) return fail(400, { message: 'Choose what to export from, and give a template for names.' });
    const outcome = await changeExportSettings(db(), actorOf(user), wish.output);
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
  again: async (event) => {
    const user = requireRole(event, 'reviewer');
    const wish = v.safeParse(Again, Object.fromEntries(await event.request.formData()));
    if (!wish.success) return fail(400, { message: wish.issues[0].message });
    const outcome = await exportAgain(db(), actorOf(user), wish.output.clips, wish.output.source);
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
};
