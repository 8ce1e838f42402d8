import { fail, redirect } from '@sveltejs/kit';
import { actorOf, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { joinByInvite, viewInvite } from '#lib/server/features/join-session.ts';
import type { Actions, PageServerLoad } from './$types';

/** Shows what the link opens; joining is a deed of its own, since programs fetch links to preview them. */
export const load: PageServerLoad = async (event) => {
  const user = requireUser(event);
  event.setHeaders({ 'cache-control': 'no-store' });
  const invite = await viewInvite(db(), actorOf(user), event.params.token);
  if (invite?.isMember) redirect(303, `/sessions/${invite.sessionId}`);
  return { invite };
};

export const actions: Actions = {
  default: async (event) => {
    const user = requireUser(event);
    const outcome = await joinByInvite(db(), actorOf(user), event.params.token);
    if (outcome.kind === 'refused') return fail(410, { message: outcome.message });
    redirect(303, `/sessions/${outcome.sessionId}`);
  },
};
