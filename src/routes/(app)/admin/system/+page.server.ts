import { requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { systemPage } from '#lib/server/features/watch-system.ts';
import type { PageServerLoad } from './$types';

/** How the machines stand, for admins. */
export const load: PageServerLoad = (event) => {
  requireRole(event, 'admin');
  event.depends('app:system');
  return systemPage(db());
};
