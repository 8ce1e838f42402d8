import { fail, redirect } from '@sveltejs/kit';
import * as v from 'valibot';
import { EmailSchema, NameSchema, readForm, type FieldErrors } from '#lib/server/auth/forms.ts';
import { writeSessionCookie } from '#lib/server/auth/guards.ts';
import { PASSWORD_MIN_LENGTH } from '#lib/server/auth/passwords.ts';
import { db } from '#lib/server/db.ts';
import { acceptInvite, acceptLoginLink, viewLink } from '#lib/server/features/accounts.ts';
import type { Actions, PageServerLoad } from './$types';

/** Shows what the link is good for, and uses nothing up: programs fetch links to preview them. */
export const load: PageServerLoad = async ({ params, setHeaders }) => {
  setHeaders({ 'cache-control': 'no-store' });
  return { link: await viewLink(db(), params.token), passwordMinLength: PASSWORD_MIN_LENGTH };
};

/** Uses the link up: `login` lets in, `join` makes the account of an invite. */
export const actions: Actions = {
  login: async (event) => {
    const password = (await event.request.formData()).get('password');
    const newPassword = typeof password === 'string' && password !== '' ? password : null;
    const outcome = await acceptLoginLink(db(), event.params.token, newPassword);
    if (outcome.kind === 'gone') return refuse(410, {});
    if (outcome.kind === 'refused') return refuse(400, { [outcome.field]: outcome.message });
    writeSessionCookie(event, outcome.sessionId);
    redirect(303, outcome.hasPassword ? '/' : '/account?welcome');
  },

  join: async (event) => {
    const form = await event.request.formData();
    const kept = { email: String(form.get('email') ?? ''), name: String(form.get('name') ?? '') };
    const read = readForm(form, { email: EmailSchema, name: NameSchema, password: v.string() });
    if (read.kind === 'invalid') return refuse(400, read.errors, kept);
    const outcome = await acceptInvite(db(), event.params.token, read.fields);
    if (outcome.kind === 'gone') return refuse(410, {}, kept);
    if (outcome.kind === 'refused') return refuse(400, { [outcome.field]: outcome.message }, kept);
    writeSessionCookie(event, outcome.sessionId);
    redirect(303, '/');
  },
};

// When the link has gone meanwhile the page says so by itself: its data is loaded anew.
function refuse(status: number, errors: FieldErrors, kept = { email: '', name: '' }) {
  return fail(status, { errors, ...kept });
}
