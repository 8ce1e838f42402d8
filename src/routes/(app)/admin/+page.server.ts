import { redirect } from '@sveltejs/kit';
import { requireRole } from '#lib/server/auth/guards.ts';
import type { PageServerLoad } from './$types';

/** The admin's pages begin with the queues. */
export const load: PageServerLoad = (event) => {
  requireRole(event, 'admin');
  redirect(307, '/admin/queues');
};
