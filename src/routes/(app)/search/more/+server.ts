import { json } from '@sveltejs/kit';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { searchClips } from '#lib/server/features/search-clips.ts';
import { parseSearch } from '#lib/live/search.ts';
import type { RequestHandler } from './$types';

/** The next page of a search. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const { searchParams } = event.url;
  return json(await searchClips(db(), parseSearch(searchParams), searchParams.get('after')));
};
