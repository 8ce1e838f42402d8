import { fail } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { allTokens, revokeToken } from '#lib/server/features/api-tokens.ts';
import type { Actions, PageServerLoad } from './$types';

/** Everybody's tokens. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  return { tokens: await allTokens(db()) };
};

export const actions: Actions = {
  revoke: async (event) => {
    const user = requireRole(event, 'admin');
    const tokenId = toId((await event.request.formData()).get('tokenId'));
    const outcome = await revokeToken(db(), actorOf(user), tokenId);
    return outcome.kind === 'ok' ? { message: null } : fail(400, { message: outcome.message });
  },
};
