import { error } from '@sveltejs/kit';
import { attachment } from '#lib/server/attachment.ts';
import { toId } from '#lib/server/auth/forms.ts';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { exportedFiles } from '#lib/server/features/download-files.ts';
import type { RequestHandler } from './$types';

/** What is told of an exported clip, as JSON to keep beside its file. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const [file] = await exportedFiles(db(), [toId(event.params.clipId)]);
  if (file === undefined) error(404, 'This clip is not exported (yet).');
  return new Response(file.sidecar, {
    headers: {
      'content-type': 'application/json',
      'content-disposition': attachment(file.name.replace(/mp4$/, 'json')),
      'cache-control': 'private, no-store',
    },
  });
};
