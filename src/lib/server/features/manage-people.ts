import type { Role } from '#lib/live/views.ts';
import { invalidateAll } from '#lib/server/auth/lucia.ts';
import { createToken } from '#lib/server/auth/tokens.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { createLoginLink } from '#lib/server/features/accounts.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { inviteName, recordAudit } from '#lib/server/stores/audit.ts';
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
export async function changeRole(sql: Database, actor: Actor, userId: number, role: Role): Promise<PeopleOutcome> {
  return sql.begin(async (tx): Promise<PeopleOutcome> => {
    if (role !== 'admin' && (await isLastAdmin(tx, userId))) return LAST_ADMIN;
    const user = await users.findUser(tx, userId);
    if (user === null) return GONE;
    await users.updateRole(tx, userId, role);
    await users.notifyAccountChanged(tx, userId);
    await recordAboutPerson(tx, actor, 'role', user, { before: user.role, after: role });
    return { kind: 'ok' };
  }) as Promise<PeopleOutcome>;
}

/** Bars a person: ends their sessions and takes their log-in links back. Their work stays. */
export async function disablePerson(sql: Database, actor: Actor, userId: number): Promise<PeopleOutcome> {
  return sql.begin(async (tx): Promise<PeopleOutcome> => {
    if (await isLastAdmin(tx, userId)) return LAST_ADMIN;
    const user = await users.findUser(tx, userId);
    if (user === null) return GONE;
    await users.updateDisabled(tx, userId, true);
    await users.deleteOpenLoginLinks(tx, userId);
    await invalidateAll(tx, userId);
    await users.notifyAccountChanged(tx, userId);
    await recordAboutPerson(tx, actor, 'disable', user);
    return { kind: 'ok' };
  }) as Promise<PeopleOutcome>;
}

/** Lets a disabled person log in again. */
export async function enablePerson(sql: Database, actor: Actor, userId: number): Promise<PeopleOutcome> {
  return sql.begin(async (tx): Promise<PeopleOutcome> => {
    const user = await users.findUser(tx, userId);
    if (user === null) return GONE;
    await users.updateDisabled(tx, userId, false);
    await recordAboutPerson(tx, actor, 'enable', user);
    return { kind: 'ok' };
  }) as Promise<PeopleOutcome>;
}

/** Makes a log-in link for a person, for instance one who has forgotten the password. */
export async function createLoginLinkFor(sql: Database, actor: Actor, userId: number): Promise<LinkOutcome> {
  return sql.begin(async (tx): Promise<LinkOutcome> => {
    const user = await users.findUser(tx, userId);
    if (user === null) return GONE;
    if (user.disabledAt !== null) return { kind: 'refused', message: `${user.name} is disabled: enable the account first.` };
    await recordAboutPerson(tx, actor, 'login-link', user);
    return { kind: 'ok', path: await createLoginLink(tx, userId, actor.userId), name: user.name };
  }) as Promise<LinkOutcome>;
}

/** Makes an invite that gives a new person this role, good for seven days; gives its path, which is not stored. */
export async function createInvite(sql: Database, actor: Actor, role: Role): Promise<string> {
  const { token, tokenHash } = createToken();
  await sql.begin(async (tx) => {
    await users.insertLink(tx, { tokenHash, kind: 'invite', role, userId: null, createdBy: actor.userId, validHours: INVITE_HOURS });
    await recordAudit(tx, { actor, action: 'invite.create', target: inviteName(tokenHash), details: { role } });
  });
  return `/welcome/${token}`;
}

/** Invites that can still be used, the newest first. `tokenHash` names one and lets nobody in. */
export async function listInvites(sql: Sql): Promise<users.OpenInviteRow[]> {
  return await users.listOpenInvites(sql);
}

/** Takes an invite back. */
export async function revokeInvite(sql: Database, actor: Actor, tokenHash: string): Promise<PeopleOutcome> {
  return sql.begin(async (tx): Promise<PeopleOutcome> => {
    const isTaken = await users.deleteOpenInvite(tx, tokenHash);
    if (!isTaken) return { kind: 'refused', message: 'This invite has been used or taken back already.' };
    await recordAudit(tx, { actor, action: 'invite.revoke', target: inviteName(tokenHash) });
    return { kind: 'ok' };
  }) as Promise<PeopleOutcome>;
}

async function recordAboutPerson(
  tx: Transaction,
  actor: Actor,
  verb: string,
  user: { readonly id: number; readonly name: string },
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await recordAudit(tx, { actor, action: `person.${verb}`, target: `person:${user.id}`, details: { name: user.name, ...details } });
}

async function isLastAdmin(tx: Transaction, userId: number): Promise<boolean> {
  const adminIds = await users.lockActiveAdmins(tx);
  return adminIds.length === 1 && adminIds[0] === userId;
}
