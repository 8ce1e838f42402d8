import { requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { auditPage } from '#lib/server/features/read-audit.ts';
import type { PageServerLoad } from './$types';

/** What admins have done, newest first. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  const { searchParams } = event.url;
  const before = Number(searchParams.get('before'));
  const filter = {
    target: searchParams.get('target')?.trim() || null,
    actor: searchParams.get('actor')?.trim() || null,
    beforeId: Number.isSafeInteger(before) && before > 0 ? before : null,
  };
  return { filter, ...(await auditPage(db(), filter)) };
};
