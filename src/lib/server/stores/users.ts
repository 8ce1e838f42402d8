import type { Role } from '#lib/live/views.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';

/** A person with an account. `passwordHash` is null until one is set; `disabledAt` bars the way in. */
export interface UserRow {
  readonly id: number;
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string | null;
  readonly role: Role;
  readonly disabledAt: Date | null;
  readonly createdAt: Date;
}

/** A link that lets somebody in once; `role` is set for an invite, `userId` for a log-in link. */
export interface AccessLinkRow {
  readonly tokenHash: string;
  readonly kind: 'invite' | 'login';
  readonly role: Role | null;
  readonly userId: number | null;
  readonly expiresAt: Date;
}

/** An invite that nobody has used yet. */
export interface OpenInviteRow {
  readonly tokenHash: string;
  readonly role: Role;
  readonly createdByName: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

const userColumns = (sql: Sql) =>
  sql`id, email, name, password_hash as "passwordHash", role, disabled_at as "disabledAt", created_at as "createdAt"`;
const linkColumns = (sql: Sql) => sql`token_hash as "tokenHash", kind, role, user_id as "userId", expires_at as "expiresAt"`;

/** The person with this e-mail, given in lower case, or null. */
export async function findUserByEmail(sql: Sql, email: string): Promise<UserRow | null> {
  const [row] = await sql<UserRow[]>`select ${userColumns(sql)} from users where email = ${email}`;
  return row ?? null;
}

/** The person with this id, or null. */
export async function findUser(sql: Sql, userId: number): Promise<UserRow | null> {
  const [row] = await sql<UserRow[]>`select ${userColumns(sql)} from users where id = ${userId}`;
  return row ?? null;
}

/** Everybody with an account, by name. */
export async function listUsers(sql: Sql): Promise<UserRow[]> {
  return await sql<UserRow[]>`select ${userColumns(sql)} from users order by lower(name), id`;
}

/** Everybody who can be mentioned. */
export async function mentionablePeople(sql: Sql): Promise<{ id: number; name: string }[]> {
  return await sql<{ id: number; name: string }[]>`select id, name from users where disabled_at is null order by lower(name), id`;
}

/** Adds a person; null when the e-mail is taken. */
export async function insertUser(sql: Sql, user: Pick<UserRow, 'email' | 'name' | 'role' | 'passwordHash'>): Promise<UserRow | null> {
  const [row] = await sql<UserRow[]>`
    insert into users (email, name, role, password_hash)
    values (${user.email}, ${user.name}, ${user.role}, ${user.passwordHash})
    on conflict (email) do nothing
    returning ${userColumns(sql)}`;
  return row ?? null;
}

/** Sets a person's name. */
export async function updateName(sql: Sql, userId: number, name: string): Promise<void> {
  await sql`update users set name = ${name} where id = ${userId}`;
}

/** Sets a person's password hash. */
export async function updatePasswordHash(sql: Sql, userId: number, passwordHash: string): Promise<void> {
  await sql`update users set password_hash = ${passwordHash} where id = ${userId}`;
}

/** Sets a person's role. */
export async function updateRole(sql: Sql, userId: number, role: Role): Promise<void> {
  await sql`update users set role = ${role} where id = ${userId}`;
}

/** Disables a person, or enables one again. */
export async function updateDisabled(sql: Sql, userId: number, isDisabled: boolean): Promise<void> {
  await sql`update users set disabled_at = ${isDisabled ? sql`now()` : null} where id = ${userId}`;
}

/**
 * The ids of the admins who can log in, locked until the transaction ends, so that two admins
 * who demote each other at once can't leave none.
 */
export async function lockActiveAdmins(tx: Transaction): Promise<number[]> {
  const rows = await tx<{ id: number }[]>`
    select id from users where role = 'admin' and disabled_at is null order by id for update`;
  return rows.map((row) => row.id);
}

/** Ends a person's sessions, all or all but one. */
export async function deleteSessions(sql: Sql, userId: number, exceptSessionId: string | null): Promise<void> {
  await sql`
    delete from sessions where user_id = ${userId} and id is distinct from ${exceptSessionId}`;
}

/** Deletes sessions and links that have run out, and failures that no longer count. */
export async function deleteExpiredAccess(sql: Sql): Promise<void> {
  await sql`delete from sessions where expires_at < now()`;
  await sql`delete from access_links where expires_at < now() - interval '30 days'`;
  await sql`delete from login_failures where at < now() - interval '1 day'`;
}

/** Tells all web nodes, on commit, that a person's sessions or role have changed. */
export async function notifyAccountChanged(sql: Sql, userId: number): Promise<void> {
  await sql`select pg_notify('heaters_accounts', ${JSON.stringify({ userId })})`;
}

/** Stores a link by the SHA-256 of its token. */
export async function insertLink(
  sql: Sql,
  link: Pick<AccessLinkRow, 'tokenHash' | 'kind' | 'role' | 'userId'> & { createdBy: number | null; validHours: number },
): Promise<void> {
  await sql`
    insert into access_links (token_hash, kind, role, user_id, created_by, expires_at)
    values (${link.tokenHash}, ${link.kind}, ${link.role}, ${link.userId}, ${link.createdBy},
            now() + make_interval(hours => ${link.validHours}))`;
}

/** A link that can still be used, or null. */
export async function findOpenLink(sql: Sql, tokenHash: string): Promise<AccessLinkRow | null> {
  const [row] = await sql<AccessLinkRow[]>`
    select ${linkColumns(sql)} from access_links
    where token_hash = ${tokenHash} and used_at is null and expires_at > now()`;
  return row ?? null;
}

/** Uses a link up: the link for the one caller who comes first, null for all others. */
export async function useLink(sql: Sql, tokenHash: string, kind: AccessLinkRow['kind']): Promise<AccessLinkRow | null> {
  const [row] = await sql<AccessLinkRow[]>`
    update access_links set used_at = now()
    where token_hash = ${tokenHash} and kind = ${kind} and used_at is null and expires_at > now()
    returning ${linkColumns(sql)}`;
  return row ?? null;
}

/** Remembers whose account came from an invite. */
export async function updateLinkUser(sql: Sql, tokenHash: string, userId: number): Promise<void> {
  await sql`update access_links set user_id = ${userId} where token_hash = ${tokenHash}`;
}

/** Takes back the unused log-in links of a person. */
export async function deleteOpenLoginLinks(sql: Sql, userId: number): Promise<void> {
  await sql`delete from access_links where user_id = ${userId} and kind = 'login' and used_at is null`;
}

/** Invites that can still be used, the newest first. */
export async function listOpenInvites(sql: Sql): Promise<OpenInviteRow[]> {
  return await sql<OpenInviteRow[]>`
    select l.token_hash as "tokenHash", l.role, u.name as "createdByName",
           l.created_at as "createdAt", l.expires_at as "expiresAt"
    from access_links l left join users u on u.id = l.created_by
    where l.kind = 'invite' and l.used_at is null and l.expires_at > now()
    order by l.created_at desc`;
}

/** Takes an unused invite back; false when it is gone already. */
export async function deleteOpenInvite(sql: Sql, tokenHash: string): Promise<boolean> {
  const deleted = await sql`
    delete from access_links where token_hash = ${tokenHash} and kind = 'invite' and used_at is null`;
  return deleted.count > 0;
}

/**
 * When a subject falls back below `limit` failures in the window, or null when it is below now.
 *
 * That is when the oldest of its latest `limit` failures leaves the window.
 */
export async function findLimitEnd(sql: Sql, subject: string, limit: number, windowMinutes: number): Promise<Date | null> {
  const [row] = await sql<{ limitEnd: Date }[]>`
    select at + make_interval(mins => ${windowMinutes}) as "limitEnd" from login_failures
    where subject = ${subject} and at > now() - make_interval(mins => ${windowMinutes})
    order by at desc offset ${limit - 1} limit 1`;
  return row?.limitEnd ?? null;
}

/** Records a failure; gives its exact time, which with the subject names it. */
export async function insertLoginFailure(sql: Sql, subject: string): Promise<string> {
  const [row] = await sql<{ at: string }[]>`
    insert into login_failures (subject, at) values (${subject}, clock_timestamp()) returning at::text as at`;
  if (row === undefined) throw new Error('An insert returned no row.');
  return row.at;
}

/** Forgets one failure of a subject, or all of them when `at` is null. */
export async function deleteLoginFailures(sql: Sql, subject: string, at: string | null): Promise<void> {
  await sql`
    delete from login_failures
    where subject = ${subject} and (${at}::text is null or at = ${at}::text::timestamptz)`;
}
