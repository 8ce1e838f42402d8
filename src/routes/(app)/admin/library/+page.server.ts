import { fail } from '@sveltejs/kit';
import * as v from 'valibot';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { changeLibraryRules, libraryRules } from '#lib/server/features/keep-library.ts';
import type { Actions, PageServerLoad } from './$types';

const days = (least: number, most: number, what: string) =>
  v.pipe(
    v.string(),
    v.regex(/^\d{1,5}$/, `${what} must be a whole number of days.`),
    v.transform(Number),
    v.minValue(least, `${what} must be at least ${least} days.`),
    v.maxValue(most, `${what} can be ${most} days at most.`),
  );
const orForEver = (what: string) =>
  v.union(
    [
      v.pipe(
        v.literal(''),
        v.transform(() => null),
      ),
      days(1, 36_500, what),
    ],
    `${what} must be empty, or at least 1 day.`,
  );
const Rules = v.object({
  graceDays: days(0, 365, 'The grace time'),
  originalDays: orForEver('How long originals are kept'),
  masterDays: orForEver('How long masters are kept'),
  restoreDays: days(1, 90, 'How long restored masters stay'),
});

/** What the library keeps for how long, for admins. */
export const load: PageServerLoad = (event) => {
  requireRole(event, 'admin');
  return libraryRules(db());
};

export const actions: Actions = {
  default: async (event) => {
    const user = requireRole(event, 'admin');
    const rules = v.safeParse(Rules, Object.fromEntries(await event.request.formData()));
    if (!rules.success) return fail(400, { message: rules.issues[0].message });
    await changeLibraryRules(db(), actorOf(user), rules.output);
    return { message: null };
  },
};
