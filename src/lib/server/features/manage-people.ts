import type { Role } from '#lib/live/views.ts';
import { invalidateAll } from '#lib/server/auth/lucia.ts';
import { createToken } from '#lib/server/auth/tokens.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { createLoginLink } from '#lib/server/features/accounts.ts';
import * as users from '#lib/server/stores/users.ts';

const INVITE_HOURS = 7 * 24;

/** A person as the admin's list shows them. */
export interface PersonView {
  readonly id: number;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly isDisabled: boolean;
  readonly hasPassword: boolean;
  readonly createdAt: Date;
}

/** Done, or why not, in a sentence for the page. */
export type PeopleOutcome = { readonly kind: 'ok' } | { readonly kind: 'refused'; readonly message: string };

/** A path that is shown once and can't be looked up again, or why there is none. */
export type LinkOutcome =
  { readonly kind: 'ok'; readonly path: string; readonly name: string } | { readonly kind: 'refused'; readonly message: string };

const GONE = { kind: 'refused', message: 'There is no such person any more.' } as const;
const LAST_ADMIN = {
  kind: 'refused',
  message: 'This is the last admin who can log in: make somebody else an admin first.',
} as const;

/** Everybody with an account, by name. */
export async function listPeople(sql: Sql): Promise<PersonView[]> {
  return (await users.listUsers(sql)).map((user) => ({
    id: user.id,
    email: user.email,
    name: user.name,
    role: user.role,
    isDisabled: user.disabledAt !== null,
    hasPassword: user.passwordHash !== null,
    createdAt: user.createdAt,
  }));
}

/** Changes a person's role; their sockets are cut off and come back with the new one. */
export async function changeRole(sql: Database, userId: number, role: Role): Promise<PeopleOutcome> {
  return sql.begin(async (tx): Promise<PeopleOutcome> => {
    if (role !== 'admin' && (await isLastAdmin(tx, userId))) return LAST_ADMIN;
    if ((await users.findUser(tx, userId)) === null) return GONE;
    await users.updateRole(tx, userId, role);
    await users.notifyAccountChanged(tx, userId);
    return { kind: 'ok' };
  }) as Promise<PeopleOutcome>;
}

/** Bars a person: ends their sessions and takes their log-in links back. Their work stays. */
export async function disablePerson(sql: Database, userId: number): Promise<PeopleOutcome> {
  return sql.begin(async (tx): Promise<PeopleOutcome> => {
    if (await isLastAdmin(tx, userId)) return LAST_ADMIN;
    if ((await users.findUser(tx, userId)) === null) return GONE;
    await users.updateDisabled(tx, userId, true);
    await users.deleteOpenLoginLinks(tx, userId);
    await invalidateAll(tx, userId);
    await users.notifyAccountChanged(tx, userId);
    return { kind: 'ok' };
  }) as Promise<PeopleOutcome>;
}

/** Lets a disabled person log in again. */
export async function enablePerson(sql: Sql, userId: number): Promise<PeopleOutcome> {
  if ((await users.findUser(sql, userId)) === null) return GONE;
  await users.updateDisabled(sql, userId, false);
  return { kind: 'ok' };
}

/** Makes a log-in link for a person, for instance one who has forgotten the password. */
export async function createLoginLinkFor(sql: Sql, userId: number, createdBy: number): Promise<LinkOutcome> {
  const user = await users.findUser(sql, userId);
  if (user === null) return GONE;
  if (user.disabledAt !== null) return { kind: 'refused', message: `${user.name} is disabled: enable the account first.` };
  return { kind: 'ok', path: await createLoginLink(sql, userId, createdBy), name: user.name };
}

/** Makes an invite that gives a new person this role, good for seven days; gives its path, which is not stored. */
export async function createInvite(sql: Sql, role: Role, createdBy: number): Promise<string> {
  const { token, tokenHash } = createToken();
  await users.insertLink(sql, { tokenHash, kind: 'invite', role, userId: null, createdBy, validHours: INVITE_HOURS });
  return `/welcome/${token}`;
}

/** Invites that can still be used, the newest first. `tokenHash` names one and lets nobody in. */
export async function listInvites(sql: Sql): Promise<users.OpenInviteRow[]> {
  return await users.listOpenInvites(sql);
}

/** Takes an invite back. */
export async function revokeInvite(sql: Sql, tokenHash: string): Promise<PeopleOutcome> {
  if (await users.deleteOpenInvite(sql, tokenHash)) return { kind: 'ok' };
  return { kind: 'refused', message: 'This invite has been used or taken back already.' };
}

async function isLastAdmin(tx: Transaction, userId: number): Promise<boolean> {
  const adminIds = await users.lockActiveAdmins(tx);
  return adminIds.length === 1 && adminIds[0] === userId;
}
