import { fail, redirect } from '@sveltejs/kit';
import * as v from 'valibot';
import { EmailSchema, readForm, type FieldErrors } from '#lib/server/auth/forms.ts';
import { writeSessionCookie } from '#lib/server/auth/guards.ts';
import { ownPath } from '#lib/server/auth/own-path.ts';
import { db } from '#lib/server/db.ts';
import { logIn } from '#lib/server/features/accounts.ts';
import { log } from '#lib/server/log.ts';
import type { Actions, PageServerLoad } from './$types';

/** Shows the form; who is logged in already goes on. */
export const load: PageServerLoad = ({ locals, url }) => {
  if (locals.user !== null) redirect(303, ownPath(url.searchParams.get('next')));
  return { next: ownPath(url.searchParams.get('next')) };
};

/** Logs in. `next` is a field of the form, because the action's name takes the place of the query. */
export const actions: Actions = {
  default: async (event) => {
    const form = await event.request.formData();
    const read = readForm(form, { email: EmailSchema, password: v.pipe(v.string(), v.nonEmpty('Enter your password.')) });
    const next = form.get('next');
    const refuse = (status: number, problem: { errors?: FieldErrors; message?: string; retryAt?: string }) =>
      fail(status, { errors: {} as FieldErrors, message: null, retryAt: null, ...problem, email: String(form.get('email') ?? '') });
    if (read.kind === 'invalid') return refuse(400, { errors: read.errors });

    const outcome = await logIn(db(), { ...read.fields, address: event.getClientAddress() });
    log.info({ requestId: event.locals.requestId, outcome: outcome.kind }, 'log-in');
    switch (outcome.kind) {
      case 'wrong':
        return refuse(400, { message: 'The e-mail or the password is wrong.' });
      case 'disabled':
        return refuse(403, { message: 'This account has been disabled. Ask an admin to enable it.' });
      case 'limited':
        return refuse(429, { message: 'Too many failed log-ins.', retryAt: outcome.retryAt.toISOString() });
      case 'ok':
        writeSessionCookie(event, outcome.sessionId);
        redirect(303, ownPath(typeof next === 'string' ? next : null));
    }
  },
};
