import { error, redirect } from '@sveltejs/kit';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { videoFileUrl } from '#lib/server/features/download-files.ts';
import type { RequestHandler } from './$types';

/** Leads to the signed URL of the review proxy. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const url = await videoFileUrl(db(), Number(event.params.videoId) || 0, 'proxy');
  if (url === null) error(404, 'This video has no review proxy yet.');
  redirect(302, url);
};
