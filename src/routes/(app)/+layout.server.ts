import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { userTopic } from '#lib/live/topics.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import type { LayoutServerLoad } from './$types';

/** Who is logged in, for all pages behind the log-in, and how far their own events go. */
export const load: LayoutServerLoad = async (event) => {
  const { id, name, email, role } = requireUser(event);
  return { user: { id, name, email, role }, ownSeq: await latestSeq(db(), userTopic(id)) };
};
