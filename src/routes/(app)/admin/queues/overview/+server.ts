import { json } from '@sveltejs/kit';
import { requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { queueOverview } from '#lib/server/features/watch-queues.ts';
import type { RequestHandler } from './$types';

/** How the queues stand now. */
export const GET: RequestHandler = async (event) => {
  requireRole(event, 'admin');
  return json(await queueOverview(db()));
};
