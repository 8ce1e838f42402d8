import { config } from '#lib/server/config.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { authenticateHandshake } from '#lib/server/realtime/authenticate.ts';

/** Who uploads: a reviewer or admin, from a page of ours; or the HTTP status and the reason why not. */
export async function uploadActor(
  cookie: string | null,
  origin: string | null,
): Promise<
  { readonly kind: 'ok'; readonly actor: Actor } | { readonly kind: 'refused'; readonly status: number; readonly message: string }
> {
  const person = await authenticateHandshake(cookie ?? undefined);
  if (person === null) return refused(401, 'Log in first.');
  if (person.role === 'viewer') return refused(403, 'Only reviewers and admins can upload. An admin can change your role.');
  if (origin !== null && origin !== config().origin) return refused(403, 'This request came from another site.');
  return { kind: 'ok', actor: { userId: person.userId, name: person.name, role: person.role } };
}

function refused(status: number, message: string) {
  return { kind: 'refused', status, message } as const;
}
