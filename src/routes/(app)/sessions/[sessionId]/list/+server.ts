import { toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { sessionListFile } from '#lib/server/features/interchange.ts';
import { listResponse, readListQuery } from '#lib/server/list-response.ts';
import type { RequestHandler } from './$types';

/** The decisions about the session's clips as a list: `?format=otio|edl|fcpxml|csv&clips=approved|all`. */
export const GET: RequestHandler = async (event) => {
  const actor = actorOf(requireUser(event));
  const { format, clips } = readListQuery(event.url);
  return listResponse(await sessionListFile(db(), actor, toId(event.params.sessionId), format, clips));
};
