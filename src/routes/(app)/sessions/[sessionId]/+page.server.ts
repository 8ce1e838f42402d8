import { error, fail } from '@sveltejs/kit';
import * as v from 'valibot';
import { readForm, UserIdSchema, toId } from '#lib/server/auth/forms.ts';
import { actorOf, requireUser } from '#lib/server/auth/guards.ts';
import { db } from '#lib/server/db.ts';
import { sessionPage } from '#lib/server/features/browse-library.ts';
import { addMember, INVITE_HOURS, inviteToSession, listInvites, revokeInvite } from '#lib/server/features/join-session.ts';
import { requireInSession } from '#lib/server/features/rights.ts';
import { talkers } from '#lib/server/features/talk.ts';
import type { Actions, PageServerLoad } from './$types';

/** A session, for those who take part in it. */
export const load: PageServerLoad = async (event) => {
  const user = requireUser(event);
  const sessionId = toId(event.params.sessionId);
  const allowed = await requireInSession(db(), actorOf(user), sessionId, 'watch');
  if (allowed.kind === 'refused') error(404, 'There is no such session, or you are not part of it. Ask its host for a link.');
  const found = await sessionPage(db(), sessionId);
  if (found === null) error(404, 'This session is gone.');
  const invites = allowed.right === 'host' ? await listInvites(db(), sessionId) : [];
  return { ...found, ...(await talkers(db())), invites, right: allowed.right, clipId: toId(event.url.searchParams.get('clip')) || null };
};

const RoleSchema = v.picklist(['reviewer', 'viewer'], 'Choose a role.');
const HoursSchema = v.pipe(v.string(), v.transform(Number), v.picklist(INVITE_HOURS, 'Choose how long the link is good for.'));

export const actions: Actions = {
  invite: async (event) => {
    const user = requireUser(event);
    const read = readForm(await event.request.formData(), { role: RoleSchema, hours: HoursSchema });
    if (read.kind === 'invalid') return refuse(Object.values(read.errors)[0]);
    const { role, hours } = read.fields;
    const outcome = await inviteToSession(db(), actorOf(user), toId(event.params.sessionId), { role, validHours: hours });
    return outcome.kind === 'ok' ? { message: null, link: event.url.origin + outcome.path, role } : refuse(outcome.message);
  },

  revoke: async (event) => {
    const user = requireUser(event);
    const read = readForm(await event.request.formData(), {
      tokenHash: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'There is no such link.')),
    });
    if (read.kind === 'invalid') return refuse(Object.values(read.errors)[0]);
    const outcome = await revokeInvite(db(), actorOf(user), toId(event.params.sessionId), read.fields.tokenHash);
    return outcome.kind === 'ok' ? { message: null, link: null, role: null } : refuse(outcome.message);
  },

  add: async (event) => {
    const user = requireUser(event);
    const read = readForm(await event.request.formData(), { userId: UserIdSchema, role: RoleSchema });
    if (read.kind === 'invalid') return refuse(Object.values(read.errors)[0]);
    const outcome = await addMember(db(), actorOf(user), toId(event.params.sessionId), read.fields.userId, read.fields.role);
    return outcome.kind === 'ok' ? { message: null, link: null, role: null } : refuse(outcome.message);
  },
};

function refuse(message = 'The form is incomplete.') {
  return fail(400, { message, link: null, role: null });
}
