import { error } from '@sveltejs/kit';
import * as v from 'valibot';
import { requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { jobDetail } from '#lib/server/features/watch-queues.ts';
import type { PageServerLoad } from './$types';

/** One job with all that is known of it. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  event.depends('app:job');
  const { jobId } = event.params;
  const detail = v.is(v.pipe(v.string(), v.uuid()), jobId) ? await jobDetail(db(), jobId) : null;
  if (detail === null) error(404, 'There is no such job: it has been deleted, or was removed 14 days after its end.');
  return { detail };
};
