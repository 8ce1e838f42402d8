import { json } from '@sveltejs/kit';
import { actorOf, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { savedSearches } from '#lib/server/features/saved-searches.ts';
import type { RequestHandler } from './$types';

/** One's own saved searches and those that are shared, with what they find now. */
export const GET: RequestHandler = async (event) => json(await savedSearches(db(), actorOf(requireUser(event))));
