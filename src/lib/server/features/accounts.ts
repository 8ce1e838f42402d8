import type { Role } from '#lib/live/views.ts';
import { clientNetwork } from '#lib/server/auth/client-network.ts';
import { createSession, invalidateAll, invalidateSession } from '#lib/server/auth/lucia.ts';
import { hashPassword, passwordProblem, verifyPassword } from '#lib/server/auth/passwords.ts';
import { createToken, hashToken } from '#lib/server/auth/tokens.ts';
import type { Database, Sql } from '#lib/server/db.ts';
import { inviteName, recordAudit } from '#lib/server/stores/audit.ts';
import * as users from '#lib/server/stores/users.ts';

/** Failed log-ins that a subject may have in the window before it has to wait. */
export const LOGIN_LIMITS = { perEmail: 5, perAddress: 20, windowMinutes: 15 } as const;
const LOGIN_LINK_HOURS = 24;

/** A session, or why there is none. `limited` names the time from which on another try is taken. */
export type LogInOutcome =
  | { readonly kind: 'ok'; readonly sessionId: string }
  | { readonly kind: 'wrong' | 'disabled' }
  | { readonly kind: 'limited'; readonly retryAt: Date };

/** A link as its page shows it, or that it is used up, expired, taken back or never was. */
export type LinkView =
  | { readonly kind: 'invite'; readonly role: Role }
  | { readonly kind: 'login'; readonly name: string; readonly hasPassword: boolean }
  | { readonly kind: 'gone' };

/** A session, or what stands in its way; `message` is for the person. */
export type AcceptOutcome =
  | { readonly kind: 'ok'; readonly sessionId: string; readonly hasPassword: boolean }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly field: 'email' | 'password'; readonly message: string };

/** Done, or which password was refused and why. */
export type PasswordOutcome =
  { readonly kind: 'ok' } | { readonly kind: 'refused'; readonly field: 'oldPassword' | 'newPassword'; readonly message: string };

/**
 * Logs a person in by e-mail and password.
 *
 * The failure is recorded before the password is checked and taken back after a success, so that
 * many tries at the same moment can't pass the limit together.
 */
export async function logIn(
  sql: Sql,
  attempt: { readonly email: string; readonly password: string; readonly address: string },
): Promise<LogInOutcome> {
  const email = attempt.email.trim().toLowerCase();
  const byEmail = `email:${email}`;
  const byAddress = `address:${clientNetwork(attempt.address)}`;
  const limitedBefore = await findRetryAt(sql, byEmail, byAddress, 0);
  if (limitedBefore !== null) return { kind: 'limited', retryAt: limitedBefore };
  await users.insertLoginFailure(sql, byEmail);
  const addressFailureAt = await users.insertLoginFailure(sql, byAddress);
  const limitedByOthers = await findRetryAt(sql, byEmail, byAddress, 1);
  if (limitedByOthers !== null) return { kind: 'limited', retryAt: limitedByOthers };

  const user = await users.findUserByEmail(sql, email);
  const isRight = await verifyPassword(user?.passwordHash ?? null, attempt.password);
  if (user === null || !isRight) return { kind: 'wrong' };
  // A success forgives the e-mail all failures, but the address only this one: otherwise a log-in
  // of one's own would buy another twenty guesses at others.
  await users.deleteLoginFailures(sql, byEmail, null);
  await users.deleteLoginFailures(sql, byAddress, addressFailureAt);
  if (user.disabledAt !== null) return { kind: 'disabled' };
  await users.deleteExpiredAccess(sql);
  return { kind: 'ok', sessionId: await createSession(sql, user.id) };
}

/** Ends one session of a person; their sockets on it are cut off. */
export async function logOut(sql: Sql, userId: number, sessionId: string): Promise<void> {
  await invalidateSession(sql, sessionId);
  await users.notifyAccountChanged(sql, userId);
}

/** Ends all sessions of a person, this one too. */
export async function signOutEverywhere(sql: Database, userId: number): Promise<void> {
  await sql.begin(async (tx) => {
    await invalidateAll(tx, userId);
    await users.notifyAccountChanged(tx, userId);
  });
}

/** Changes a person's name, 1 to 100 characters. */
export async function changeName(sql: Sql, userId: number, name: string): Promise<void> {
  await users.updateName(sql, userId, name);
}

/** Whether a person has set a password. */
export async function hasPassword(sql: Sql, userId: number): Promise<boolean> {
  return ((await users.findUser(sql, userId))?.passwordHash ?? null) !== null;
}

/** Sets a person's password, given the old one if there is one, and ends their other sessions. */
export async function changePassword(
  sql: Database,
  change: { readonly userId: number; readonly sessionId: string; readonly oldPassword: string; readonly newPassword: string },
): Promise<PasswordOutcome> {
  const { userId, sessionId } = change;
  const problem = passwordProblem(change.newPassword);
  if (problem !== null) return { kind: 'refused', field: 'newPassword', message: problem };
  const oldHash = (await users.findUser(sql, userId))?.passwordHash ?? null;
  if (oldHash !== null && !(await verifyPassword(oldHash, change.oldPassword))) {
    return { kind: 'refused', field: 'oldPassword', message: 'This is not your password now.' };
  }
  const passwordHash = await hashPassword(change.newPassword);
  await sql.begin(async (tx) => {
    await users.updatePasswordHash(tx, userId, passwordHash);
    await users.deleteSessions(tx, userId, sessionId);
    await users.notifyAccountChanged(tx, userId);
  });
  return { kind: 'ok' };
}

/** Makes a link that logs a person in once within 24 hours, and takes earlier ones back; gives its path. */
export async function createLoginLink(sql: Sql, userId: number, createdBy: number | null = null): Promise<string> {
  const { token, tokenHash } = createToken();
  await users.deleteOpenLoginLinks(sql, userId);
  await users.insertLink(sql, { tokenHash, kind: 'login', role: null, userId, createdBy, validHours: LOGIN_LINK_HOURS });
  return `/welcome/${token}`;
}

/** Makes the first admin, without a password, and the link that lets them in; asked again, only a new link. */
export async function createFirstAdmin(sql: Sql): Promise<{ userId: number; path: string }> {
  const admin = { email: 'admin@localhost', name: 'Admin', role: 'admin', passwordHash: null } as const;
  const user = (await users.insertUser(sql, admin)) ?? (await users.findUserByEmail(sql, admin.email));
  if (user === null) throw new Error('The first admin was removed while being made: start again.');
  return { userId: user.id, path: await createLoginLink(sql, user.id) };
}

/** What a link is good for. Looking doesn't use it up: chat programs fetch links to preview them. */
export async function viewLink(sql: Sql, token: string): Promise<LinkView> {
  const link = await users.findOpenLink(sql, hashToken(token));
  if (link?.kind === 'invite' && link.role !== null) return { kind: 'invite', role: link.role };
  const user = link === null || link.userId === null ? null : await users.findUser(sql, link.userId);
  if (user === null || user.disabledAt !== null) return { kind: 'gone' };
  return { kind: 'login', name: user.name, hasPassword: user.passwordHash !== null };
}

/** Logs in by link, which is used up, and sets a new password unless it is null. */
export async function acceptLoginLink(sql: Database, token: string, newPassword: string | null): Promise<AcceptOutcome> {
  const problem = newPassword === null ? null : passwordProblem(newPassword);
  if (problem !== null) return { kind: 'refused', field: 'password', message: problem };
  const tokenHash = hashToken(token);
  if ((await users.findOpenLink(sql, tokenHash)) === null) return { kind: 'gone' };
  const passwordHash = newPassword === null ? null : await hashPassword(newPassword);
  return sql.begin(async (tx): Promise<AcceptOutcome> => {
    const link = await users.useLink(tx, tokenHash, 'login');
    const user = link === null || link.userId === null ? null : await users.findUser(tx, link.userId);
    if (user === null || user.disabledAt !== null) return { kind: 'gone' };
    if (passwordHash !== null) {
      await users.updatePasswordHash(tx, user.id, passwordHash);
      await users.deleteSessions(tx, user.id, null);
      await users.notifyAccountChanged(tx, user.id);
    }
    const hasPassword = (passwordHash ?? user.passwordHash) !== null;
    return { kind: 'ok', sessionId: await createSession(tx, user.id), hasPassword };
  }) as Promise<AcceptOutcome>;
}

/** Makes an account by invite, which is used up, and logs in. A taken e-mail leaves the invite as it is. */
export async function acceptInvite(
  sql: Database,
  token: string,
  person: { readonly email: string; readonly name: string; readonly password: string },
): Promise<AcceptOutcome> {
  const problem = passwordProblem(person.password);
  if (problem !== null) return { kind: 'refused', field: 'password', message: problem };
  const tokenHash = hashToken(token);
  // Looked at first, so that a stranger without an invite can't make the server hash.
  if ((await users.findOpenLink(sql, tokenHash))?.kind !== 'invite') return { kind: 'gone' };
  const passwordHash = await hashPassword(person.password);
  const email = person.email.trim().toLowerCase();
  const answer = sql.begin(async (tx): Promise<AcceptOutcome> => {
    const link = await users.useLink(tx, tokenHash, 'invite');
    if (link === null || link.role === null) return { kind: 'gone' };
    const user = await users.insertUser(tx, { email, name: person.name.trim(), role: link.role, passwordHash });
    if (user === null) throw new EmailTaken();
    await users.updateLinkUser(tx, tokenHash, user.id);
    const joined = { actor: { userId: user.id, name: user.name }, action: 'person.join', target: `person:${user.id}` };
    await recordAudit(tx, { ...joined, details: { role: user.role, invite: inviteName(tokenHash) } });
    return { kind: 'ok', sessionId: await createSession(tx, user.id), hasPassword: true };
  }) as Promise<AcceptOutcome>;
  return await answer.catch((error: unknown): AcceptOutcome => {
    if (!(error instanceof EmailTaken)) throw error;
    return { kind: 'refused', field: 'email', message: 'There is an account with this e-mail: log in instead.' };
  });
}

// Thrown only to roll the transaction back, which gives the invite back.
class EmailTaken extends Error {}

async function findRetryAt(sql: Sql, byEmail: string, byAddress: string, own: 0 | 1): Promise<Date | null> {
  const { perEmail, perAddress, windowMinutes } = LOGIN_LIMITS;
  const emailEnd = await users.findLimitEnd(sql, byEmail, perEmail + own, windowMinutes);
  const addressEnd = await users.findLimitEnd(sql, byAddress, perAddress + own, windowMinutes);
  if (emailEnd === null || addressEnd === null) return emailEnd ?? addressEnd;
  return emailEnd > addressEnd ? emailEnd : addressEnd;
}
