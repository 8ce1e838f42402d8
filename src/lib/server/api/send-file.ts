import type { Answer } from '#lib/server/api/define-operation.ts';
import { problem, type Problem } from '#lib/server/api/problem.ts';
import { config } from '#lib/server/config.ts';
import type { ListFile } from '#lib/server/features/interchange.ts';
import { listResponse } from '#lib/server/list-response.ts';
import { objectStore } from '#lib/server/storage/object-store.ts';
import { fileResponse } from '#lib/server/storage/serve-media.ts';
import { signMediaUrl } from '#lib/server/storage/sign-url.ts';

const URL_LIFETIME_MS = 60 * 60_000;

/** A file of the object store: by way of the CDN where there is one, else straight from here. */
export async function sendFile(
  request: Request,
  { key, downloadName }: { readonly key: string; readonly downloadName: string },
): Promise<Answer<never>> {
  const response =
    config().cloudFront === null
      ? await fileResponse(request, objectStore(), { key, downloadName })
      : Response.redirect(signMediaUrl(key, { ttlMs: URL_LIFETIME_MS, downloadName }), 302);
  return { kind: 'file', response };
}

/** A cut list, or why there is none. */
export function sendList(file: ListFile, gone: Problem): Answer<never> {
  if (file.kind === 'gone') return gone;
  return file.kind === 'refused' ? problem('refused', file.message) : { kind: 'file', response: listResponse(file) };
}
