import { json } from '@sveltejs/kit';
import { assertSameOrigin, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { takeSearchImage } from '#lib/server/features/search-image.ts';
import type { RequestHandler } from './$types';

/** Takes an image to search with, the bytes of its file; gives its id for the search's address. */
export const POST: RequestHandler = async (event) => {
  requireUser(event);
  assertSameOrigin(event);
  const answer = await takeSearchImage(db(), new Uint8Array(await event.request.arrayBuffer()));
  return json(answer, { status: answer.kind === 'ok' ? 200 : 400 });
};
