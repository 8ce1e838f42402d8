import * as v from 'valibot';
import { NOTHING, operation } from '#lib/server/api/define-operation.ts';
import { problem } from '#lib/server/api/problem.ts';
import { id, InviteSchema, PersonSchema, RoleSchema, TokenSchema } from '#lib/server/api/schemas.ts';
import { allTokens, revokeToken } from '#lib/server/features/api-tokens.ts';
import * as people from '#lib/server/features/manage-people.ts';
import type { Database } from '#lib/server/db.ts';

const NOBODY = problem('not-found', 'There is no such person.');

/** People, their invites and tokens: for admins. */
export const peopleOperations = [
  operation({
    id: 'listPeople',
    method: 'GET',
    path: '/people',
    tag: 'People',
    scope: 'admin',
    summary: 'Everybody with an account, by name',
    answer: v.object({ items: v.array(PersonSchema) }),
    run: async ({ sql }) => ({ kind: 'ok', body: { items: (await people.listPeople(sql)).map(toPerson) } }),
  }),
  operation({
    id: 'changePerson',
    method: 'PATCH',
    path: '/people/{userId}',
    tag: 'People',
    scope: 'admin',
    summary: 'Change someone’s role, disable or enable them',
    params: { userId: id },
    body: v.object({ role: v.optional(RoleSchema), isDisabled: v.optional(v.boolean()) }),
    answer: PersonSchema,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { userId }, body: { role, isDisabled } }) => {
      if ((await personOf(sql, userId)) === null) return NOBODY;
      const changes = [
        ...(role === undefined ? [] : [() => people.changeRole(sql, actor, userId, role)]),
        ...(isDisabled === undefined ? [] : [() => (isDisabled ? people.disablePerson : people.enablePerson)(sql, actor, userId)]),
      ];
      for (const change of changes) {
        const outcome = await change();
        if (outcome.kind === 'refused') return problem('refused', outcome.message);
      }
      const changed = await personOf(sql, userId);
      return changed === null ? NOBODY : { kind: 'ok', body: changed };
    },
  }),
  operation({
    id: 'listInvites',
    method: 'GET',
    path: '/invites',
    tag: 'People',
    scope: 'admin',
    summary: 'Invites that can still be used',
    answer: v.object({ items: v.array(InviteSchema) }),
    run: async ({ sql }) => ({
      kind: 'ok',
      body: {
        items: (await people.listInvites(sql)).map(({ tokenHash, createdAt, expiresAt, ...invite }) => ({
          ...{ ...invite, id: tokenHash, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() },
        })),
      },
    }),
  }),
  operation({
    id: 'createInvite',
    method: 'POST',
    path: '/invites',
    tag: 'People',
    scope: 'admin',
    summary: 'Make an invite for a new person, good for seven days; it is shown once',
    body: v.object({ role: RoleSchema }),
    answer: v.object({ url: v.string() }),
    status: 201,
    run: async ({ sql, actor, body: { role }, request }) => ({
      kind: 'ok',
      body: { url: new URL(await people.createInvite(sql, actor, role), request.url).href },
    }),
  }),
  operation({
    id: 'revokeInvite',
    method: 'DELETE',
    path: '/invites/{inviteId}',
    tag: 'People',
    scope: 'admin',
    summary: 'Take an invite back',
    params: { inviteId: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) },
    answer: 'nothing',
    problems: ['not-found'],
    run: async ({ sql, actor, params: { inviteId } }) => {
      const outcome = await people.revokeInvite(sql, actor, inviteId);
      return outcome.kind === 'refused' ? problem('not-found', outcome.message) : NOTHING;
    },
  }),
  operation({
    id: 'listTokens',
    method: 'GET',
    path: '/tokens',
    tag: 'People',
    scope: 'admin',
    summary: 'Everybody’s tokens, the newest first; never their secrets',
    answer: v.object({ items: v.array(TokenSchema) }),
    run: async ({ sql }) => ({ kind: 'ok', body: { items: await allTokens(sql) } }),
  }),
  operation({
    id: 'revokeToken',
    method: 'DELETE',
    path: '/tokens/{tokenId}',
    tag: 'People',
    scope: 'admin',
    summary: 'Revoke anybody’s token, at once',
    params: { tokenId: id },
    answer: 'nothing',
    problems: ['not-found'],
    run: async ({ sql, actor, params: { tokenId } }) => {
      const outcome = await revokeToken(sql, actor, tokenId);
      return outcome.kind === 'refused' ? problem('not-found', outcome.message) : NOTHING;
    },
  }),
];

function toPerson({ createdAt, ...person }: people.PersonView) {
  return { ...person, createdAt: createdAt.toISOString() };
}

async function personOf(sql: Database, userId: number) {
  const found = (await people.listPeople(sql)).find((person) => person.id === userId);
  return found === undefined ? null : toPerson(found);
}
