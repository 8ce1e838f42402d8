import { error, redirect, type RequestEvent } from '@sveltejs/kit';
import type { Role } from '#lib/live/views.ts';
import { sessionCookie, type SessionUser } from '#lib/server/auth/lucia.ts';
import { hasRole } from '#lib/server/auth/roles.ts';

const MISSING_ROLE: Readonly<Record<Role, string>> = {
  admin: 'Only an admin can do this.',
  reviewer: 'Only reviewers and admins can do this. An admin can change your role.',
  viewer: 'You can’t do this.',
};

/** The person who is logged in. A stranger is sent to the log-in page and back, or gets 401 from an endpoint. */
export function requireUser(event: RequestEvent): SessionUser {
  if (event.locals.user !== null) return event.locals.user;
  if (!isForPage(event)) error(401, 'Log in first.');
  // After a form's POST only the page can be shown again, without the action's name in the query.
  const next = event.url.pathname + (event.request.method === 'GET' ? event.url.search : '');
  redirect(303, next === '/' ? '/login' : `/login?next=${encodeURIComponent(next)}`);
}

/** A logged-in person as the features know them. */
export function actorOf(user: SessionUser): { readonly userId: number; readonly name: string; readonly role: Role } {
  return { userId: user.id, name: user.name, role: user.role };
}

/** The person who is logged in and has at least this role; like `requireUser`, and 403 for too small a role. */
export function requireRole(event: RequestEvent, role: Role): SessionUser {
  const user = requireUser(event);
  if (!hasRole(user.role, role)) error(403, MISSING_ROLE[role]);
  return user;
}

/**
 * Stops requests that another site's page made: 403 unless the browser names our own origin.
 *
 * For `+server.ts` endpoints that change something. SvelteKit's own check covers forms only.
 */
export function assertSameOrigin(event: RequestEvent): void {
  const origin = event.request.headers.get('origin');
  const isOwn = origin === null ? event.request.headers.get('sec-fetch-site') === 'same-origin' : origin === event.url.origin;
  if (!isOwn) error(403, 'This request came from another site.');
}

/**
 * Stops what no browser sends: 400 for an address with a NUL, which no text that is kept can have, and for a form that can't
 * be read, when it is read.
 */
export function requireReadable(event: RequestEvent): void {
  const { request, url } = event;
  if (/%00/.test(url.pathname + url.search)) error(400, 'There is a character in this address that can’t be: check it.');
  const read = request.formData.bind(request);
  request.formData = () =>
    read().catch((cause: unknown) => {
      if (cause instanceof TypeError) error(400, 'The form could not be read: reload the page and send it again.');
      throw cause;
    });
}

/** Sets the session's cookie on the answer, or with null removes it. */
export function writeSessionCookie(event: Pick<RequestEvent, 'cookies'>, sessionId: string | null): void {
  const cookie = sessionCookie(sessionId);
  event.cookies.set(cookie.name, cookie.value, cookie.attributes);
}

function isForPage(event: RequestEvent): boolean {
  const { headers } = event.request;
  return event.isDataRequest || headers.get('x-sveltekit-action') === 'true' || (headers.get('accept') ?? '').includes('text/html');
}
