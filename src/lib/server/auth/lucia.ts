import { PostgresJsAdapter } from '@lucia-auth/adapter-postgresql';
import { Lucia } from 'lucia';
import type { Role } from '#lib/live/views.ts';
import { config } from '#lib/server/config.ts';
import type { Sql } from '#lib/server/db.ts';

/** The person behind a request or a socket. */
export interface SessionUser {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly role: Role;
}

/** A log-in session. `isFresh` when this check has prolonged it: send its cookie again. */
export interface LoginSession {
  readonly id: string;
  readonly expiresAt: Date;
  readonly isFresh: boolean;
}

/** A cookie to set, in the form that SvelteKit's `cookies.set` takes. */
export interface SessionCookie {
  readonly name: string;
  readonly value: string;
  readonly attributes: {
    readonly path: string;
    readonly httpOnly: boolean;
    readonly secure: boolean;
    readonly sameSite: 'lax';
    readonly maxAge: number;
  };
}

interface UserAttributes {
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly disabled_at: Date | null;
}

declare module 'lucia' {
  interface Register {
    Lucia: ReturnType<typeof luciaOn>;
    UserId: number;
    DatabaseUserAttributes: UserAttributes;
  }
}

const COOKIE_NAME = 'heaters_session';
// The longest that browsers keep a cookie (RFC 6265bis, section 5.5). The row in `sessions` decides
// when a session ends: it may be prolonged by a socket, which can't set a cookie.
const COOKIE_MAX_AGE_SECONDS = 400 * 24 * 60 * 60;

function luciaOn(sql: Sql) {
  // The adapter declares postgres.js's default type map; ours differs in int8 only, which it never reads.
  const adapter = new PostgresJsAdapter(sql as unknown as ConstructorParameters<typeof PostgresJsAdapter>[0], {
    user: 'users',
    session: 'sessions',
  });
  return new Lucia(adapter, {
    sessionCookie: { name: COOKIE_NAME, expires: false },
    // The adapter reads whole rows: only what is listed here leaves this file, never the hash.
    getUserAttributes: ({ name, email, role, disabled_at }: UserAttributes) => ({
      name,
      email,
      role,
      isDisabled: disabled_at !== null,
    }),
  });
}

/** Starts a session for a person, on the caller's connection or transaction; gives its id. Lasts 30 days without use. */
export async function createSession(sql: Sql, userId: number): Promise<string> {
  return (await luciaOn(sql).createSession(userId, {})).id;
}

/** Who a session belongs to; null when it has ended or its person is disabled. Prolongs it in its second half. */
export async function validateSessionId(sql: Sql, sessionId: string): Promise<{ user: SessionUser; session: LoginSession } | null> {
  const { user, session } = await luciaOn(sql).validateSession(sessionId);
  if (user === null || user.isDisabled) return null;
  return {
    user: { id: user.id, name: user.name, email: user.email, role: user.role },
    session: { id: session.id, expiresAt: session.expiresAt, isFresh: session.fresh },
  };
}

/** Who sent a request, from its Cookie header; null for a stranger. */
export async function validateSession(
  sql: Sql,
  cookieHeader: string | null | undefined,
): Promise<{ user: SessionUser; session: LoginSession } | null> {
  const sessionId = readSessionCookie(cookieHeader);
  return sessionId === null ? null : await validateSessionId(sql, sessionId);
}

/** Ends one session. */
export async function invalidateSession(sql: Sql, sessionId: string): Promise<void> {
  await luciaOn(sql).invalidateSession(sessionId);
}

/** Ends all sessions of a person. */
export async function invalidateAll(sql: Sql, userId: number): Promise<void> {
  await luciaOn(sql).invalidateUserSessions(userId);
}

/** The cookie that carries a session, or with null the one that removes it. `secure` when ORIGIN is https. */
export function sessionCookie(sessionId: string | null): SessionCookie {
  return {
    name: COOKIE_NAME,
    value: sessionId ?? '',
    attributes: {
      path: '/',
      httpOnly: true,
      secure: config().origin.startsWith('https:'),
      sameSite: 'lax',
      maxAge: sessionId === null ? 0 : COOKIE_MAX_AGE_SECONDS,
    },
  };
}

function readSessionCookie(cookieHeader: string | null | undefined): string | null {
  for (const pair of (cookieHeader ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2);
    if (name === COOKIE_NAME && value !== undefined && /^[a-z0-9]{1,64}$/.test(value)) return value;
  }
  return null;
}
