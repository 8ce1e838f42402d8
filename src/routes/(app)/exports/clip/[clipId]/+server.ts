import { error, redirect } from '@sveltejs/kit';
import { toId } from '#lib/server/auth/forms.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { clipDownloadUrl } from '#lib/server/features/download-files.ts';
import type { RequestHandler } from './$types';

/** Leads to the signed URL that downloads an exported clip. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const url = await clipDownloadUrl(db(), toId(event.params.clipId));
  if (url === null) error(404, 'This clip is not exported (yet).');
  redirect(302, url);
};
