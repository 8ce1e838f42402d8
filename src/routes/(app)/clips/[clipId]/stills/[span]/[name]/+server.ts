import { error } from '@sveltejs/kit';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { stillFileUrl } from '#lib/server/features/download-files.ts';
import type { RequestHandler } from './$types';

/** A picture of these frames is always the same: where it is stays good for half of its URL's life. */
const KEEP_SECONDS = 30 * 60;

/** Leads to the signed URL of a picture of a clip. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const { clipId, span, name } = event.params;
  const [startFrame, endFrame] = (/^(\d{1,9})-(\d{1,9})$/.exec(span) ?? []).slice(1).map(Number);
  const isName = /^(?:\d(?:-small)?|strip)\.webp$/.test(name);
  const url =
    isName && /^\d{1,9}$/.test(clipId) && startFrame !== undefined && endFrame !== undefined
      ? await stillFileUrl(db(), Number(clipId), { startFrame, endFrame }, name)
      : null;
  if (url === null) error(404, 'There is no such picture.');
  return new Response(null, { status: 302, headers: { location: url, 'cache-control': `private, max-age=${KEEP_SECONDS}` } });
};
