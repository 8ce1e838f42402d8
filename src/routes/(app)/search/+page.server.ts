import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { searchClips, searchPage } from '#lib/server/features/search-clips.ts';
import { parseSearch } from '#lib/live/search.ts';
import type { PageServerLoad } from './$types';

export const load: PageServerLoad = async (event) => {
  requireUser(event);
  const wish = parseSearch(event.url.searchParams);
  const [page, answer] = await Promise.all([searchPage(db()), searchClips(db(), wish, null)]);
  return { ...page, wish, answer };
};
