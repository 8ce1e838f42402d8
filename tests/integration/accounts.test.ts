import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sessionCookie, validateSession, validateSessionId } from '#lib/server/auth/lucia.ts';
import { hashPassword } from '#lib/server/auth/passwords.ts';
import { hashToken } from '#lib/server/auth/tokens.ts';
import { closeDb, connect, type Database } from '#lib/server/db.ts';
import * as accounts from '#lib/server/features/accounts.ts';
import * as people from '#lib/server/features/manage-people.ts';
import { authenticateHandshake, stillValid } from '#lib/server/realtime/authenticate.ts';
import type { Role } from '#lib/live/views.ts';
import { auditEntries } from '#lib/server/stores/audit.ts';
import { insertUser } from '#lib/server/stores/users.ts';
import { createTestDatabase } from '../support/database.ts';

const PASSWORD = 'correct horse';
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let sql: Database;
let passwordHash: string;

beforeAll(async () => {
  database = await createTestDatabase();
  // Before the first call of config(): the handshake of a socket has no connection passed to it.
  process.env['DATABASE_URL'] = database.url;
  process.env['SECRET_KEY_BASE'] ??= 'x'.repeat(32);
  process.env['ORIGIN'] = 'http://localhost:3000';
  sql = connect(database.url, 10);
  passwordHash = await hashPassword(PASSWORD);
});

afterAll(async () => {
  await closeDb();
  await sql.end({ timeout: 5 });
  await database.drop();
});

beforeEach(async () => {
  await sql`truncate users, sessions, access_links, login_failures restart identity cascade`;
});

async function addPerson(name: string, role: Role, hash: string | null = passwordHash): Promise<number> {
  const user = await insertUser(sql, { email: `${name.toLowerCase()}@example.com`, name, role, passwordHash: hash });
  if (user === null) throw new Error('The e-mail is taken.');
  return user.id;
}

function tryLogIn(email: string, password = PASSWORD, address = '192.0.2.1') {
  return accounts.logIn(sql, { email, password, address });
}

async function sessionOf(email: string): Promise<string> {
  const outcome = await tryLogIn(email);
  if (outcome.kind !== 'ok') throw new Error(`The log-in was refused: ${outcome.kind}.`);
  return outcome.sessionId;
}

const admin = (userId: number) => ({ userId, name: 'Ann', role: 'admin' }) as const;
const tokenOf = (path: string) => path.replace('/welcome/', '');

describe('log-in', () => {
  it('gives a session whose cookie names the person, whatever the case of the e-mail', async () => {
    const userId = await addPerson('Ann', 'reviewer');
    const outcome = await tryLogIn(' ANN@example.com ');
    if (outcome.kind !== 'ok') throw new Error(outcome.kind);
    const cookie = sessionCookie(outcome.sessionId);
    const valid = await validateSession(sql, `theme=dark; ${cookie.name}=${cookie.value}`);
    expect(valid?.user).toEqual({ id: userId, name: 'Ann', email: 'ann@example.com', role: 'reviewer' });
    expect(cookie.attributes).toMatchObject({ httpOnly: true, sameSite: 'lax', secure: false });
  });

  it('answers the same for a wrong password, an unknown e-mail and a person without a password', async () => {
    await addPerson('Ann', 'viewer');
    await addPerson('Bob', 'viewer', null);
    expect(await tryLogIn('ann@example.com', 'wrong horse!!')).toEqual({ kind: 'wrong' });
    expect(await tryLogIn('nobody@example.com')).toEqual({ kind: 'wrong' });
    expect(await tryLogIn('bob@example.com')).toEqual({ kind: 'wrong' });
  });

  it('is refused after five failures of an e-mail, and says until when', async () => {
    await addPerson('Ann', 'viewer');
    for (let failure = 0; failure < 5; failure += 1) {
      expect((await tryLogIn('ann@example.com', 'wrong horse!!', `192.0.2.${failure}`)).kind).toBe('wrong');
    }
    const outcome = await tryLogIn('ann@example.com');
    if (outcome.kind !== 'limited') throw new Error(outcome.kind);
    const minutesLeft = (outcome.retryAt.getTime() - Date.now()) / 60_000;
    expect(minutesLeft).toBeGreaterThan(14);
    expect(minutesLeft).toBeLessThanOrEqual(15);
    await sql`update login_failures set at = at - interval '15 minutes'`;
    expect((await tryLogIn('ann@example.com')).kind).toBe('ok');
  });

  it('is not refused for longer by tries during the wait', async () => {
    await addPerson('Ann', 'viewer');
    for (let failure = 0; failure < 12; failure += 1) await tryLogIn('ann@example.com', 'wrong horse!!');
    expect(await sql`select from login_failures where subject = 'email:ann@example.com'`).toHaveLength(5);
  });

  it('is refused after twenty failures of an address', async () => {
    await addPerson('Ann', 'viewer');
    for (let failure = 0; failure < 20; failure += 1) await tryLogIn(`nobody${failure}@example.com`);
    expect((await tryLogIn('ann@example.com')).kind).toBe('limited');
    expect((await tryLogIn('ann@example.com', PASSWORD, '192.0.2.2')).kind).toBe('ok');
  });

  it('keeps an address’s failures when somebody succeeds from it', async () => {
    await addPerson('Ann', 'viewer');
    await tryLogIn('nobody@example.com');
    await tryLogIn('ann@example.com');
    expect(await sql`select from login_failures where subject = 'address:192.0.2.1'`).toHaveLength(1);
  });

  it('lets no more than five of many tries at once reach the password', async () => {
    await addPerson('Ann', 'viewer');
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => tryLogIn('ann@example.com', 'wrong horse!!')));
    expect(outcomes.filter((outcome) => outcome.kind === 'wrong').length).toBeLessThanOrEqual(5);
  });
});

describe('sessions', () => {
  it('end at log-out, on which the sockets’ node is told', async () => {
    const userId = await addPerson('Ann', 'viewer');
    const sessionId = await sessionOf('ann@example.com');
    const told = new Promise<string>(
      (resolve) =>
        void sql.listen('heaters_accounts', resolve, () => {
          void accounts.logOut(sql, userId, sessionId);
        }),
    );
    expect(JSON.parse(await told)).toEqual({ userId });
    expect(await validateSessionId(sql, sessionId)).toBeNull();
  });

  it('end everywhere else when the password changes, which needs the old one', async () => {
    const userId = await addPerson('Ann', 'viewer');
    const here = await sessionOf('ann@example.com');
    const elsewhere = await sessionOf('ann@example.com');
    const change = { userId, sessionId: here, oldPassword: 'wrong horse!!', newPassword: 'battery staple' };
    expect(await accounts.changePassword(sql, change)).toMatchObject({ kind: 'refused', field: 'oldPassword' });
    expect(await accounts.changePassword(sql, { ...change, newPassword: 'short' })).toMatchObject({ field: 'newPassword' });
    expect(await accounts.changePassword(sql, { ...change, oldPassword: PASSWORD })).toEqual({ kind: 'ok' });
    expect(await validateSessionId(sql, here)).not.toBeNull();
    expect(await validateSessionId(sql, elsewhere)).toBeNull();
    expect((await tryLogIn('ann@example.com', 'battery staple')).kind).toBe('ok');
  });

  it('all end on “log out everywhere”', async () => {
    const userId = await addPerson('Ann', 'viewer');
    const sessionId = await sessionOf('ann@example.com');
    await accounts.signOutEverywhere(sql, userId);
    expect(await validateSessionId(sql, sessionId)).toBeNull();
  });

  it('end after thirty days, and are prolonged by use in their second half', async () => {
    await addPerson('Ann', 'viewer');
    const sessionId = await sessionOf('ann@example.com');
    await sql`update sessions set expires_at = now() + interval '10 days'`;
    expect((await validateSessionId(sql, sessionId))?.session.isFresh).toBe(true);
    expect((await validateSessionId(sql, sessionId))?.session.isFresh).toBe(false);
    await sql`update sessions set expires_at = now() - interval '1 second'`;
    expect(await validateSessionId(sql, sessionId)).toBeNull();
  });

  it.each([undefined, '', 'heaters_session=', 'heaters_session=unknown', 'heaters_session=%00', 'x=1; heaters_session'])(
    'belong to nobody for the cookie header %j',
    async (header) => {
      expect(await validateSession(sql, header)).toBeNull();
    },
  );
});

describe('a socket’s handshake', () => {
  it('names the person of the cookie for as long as the session lasts', async () => {
    const userId = await addPerson('Ann', 'viewer');
    const sessionId = await sessionOf('ann@example.com');
    const { name, value } = sessionCookie(sessionId);
    expect(await authenticateHandshake(`${name}=${value}`)).toEqual({ userId, name: 'Ann', role: 'viewer', sessionId });
    await people.changeRole(sql, admin(userId), userId, 'admin');
    expect(await stillValid(sessionId)).toMatchObject({ role: 'admin' });
    await accounts.logOut(sql, userId, sessionId);
    expect(await stillValid(sessionId)).toBeNull();
    expect(await authenticateHandshake(`${name}=${value}`)).toBeNull();
    expect(await authenticateHandshake(undefined)).toBeNull();
  });
});

describe('log-in links', () => {
  it('let the first admin in without a password, once', async () => {
    const { userId, path } = await accounts.createFirstAdmin(sql);
    const token = tokenOf(path);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(await accounts.viewLink(sql, token)).toEqual({ kind: 'login', name: 'Admin', hasPassword: false });
    const outcome = await accounts.acceptLoginLink(sql, token, null);
    if (outcome.kind !== 'ok') throw new Error(outcome.kind);
    expect(outcome.hasPassword).toBe(false);
    expect((await validateSessionId(sql, outcome.sessionId))?.user).toMatchObject({ id: userId, role: 'admin' });
    expect(await accounts.acceptLoginLink(sql, token, null)).toEqual({ kind: 'gone' });
    expect(await accounts.viewLink(sql, token)).toEqual({ kind: 'gone' });
  });

  it('are stored as a hash only', async () => {
    const { path } = await accounts.createFirstAdmin(sql);
    const [row] = await sql<{ tokenHash: string }[]>`select token_hash as "tokenHash" from access_links`;
    expect(row?.tokenHash).toBe(hashToken(tokenOf(path)));
    expect(row?.tokenHash).not.toContain(tokenOf(path));
  });

  it('let in one of many who use one at the same moment', async () => {
    const { path } = await accounts.createFirstAdmin(sql);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => accounts.acceptLoginLink(sql, tokenOf(path), null)));
    expect(outcomes.filter((outcome) => outcome.kind === 'ok')).toHaveLength(1);
    expect(await sql`select from sessions`).toHaveLength(1);
  });

  it('replace the earlier link of the person', async () => {
    const first = await accounts.createFirstAdmin(sql);
    const second = await accounts.createFirstAdmin(sql);
    expect(second.userId).toBe(first.userId);
    expect((await accounts.viewLink(sql, tokenOf(first.path))).kind).toBe('gone');
    expect((await accounts.viewLink(sql, tokenOf(second.path))).kind).toBe('login');
  });

  it('can set a new password for who has forgotten theirs', async () => {
    const userId = await addPerson('Ann', 'viewer');
    const old = await sessionOf('ann@example.com');
    const token = tokenOf(await accounts.createLoginLink(sql, userId));
    expect(await accounts.acceptLoginLink(sql, token, 'short')).toMatchObject({ kind: 'refused', field: 'password' });
    expect((await accounts.acceptLoginLink(sql, token, 'battery staple')).kind).toBe('ok');
    expect(await validateSessionId(sql, old)).toBeNull();
    expect((await tryLogIn('ann@example.com', 'battery staple')).kind).toBe('ok');
  });

  it('expire', async () => {
    const { path } = await accounts.createFirstAdmin(sql);
    await sql`update access_links set expires_at = now() - interval '1 second'`;
    expect((await accounts.acceptLoginLink(sql, tokenOf(path), null)).kind).toBe('gone');
  });
});

describe('invites', () => {
  const bob = { email: 'Bob@Example.com', name: ' Bob ', password: 'battery staple' };

  it('make an account with the role that the admin picked, once', async () => {
    const adminId = await addPerson('Ann', 'admin');
    const token = tokenOf(await people.createInvite(sql, admin(adminId), 'reviewer'));
    expect(await accounts.viewLink(sql, token)).toEqual({ kind: 'invite', role: 'reviewer' });
    const outcome = await accounts.acceptInvite(sql, token, bob);
    if (outcome.kind !== 'ok') throw new Error(outcome.kind);
    expect((await validateSessionId(sql, outcome.sessionId))?.user).toMatchObject({
      name: 'Bob',
      email: 'bob@example.com',
      role: 'reviewer',
    });
    expect(await accounts.acceptInvite(sql, token, { ...bob, email: 'eve@example.com' })).toEqual({ kind: 'gone' });
    expect(await people.listInvites(sql)).toEqual([]);
  });

  it('stay open when the e-mail is taken or the password too short', async () => {
    const adminId = await addPerson('Ann', 'admin');
    const token = tokenOf(await people.createInvite(sql, admin(adminId), 'viewer'));
    expect(await accounts.acceptInvite(sql, token, { ...bob, email: 'ann@example.com' })).toMatchObject({
      kind: 'refused',
      field: 'email',
    });
    expect(await accounts.acceptInvite(sql, token, { ...bob, password: 'short' })).toMatchObject({ field: 'password' });
    expect((await accounts.acceptInvite(sql, token, bob)).kind).toBe('ok');
  });

  it('can be listed and taken back', async () => {
    const adminId = await addPerson('Ann', 'admin');
    const token = tokenOf(await people.createInvite(sql, admin(adminId), 'viewer'));
    const [invite] = await people.listInvites(sql);
    expect(invite).toMatchObject({ role: 'viewer', createdByName: 'Ann' });
    expect(await people.revokeInvite(sql, admin(adminId), invite?.tokenHash ?? '')).toEqual({ kind: 'ok' });
    expect((await people.revokeInvite(sql, admin(adminId), invite?.tokenHash ?? '')).kind).toBe('refused');
    expect((await accounts.acceptInvite(sql, token, bob)).kind).toBe('gone');
  });

  it('are no log-in links, and log-in links no invites', async () => {
    const adminId = await addPerson('Ann', 'admin');
    const invite = tokenOf(await people.createInvite(sql, admin(adminId), 'admin'));
    const link = tokenOf(await accounts.createLoginLink(sql, adminId));
    expect((await accounts.acceptLoginLink(sql, invite, null)).kind).toBe('gone');
    expect((await accounts.acceptInvite(sql, link, bob)).kind).toBe('gone');
    expect((await accounts.viewLink(sql, invite)).kind).toBe('invite');
    expect((await accounts.viewLink(sql, link)).kind).toBe('login');
  });
});

describe('people', () => {
  it('are locked out at once when disabled, and let in again when enabled', async () => {
    const ann = admin(await addPerson('Ann', 'admin'));
    const bobId = await addPerson('Bob', 'reviewer');
    const sessionId = await sessionOf('bob@example.com');
    const link = tokenOf(await accounts.createLoginLink(sql, bobId));
    expect(await people.disablePerson(sql, ann, bobId)).toEqual({ kind: 'ok' });
    expect(await validateSessionId(sql, sessionId)).toBeNull();
    expect(await tryLogIn('bob@example.com')).toEqual({ kind: 'disabled' });
    expect((await accounts.acceptLoginLink(sql, link, null)).kind).toBe('gone');
    expect((await people.createLoginLinkFor(sql, ann, bobId)).kind).toBe('refused');
    await people.enablePerson(sql, ann, bobId);
    expect((await tryLogIn('bob@example.com')).kind).toBe('ok');
  });

  it('have a session of which the role is that of now', async () => {
    const annId = await addPerson('Ann', 'viewer');
    const sessionId = await sessionOf('ann@example.com');
    await people.changeRole(sql, admin(annId), annId, 'reviewer');
    expect((await validateSessionId(sql, sessionId))?.user.role).toBe('reviewer');
  });

  it('always include an admin who can log in', async () => {
    const annId = await addPerson('Ann', 'admin');
    const bobId = await addPerson('Bob', 'admin');
    await people.disablePerson(sql, admin(annId), bobId);
    expect((await people.disablePerson(sql, admin(annId), annId)).kind).toBe('refused');
    expect((await people.changeRole(sql, admin(annId), annId, 'viewer')).kind).toBe('refused');
    expect((await people.changeRole(sql, admin(annId), annId, 'admin')).kind).toBe('ok');
  });

  it('keep an admin when two demote each other at the same moment', async () => {
    const annId = await addPerson('Ann', 'admin');
    const bobId = await addPerson('Bob', 'admin');
    const outcomes = await Promise.all([
      people.changeRole(sql, admin(bobId), annId, 'viewer'),
      people.disablePerson(sql, admin(annId), bobId),
    ]);
    expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(['ok', 'refused']);
  });

  it('are in the audit log with all that admins did to them, how they came, and nothing secret', async () => {
    const ann = admin(await addPerson('Ann', 'admin'));
    const token = tokenOf(await people.createInvite(sql, ann, 'viewer'));
    await accounts.acceptInvite(sql, token, { email: 'bob@example.com', name: 'Bob', password: 'battery staple' });
    const bobId = (await people.listPeople(sql)).find(({ name }) => name === 'Bob')!.id;
    await people.changeRole(sql, ann, bobId, 'reviewer');
    const link = await people.createLoginLinkFor(sql, ann, bobId);
    await people.disablePerson(sql, ann, bobId);
    await people.enablePerson(sql, ann, bobId);
    await people.createInvite(sql, ann, 'admin');
    await people.revokeInvite(sql, ann, (await people.listInvites(sql))[0]!.tokenHash);
    const entries = (await auditEntries(sql, { limit: 20 })).reverse();
    expect(entries.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
      ...['Ann invite.create', 'Bob person.join', 'Ann person.role', 'Ann person.login-link', 'Ann person.disable', 'Ann person.enable'],
      ...['Ann invite.create', 'Ann invite.revoke'],
    ]);
    expect(entries[1]?.details['invite']).toBe(entries[0]?.target);
    expect(entries[2]).toMatchObject({ target: `person:${bobId}`, details: { name: 'Bob', before: 'viewer', after: 'reviewer' } });
    for (const secret of [token, link.kind === 'ok' ? tokenOf(link.path) : '']) expect(JSON.stringify(entries)).not.toContain(secret);
  });

  it('that are unknown can’t be changed', async () => {
    const ann = admin(await addPerson('Ann', 'admin'));
    expect((await people.changeRole(sql, ann, 999, 'viewer')).kind).toBe('refused');
    expect((await people.disablePerson(sql, ann, 999)).kind).toBe('refused');
    expect((await people.enablePerson(sql, ann, 999)).kind).toBe('refused');
    expect(await auditEntries(sql, { limit: 10 })).toEqual([]);
  });
});
