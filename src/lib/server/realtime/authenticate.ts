import type { Role } from '#lib/live/views.ts';
import { validateSession, validateSessionId } from '#lib/server/auth/lucia.ts';
import { db } from '#lib/server/db.ts';

/** Who is behind a socket. */
export interface SocketPerson {
  readonly userId: number;
  readonly name: string;
  readonly role: Role;
  readonly sessionId: string;
}

/** Who opens a socket, from the handshake's Cookie header; null for a stranger. */
export async function authenticateHandshake(cookieHeader: string | undefined): Promise<SocketPerson | null> {
  return asPerson(await validateSession(db(), cookieHeader));
}

/** Who a socket's session belongs to now, with the role of now; null when it has ended or the person is disabled. */
export async function stillValid(sessionId: string): Promise<SocketPerson | null> {
  return asPerson(await validateSessionId(db(), sessionId));
}

function asPerson(valid: Awaited<ReturnType<typeof validateSession>>): SocketPerson | null {
  if (valid === null) return null;
  return { userId: valid.user.id, name: valid.user.name, role: valid.user.role, sessionId: valid.session.id };
}
