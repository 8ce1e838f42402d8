import { SCOPES } from '#lib/live/api-scopes.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { documentForPeople } from '#lib/server/api/describe-api.ts';
import type { PageServerLoad } from './$types';

/** The API's document, for people. */
export const load: PageServerLoad = (event) => {
  requireUser(event);
  return { ...documentForPeople(), scopes: SCOPES, origin: event.url.origin };
};
