import { error, redirect } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { videoFileUrl } from '#lib/server/features/download-files.ts';
import type { RequestHandler } from './$types';

/** Leads to the signed URL of the review proxy. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const url = await videoFileUrl(db(), toId(event.params.videoId), 'proxy');
  if (url === null) error(404, 'This video has no review proxy yet.');
  redirect(302, url);
};
