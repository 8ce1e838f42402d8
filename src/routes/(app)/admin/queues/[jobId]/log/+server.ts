import { error, json } from '@sveltejs/kit';
import * as v from 'valibot';
import { requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { jobLog } from '#lib/server/features/watch-queues.ts';
import type { RequestHandler } from './$types';

/** The lines that a job has logged after one. */
export const GET: RequestHandler = async (event) => {
  requireRole(event, 'admin');
  const { jobId } = event.params;
  if (!v.is(v.pipe(v.string(), v.uuid()), jobId)) error(404, 'There is no such job.');
  const after = Number(event.url.searchParams.get('after'));
  return json(await jobLog(db(), jobId, Number.isSafeInteger(after) ? after : 0));
};
