import { error } from '@sveltejs/kit';
import { actorOf, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { requireInSession } from '#lib/server/features/rights.ts';
import { summarize } from '#lib/server/features/run-session.ts';
import type { PageServerLoad } from './$types';

/** A session looked back on, for those who took part. */
export const load: PageServerLoad = async (event) => {
  const user = requireUser(event);
  const sessionId = Number(event.params.sessionId) || 0;
  const allowed = await requireInSession(db(), actorOf(user), sessionId, 'watch');
  const summary = await summarize(db(), actorOf(user), sessionId);
  if (allowed.kind === 'refused' || summary === null) {
    error(404, 'There is no such session, or you are not part of it. Ask its host for a link.');
  }
  return { session: allowed.session, summary };
};
