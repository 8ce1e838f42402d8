import { requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { mentions } from '#lib/server/features/talk.ts';
import type { PageServerLoad } from './$types';

/** The comments that mention the person. */
export const load: PageServerLoad = async (event) => ({ mentions: await mentions(db(), requireUser(event).id) });
