import { fail, type RequestEvent } from '@sveltejs/kit';
import * as v from 'valibot';
import { readForm, RoleSchema, UserIdSchema } from '#lib/server/auth/forms.ts';
import { actorOf, requireRole } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import {
  changeRole,
  createInvite,
  createLoginLinkFor,
  disablePerson,
  enablePerson,
  listInvites,
  listPeople,
  revokeInvite,
  type PeopleOutcome,
} from '#lib/server/features/manage-people.ts';
import { log } from '#lib/server/log.ts';
import type { Actions, PageServerLoad } from './$types';

/** Everybody, and the invites that are open. */
export const load: PageServerLoad = async (event) => {
  requireRole(event, 'admin');
  const [people, invites] = await Promise.all([listPeople(db()), listInvites(db())]);
  return { people, invites };
};

/** Changes people and invites; each action asks for the role by itself. */
export const actions: Actions = {
  role: async (event) => {
    const admin = requireRole(event, 'admin');
    const read = readForm(await event.request.formData(), { userId: UserIdSchema, role: RoleSchema });
    if (read.kind === 'invalid') return refuse(firstOf(read.errors));
    const { userId, role } = read.fields;
    return told(event, admin.id, 'role changed', userId, await changeRole(db(), actorOf(admin), userId, role));
  },

  disable: async (event) => {
    const admin = requireRole(event, 'admin');
    const read = readForm(await event.request.formData(), { userId: UserIdSchema });
    if (read.kind === 'invalid') return refuse(firstOf(read.errors));
    return told(event, admin.id, 'person disabled', read.fields.userId, await disablePerson(db(), actorOf(admin), read.fields.userId));
  },

  enable: async (event) => {
    const admin = requireRole(event, 'admin');
    const read = readForm(await event.request.formData(), { userId: UserIdSchema });
    if (read.kind === 'invalid') return refuse(firstOf(read.errors));
    return told(event, admin.id, 'person enabled', read.fields.userId, await enablePerson(db(), actorOf(admin), read.fields.userId));
  },

  loginLink: async (event) => {
    const admin = requireRole(event, 'admin');
    const read = readForm(await event.request.formData(), { userId: UserIdSchema });
    if (read.kind === 'invalid') return refuse(firstOf(read.errors));
    const outcome = await createLoginLinkFor(db(), actorOf(admin), read.fields.userId);
    if (outcome.kind === 'refused') return refuse(outcome.message);
    log.info({ requestId: event.locals.requestId, actorId: admin.id, userId: read.fields.userId }, 'log-in link made');
    const about = `Log-in link for ${outcome.name}, good once within 24 hours`;
    return { message: null, link: { url: event.url.origin + outcome.path, about } };
  },

  invite: async (event) => {
    const admin = requireRole(event, 'admin');
    const read = readForm(await event.request.formData(), { role: RoleSchema });
    if (read.kind === 'invalid') return refuse(firstOf(read.errors));
    const path = await createInvite(db(), actorOf(admin), read.fields.role);
    log.info({ requestId: event.locals.requestId, actorId: admin.id, role: read.fields.role }, 'invite made');
    const about = `Invite for one new ${read.fields.role}, good for 7 days`;
    return { message: null, link: { url: event.url.origin + path, about } };
  },

  revoke: async (event) => {
    const admin = requireRole(event, 'admin');
    const read = readForm(await event.request.formData(), { tokenHash: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) });
    if (read.kind === 'invalid') return refuse('There is no such invite.');
    const outcome = await revokeInvite(db(), actorOf(admin), read.fields.tokenHash);
    return outcome.kind === 'ok' ? { message: null, link: null } : refuse(outcome.message);
  },
};

function told(event: RequestEvent, actorId: number, what: string, userId: number, outcome: PeopleOutcome) {
  if (outcome.kind === 'refused') return refuse(outcome.message);
  log.info({ requestId: event.locals.requestId, actorId, userId }, what);
  return { message: null, link: null };
}

function refuse(message: string) {
  return fail(400, { message, link: null });
}

function firstOf(errors: Readonly<Record<string, string>>): string {
  return Object.values(errors)[0] ?? 'The form is incomplete.';
}
