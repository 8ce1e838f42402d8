import { error, json } from '@sveltejs/kit';
import * as v from 'valibot';
import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { searchStanding } from '#lib/server/features/search-clips.ts';
import { parseSearch } from '#lib/live/search.ts';
import type { RequestHandler } from './$types';

const ClipIds = v.pipe(
  v.string(),
  v.regex(/^\d{1,9}(,\d{1,9}){0,199}$/),
  v.transform((list) => list.split(',').map(Number)),
);

/** How the clips named by `&clips=1,2,3`, at most 200, now stand towards a search. */
export const GET: RequestHandler = async (event) => {
  requireUser(event);
  const { searchParams } = event.url;
  const clipIds = v.safeParse(ClipIds, searchParams.get('clips'));
  if (!clipIds.success) error(400, 'Name between 1 and 200 clips: &clips=1,2,3.');
  const standing = await searchStanding(db(), parseSearch(searchParams), clipIds.output);
  return standing === null ? error(503, 'This search can’t be answered now.') : json(standing);
};
