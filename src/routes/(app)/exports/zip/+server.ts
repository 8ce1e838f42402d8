import { error } from '@sveltejs/kit';
import * as v from 'valibot';
import { ClipIdsSchema } from '#lib/server/auth/forms.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { exportedFiles } from '#lib/server/features/download-files.ts';
import { zipResponse } from '#lib/server/zip-response.ts';
import type { RequestHandler } from './$types';

/** Streams the exported clips named by `?clips=1,2,3` as one zip, with `&sidecars=1` a JSON beside each; no video is held in memory. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const clipIds = v.safeParse(ClipIdsSchema, event.url.searchParams.get('clips'));
  if (!clipIds.success) error(400, 'Choose between 1 and 1000 clips: ?clips=1,2,3.');
  const files = await exportedFiles(db(), clipIds.output);
  if (files.length === 0) error(404, 'None of these clips is exported (yet).');
  return zipResponse(files, event.url.searchParams.get('sidecars') === '1');
};
