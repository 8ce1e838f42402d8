import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { userTopic } from '#lib/live/topics.ts';
import { partUploads } from '#lib/server/storage/object-store.ts';
import { latestSeq } from '#lib/server/stores/outbox.ts';
import type { LayoutServerLoad } from './$types';

/** Who is logged in, for all pages behind the log-in, and how far their own events go. */
export const load: LayoutServerLoad = async (event) => {
  const { id, name, email, role } = requireUser(event);
  const goesToBucket = partUploads() !== null;
  return { user: { id, name, email, role }, goesToBucket, ownSeq: await latestSeq(db(), userTopic(id)) };
};
