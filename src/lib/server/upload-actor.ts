import { bearerOf } from '#lib/server/auth/tokens.ts';
import { config } from '#lib/server/config.ts';
import { db } from '#lib/server/db.ts';
import { holderOf, refusalOfScope } from '#lib/server/features/api-tokens.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { authenticateHandshake } from '#lib/server/realtime/authenticate.ts';

/** What a request says of who sends it. */
export interface UploadHeaders {
  readonly cookie: string | null;
  readonly origin: string | null;
  readonly authorization: string | null;
}

type Allowed =
  { readonly kind: 'ok'; readonly actor: Actor } | { readonly kind: 'refused'; readonly status: number; readonly message: string };

/** Who uploads: a reviewer or admin from a page of ours, or a program with a token; or the HTTP status and the reason why not. */
export async function uploadActor({ cookie, origin, authorization }: UploadHeaders): Promise<Allowed> {
  if (authorization !== null) return actorOfToken(authorization);
  const person = await authenticateHandshake(cookie ?? undefined);
  if (person === null) return refused(401, 'Log in first.');
  if (person.role === 'viewer') return refused(403, 'Only reviewers and admins can upload. An admin can change your role.');
  if (origin !== null && origin !== config().origin) return refused(403, 'This request came from another site.');
  return { kind: 'ok', actor: { userId: person.userId, name: person.name, role: person.role } };
}

async function actorOfToken(authorization: string): Promise<Allowed> {
  const secret = bearerOf(authorization);
  const holder = secret === null ? null : await holderOf(db(), secret);
  if (holder === null) return refused(401, 'This token is unknown, expired or revoked, or its person is disabled.');
  if (!holder.isAllowed) return refused(429, `This token’s rate is used up: wait ${holder.waitSeconds} s.`);
  const refusal = refusalOfScope(holder, 'import');
  if (refusal !== null) return refused(403, refusal);
  return { kind: 'ok', actor: { userId: holder.userId, name: holder.userName, role: holder.role } };
}

function refused(status: number, message: string) {
  return { kind: 'refused', status, message } as const;
}
