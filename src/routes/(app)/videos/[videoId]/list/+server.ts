import { toId } from '#lib/server/auth/forms.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { videoListFile } from '#lib/server/features/interchange.ts';
import { listResponse, readListQuery } from '#lib/server/list-response.ts';
import type { RequestHandler } from './$types';

/** The video's decisions as a list for an editing program: `?format=otio|edl|fcpxml|csv&clips=approved|all`. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const { format, clips } = readListQuery(event.url);
  return listResponse(await videoListFile(db(), toId(event.params.videoId), format, clips));
};
