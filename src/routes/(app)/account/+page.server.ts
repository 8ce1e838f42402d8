import { fail, redirect } from '@sveltejs/kit';
import * as v from 'valibot';
import { SCOPE_NAMES, TOKEN_DAYS } from '#lib/live/api-scopes.ts';
import { NameSchema, readForm, type FieldErrors, toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireUser, writeSessionCookie } from '#lib/server/auth/guards.ts';
import { PASSWORD_MIN_LENGTH } from '#lib/server/auth/passwords.ts';
import { db } from '#lib/server/db.ts';
import { makeToken, ownTokens, revokeToken } from '#lib/server/features/api-tokens.ts';
import { changeName, changePassword, hasPassword, signOutEverywhere } from '#lib/server/features/accounts.ts';
import type { Actions, PageServerLoad } from './$types';

/** The person's own account; `isWelcome` after the first log-in by link. */
export const load: PageServerLoad = async (event) => {
  const user = requireUser(event);
  return {
    hasPassword: await hasPassword(db(), user.id),
    tokens: await ownTokens(db(), user.id),
    isWelcome: event.url.searchParams.has('welcome'),
    passwordMinLength: PASSWORD_MIN_LENGTH,
  };
};

const TokenFields = {
  tokenName: NameSchema,
  validDays: v.pipe(v.string(), v.transform(Number), v.picklist(TOKEN_DAYS, 'Choose how long the token is good for.')),
};
const ScopesSchema = v.pipe(v.array(v.picklist(SCOPE_NAMES)), v.minLength(1));

/** Changes the name or the password, makes and revokes tokens, or ends all sessions. */
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

  makeToken: async (event) => {
    const user = requireUser(event);
    const form = await event.request.formData();
    const read = readForm(form, TokenFields);
    const scopes = v.safeParse(ScopesSchema, form.getAll('scope'));
    if (read.kind === 'invalid') return fail(400, answer(null, read.errors));
    if (!scopes.success) return fail(400, answer(null, { scope: 'Choose what the token is good for.' }));
    const { tokenName: name, validDays } = read.fields;
    const outcome = await makeToken(db(), actorOf(user), { name, validDays, scopes: scopes.output });
    if (outcome.kind === 'refused') return fail(400, answer(null, { scope: outcome.message }));
    return { ...answer('token', {}), secret: outcome.secret };
  },

  revokeToken: async (event) => {
    const user = requireUser(event);
    const tokenId = toId((await event.request.formData()).get('tokenId'));
    // One's own only: an admin revokes those of others on the page for that.
    const outcome = await revokeToken(db(), { ...actorOf(user), role: 'viewer' }, tokenId);
    return outcome.kind === 'ok' ? answer(null, {}) : fail(400, answer(null, { token: outcome.message }));
  },

  signOutEverywhere: async (event) => {
    const user = requireUser(event);
    await signOutEverywhere(db(), user.id);
    writeSessionCookie(event, null);
    redirect(303, '/login');
  },
};

function answer(saved: 'name' | 'password' | 'token' | null, errors: FieldErrors) {
  return { saved, errors, secret: null as string | null };
}
