import { requireUser } from '#lib/server/auth/guards.ts';
import type { LayoutServerLoad } from './$types';

/** Who is logged in, for all pages behind the log-in. */
export const load: LayoutServerLoad = (event) => {
  const { id, name, email, role } = requireUser(event);
  return { user: { id, name, email, role } };
};
