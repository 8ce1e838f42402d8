import { fail, redirect } from '@sveltejs/kit';
import * as v from 'valibot';
import { NameSchema, readForm, type FieldErrors } from '#lib/server/auth/forms.ts';
import { requireUser, writeSessionCookie } from '#lib/server/auth/guards.ts';
import { PASSWORD_MIN_LENGTH } from '#lib/server/auth/passwords.ts';
import { db } from '#lib/server/db.ts';
import { changeName, changePassword, hasPassword, signOutEverywhere } from '#lib/server/features/accounts.ts';
import type { Actions, PageServerLoad } from './$types';

/** The person's own account; `isWelcome` after the first log-in by link. */
export const load: PageServerLoad = async (event) => {
  const user = requireUser(event);
  return {
    hasPassword: await hasPassword(db(), user.id),
    isWelcome: event.url.searchParams.has('welcome'),
    passwordMinLength: PASSWORD_MIN_LENGTH,
  };
};

/** Changes the name or the password, or ends all sessions. */
export const actions: Actions = {
  name: async (event) => {
    const user = requireUser(event);
    const read = readForm(await event.request.formData(), { name: NameSchema });
    if (read.kind === 'invalid') return fail(400, answer(null, read.errors));
    await changeName(db(), user.id, read.fields.name);
    // Without JavaScript the page is rendered by this same request.
    event.locals.user = { ...user, name: read.fields.name };
    return answer('name', {});
  },

  password: async (event) => {
    const user = requireUser(event);
    const read = readForm(await event.request.formData(), {
      oldPassword: v.optional(v.string(), ''),
      newPassword: v.string('Enter a new password.'),
    });
    if (read.kind === 'invalid') return fail(400, answer(null, read.errors));
    const sessionId = event.locals.session?.id ?? '';
    const outcome = await changePassword(db(), { userId: user.id, sessionId, ...read.fields });
    if (outcome.kind === 'refused') return fail(400, answer(null, { [outcome.field]: outcome.message }));
    return answer('password', {});
  },

  signOutEverywhere: async (event) => {
    const user = requireUser(event);
    await signOutEverywhere(db(), user.id);
    writeSessionCookie(event, null);
    redirect(303, '/login');
  },
};

function answer(saved: 'name' | 'password' | null, errors: FieldErrors) {
  return { saved, errors };
}
