import { error, redirect } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { masterDownloadUrl } from '#lib/server/features/download-files.ts';
import type { RequestHandler } from './$types';

/** Leads to the signed URL that downloads the archival master. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const url = await masterDownloadUrl(db(), toId(event.params.videoId));
  if (url === null) error(404, 'The master can’t be read: it is archived, or it was removed. The video’s page says which.');
  redirect(302, url);
};
