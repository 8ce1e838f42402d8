import { requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { jobPage, queueOverview } from '#lib/server/features/watch-queues.ts';
import { parseJobFilter } from '#lib/live/job-views.ts';
import type { PageServerLoad } from './$types';

/** The queues, and the jobs that match the address. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  const filter = parseJobFilter(event.url.searchParams);
  const [overview, list] = await Promise.all([queueOverview(db()), jobPage(db(), filter, null)]);
  return { filter, overview, list };
};
