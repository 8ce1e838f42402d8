import { redirect } from '@sveltejs/kit';
import { writeSessionCookie } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { logOut } from '#lib/server/features/accounts.ts';
import type { Actions, PageServerLoad } from './$types';

/** Who isn't logged in has nothing to do here. */
export const load: PageServerLoad = ({ locals }) => {
  if (locals.user === null) redirect(303, '/login');
  return { name: locals.user.name };
};

/** Logs out; by POST only, so that no link or picture can do it. */
export const actions: Actions = {
  default: async (event) => {
    const { user, session } = event.locals;
    if (user !== null && session !== null) await logOut(db(), user.id, session.id);
    writeSessionCookie(event, null);
    redirect(303, '/login');
  },
};
