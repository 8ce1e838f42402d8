import { error } from '@sveltejs/kit';
import * as v from 'valibot';
import { CUT_LIST_FORMATS } from '#lib/core/interchange/cut-list.ts';
import { attachment } from '#lib/server/attachment.ts';
import type { ListFile } from '#lib/server/features/interchange.ts';

const Query = v.object({ format: v.picklist(CUT_LIST_FORMATS), clips: v.optional(v.picklist(['approved', 'all']), 'approved') });

/** What a request for a list asks for: `?format=edl&clips=all`. Answers 400 to anything else. */
export function readListQuery(url: URL): v.InferOutput<typeof Query> {
  const query = v.safeParse(Query, Object.fromEntries(url.searchParams));
  if (!query.success) error(400, `Choose a format: ?format=${CUT_LIST_FORMATS.join(' or ')}, and &clips=approved or all.`);
  return query.output;
}

/** A list as a download, or the page that says why there is none. */
export function listResponse(file: ListFile): Response {
  if (file.kind === 'gone') error(404, 'There is no such page.');
  if (file.kind === 'refused') error(409, file.message);
  return new Response(file.text, {
    headers: {
      'content-type': file.contentType,
      'content-disposition': attachment(file.fileName),
      'cache-control': 'private, no-store',
    },
  });
}
