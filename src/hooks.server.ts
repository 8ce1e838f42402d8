import { randomUUID } from 'node:crypto';
import {
  isHttpError,
  isRedirect,
  type Handle,
  type HandleServerError,
  type HttpError,
  type Redirect,
  type RequestEvent,
} from '@sveltejs/kit';
import { THEME_COOKIE, toTheme } from '#lib/core/theme.ts';
import { requireReadable, requireUser, writeSessionCookie } from '#lib/server/auth/guards.ts';
import { sessionCookie, validateSession } from '#lib/server/auth/lucia.ts';
import { db } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { partUploads } from '#lib/server/storage/object-store.ts';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { httpDuration } from '#lib/server/telemetry/metrics.ts';
import { inSpan, noteOnSpan } from '#lib/server/telemetry/tracing.ts';

const REQUEST_ID_HEADER = 'x-request-id';

/** What machines ask: it must be answered without a database, and nobody is logged in there. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/** Gives each request an id and its person, guards the pages behind the log-in. */
export const handle: Handle = async ({ event, resolve }) => {
  const requestId = (event.locals.requestId = requestIdOf(event.request));
  const method = event.request.method;
  // The route and not the path, which can hold a one-time token.
  const route = event.route.id ?? 'none';
  const span = { kind: 'SERVER', attributes: { requestId, 'http.request.method': method, 'http.route': route } } as const;
  const parent = event.request.headers.get('traceparent') ?? undefined;
  const answered = await withLogFields({ requestId }, () =>
    inSpan(`${method} ${route}`, { ...span, parent }, async () => {
      const startedMs = performance.now();
      const outcome = await answer(event, resolve).catch(refusalOf);
      const durationMs = performance.now() - startedMs;
      noteOnSpan({ 'http.response.status_code': outcome.status });
      httpDuration.observe({ method, route, status: String(outcome.status) }, durationMs / 1000);
      const fields = { method, route, status: outcome.status, ms: Math.round(durationMs), userId: event.locals.user?.id };
      log[PROBES.has(route) ? 'debug' : 'info'](fields, 'request');
      return outcome;
    }),
  );
  if (answered instanceof Response) return answered;
  throw answered;
};

/** What a guard throws to refuse or redirect is an outcome too; anything else goes on as an error. */
function refusalOf(thrown: unknown): HttpError | Redirect {
  if (isRedirect(thrown) || isHttpError(thrown)) return thrown;
  throw thrown;
}

async function answer(event: RequestEvent, resolve: Parameters<Handle>[0]['resolve']): Promise<Response> {
  event.locals.user = null;
  event.locals.session = null;
  const routeId = event.route.id ?? '';
  requireReadable(event);
  // Programs bring a token and never a cookie.
  if (!PROBES.has(routeId) && !routeId.startsWith('/api/')) {
    const valid = await validateSession(db(), event.request.headers.get('cookie'));
    event.locals.user = valid?.user ?? null;
    event.locals.session = valid?.session ?? null;
    if (valid?.session.isFresh) writeSessionCookie(event, valid.session.id);
    if (valid === null && event.cookies.get(sessionCookie(null).name) !== undefined) writeSessionCookie(event, null);
  }
  // Here and not in the layout alone: a layout's load runs beside the page's, and not before actions.
  if (routeId.startsWith('/(app)')) requireUser(event);
  const theme = toTheme(event.cookies.get(THEME_COOKIE));
  const response = await resolve(event, { transformPageChunk: ({ html }) => html.replace('%heaters.theme%', theme) });
  await allowBucket(response);
  return withHeaders(response, event.locals.requestId, event.locals.user !== null);
}

/** Lets a page send uploads to the bucket: its origin is known only now, the rest of the policy is part of the build. */
async function allowBucket(response: Response): Promise<void> {
  const policy = response.headers.get('content-security-policy');
  const bucket = partUploads();
  if (policy === null || bucket === null) return;
  response.headers.set('content-security-policy', policy.replace(/connect-src /, `connect-src ${await bucket.origin()} `));
}

/** Logs what nobody expected, once, and shows the id by which it can be found. */
export const handleError: HandleServerError = ({ error, event, status, message }) => {
  const { requestId } = event.locals;
  if (status === 404) return { message: 'There is no such page.', requestId };
  const fields = { requestId, routeId: event.route.id, method: event.request.method, status, userId: event.locals.user?.id };
  if (status < 500) log.warn({ ...fields, reason: message }, 'request refused');
  else log.error({ ...fields, err: error }, 'request failed');
  return { message: status < 500 ? message : 'Something went wrong on our side. Try again in a moment.', requestId };
};

function requestIdOf(request: Request): string {
  const given = request.headers.get(REQUEST_ID_HEADER);
  return given !== null && /^[\w-]{8,64}$/.test(given) ? given : randomUUID();
}

function withHeaders(response: Response, requestId: string, isPersonal: boolean): Response {
  // A response that came from `fetch` or `Response.redirect` has headers that can't be set: copy it.
  const answer = isWritable(response) ? response : new Response(response.body, response);
  answer.headers.set(REQUEST_ID_HEADER, requestId);
  // What one person sees must not come out of a cache for the next one at this browser.
  if (isPersonal && !answer.headers.has('cache-control')) answer.headers.set('cache-control', 'private, no-cache');
  return answer;
}

function isWritable(response: Response): boolean {
  try {
    response.headers.delete('x-heaters-probe');
    return true;
  } catch {
    return false;
  }
}
