import { json } from '@sveltejs/kit';
import { requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { jobPage, JOBS_AT_ONCE } from '#lib/server/features/watch-queues.ts';
import { parseJobFilter } from '#lib/live/job-views.ts';
import type { RequestHandler } from './$types';

/** As many jobs as a page may show again at once. */
const MOST = 500;

/** The next page of the list (`after`), or its first rows as they are now (`size`). */
export const GET: RequestHandler = async (event) => {
  requireRole(event, 'admin');
  const { searchParams } = event.url;
  const size = Math.min(MOST, Math.max(JOBS_AT_ONCE, Number(searchParams.get('size')) || JOBS_AT_ONCE));
  return json(await jobPage(db(), parseJobFilter(searchParams), searchParams.get('after'), size));
};
