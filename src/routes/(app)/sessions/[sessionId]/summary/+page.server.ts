import { error } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { summarize } from '#lib/server/features/run-session.ts';
import type { PageServerLoad } from './$types';

/** A session looked back on, for those who took part. */
export const load: PageServerLoad = async (event) => {
  const summary = await summarize(db(), actorOf(requireUser(event)), toId(event.params.sessionId));
  if (summary === null) error(404, 'There is no such session, or you are not part of it. Ask its host for a link.');
  return { summary };
};
