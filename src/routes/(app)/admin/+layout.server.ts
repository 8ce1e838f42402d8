import { requireRole } from '#lib/server/auth/guards.ts';
import type { LayoutServerLoad } from './$types';

/** Everything here is for admins; each page and action asks again. */
export const load: LayoutServerLoad = (event) => {
  requireRole(event, 'admin');
};
