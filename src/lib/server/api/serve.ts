import { createHash, randomUUID } from 'node:crypto';
import * as v from 'valibot';
import { fromText, type Answer, type Operation } from '#lib/server/api/define-operation.ts';
import { OPERATIONS } from '#lib/server/api/operations.ts';
import { problem, problemResponse, type Problem } from '#lib/server/api/problem.ts';
import { bearerOf } from '#lib/server/auth/tokens.ts';
import type { Database } from '#lib/server/db.ts';
import { holderOf, refusalOfScope } from '#lib/server/features/api-tokens.ts';
import { log } from '#lib/server/log.ts';
import { namesTag } from '#lib/server/storage/serve-media.ts';
import type { TokenHolder } from '#lib/server/stores/api-tokens.ts';

/** Where the API lies. */
export const API_ROOT = '/api/v1';

const ROUTES = OPERATIONS.map((operation) => {
  const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  return { operation, names, pattern: new RegExp(`^${API_ROOT}${operation.path.replace(/\{\w+\}/g, '([^/]+)')}$`) };
});

/** Answers a request of a program: finds its operation, asks for the token, reads what it says, carries it out. */
export async function serveApi(sql: Database, request: Request, requestId: string): Promise<Response> {
  try {
    const { answer, operation, holder } = await answerTo(sql, request);
    const response = answer.kind === 'problem' ? problemResponse(answer, requestId) : toResponse(answer, operation, request);
    if (answer.kind === 'problem' && answer.problem === 'unauthorized') response.headers.set('www-authenticate', 'Bearer realm="Heaters"');
    if (operation === null && answer.kind === 'problem' && answer.problem === 'method-not-allowed') {
      response.headers.set('allow', methodsAt(new URL(request.url).pathname).join(', '));
    }
    return holder === null ? response : withRate(response, holder);
  } catch (error) {
    log.error({ err: error, requestId, method: request.method }, 'an API request failed');
    return problemResponse(problem('failed', 'Something went wrong on our side. Try again in a moment.'), requestId);
  }
}

interface Answered {
  readonly answer: Answer<unknown>;
  readonly operation: Operation | null;
  readonly holder: TokenHolder | null;
}

async function answerTo(sql: Database, request: Request): Promise<Answered> {
  const url = new URL(request.url);
  const refuse = (answer: Problem, holder: TokenHolder | null = null): Answered => ({ answer, operation: null, holder });
  const found = findRoute(request.method, url.pathname);
  if (found === null) {
    return methodsAt(url.pathname).length > 0
      ? refuse(problem('method-not-allowed', `${url.pathname} takes ${methodsAt(url.pathname).join(', ')}.`))
      : refuse(problem('not-found', `There is no such path: the document at ${API_ROOT}/openapi.json names all of them.`));
  }
  const { operation } = found;
  const secret = bearerOf(request.headers.get('authorization'));
  if (secret === null)
    return refuse(problem('unauthorized', 'Send a token: Authorization: Bearer heaters_…. You make one on your account’s page.'));
  const holder = await holderOf(sql, secret);
  if (holder === null)
    return refuse(problem('unauthorized', 'This token is unknown, expired or revoked, or its person is disabled. Make another one.'));
  if (!holder.isAllowed) {
    return refuse(
      problem('too-many-requests', `This token may make ${holder.ratePerMinute} requests a minute: wait ${holder.waitSeconds} s.`),
      holder,
    );
  }
  const refusal = refusalOfScope(holder, operation.scope);
  if (refusal !== null) return refuse(problem('forbidden', refusal), holder);
  const read = await readRequest(operation, found.params, url, request);
  if (read.kind === 'problem') return refuse(read, holder);
  const { userId, userName: name, role } = holder;
  const commandId = commandIdOf(userId, request.headers.get('idempotency-key'));
  const call = { sql, actor: { userId, name, role }, holder, ...read.input, commandId, request };
  return { answer: await operation.run(call), operation, holder };
}

function findRoute(method: string, path: string): { operation: Operation; params: Record<string, string> } | null {
  const wanted = method === 'HEAD' ? 'GET' : method;
  for (const { operation, names, pattern } of ROUTES) {
    const match = operation.method === wanted ? pattern.exec(path) : null;
    if (match !== null) return { operation, params: Object.fromEntries(names.map((name, place) => [name, decoded(match[place + 1]!)])) };
  }
  return null;
}

/** A part of a path; as it is where it can't be decoded, for the schema to refuse. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function methodsAt(path: string): string[] {
  return ROUTES.filter(({ pattern }) => pattern.test(path)).map(({ operation }) => operation.method);
}

type Input = { readonly params: unknown; readonly query: unknown; readonly body: unknown };

/** Reads what a request says, by the operation's schemas; or each place that is wrong. */
async function readRequest(
  operation: Operation,
  params: Readonly<Record<string, string>>,
  url: URL,
  request: Request,
): Promise<{ readonly kind: 'ok'; readonly input: Input } | Problem> {
  const errors: { at: string; message: string }[] = [];
  const check = (where: string, schema: v.GenericSchema | undefined, value: unknown) => {
    const parsed = v.safeParse(schema ?? v.object({}), value);
    if (!parsed.success) {
      errors.push(
        ...parsed.issues.map((issue) => ({ at: [where, v.getDotPath(issue)].filter(Boolean).join('.'), message: issue.message })),
      );
    }
    return parsed.output;
  };
  const checkTexts = (where: string, entries: v.ObjectEntries = {}, texts: Readonly<Record<string, string>>) => {
    // PostgreSQL keeps no NUL in a text.
    if (Object.values(texts).some((text) => text.includes('\0'))) errors.push({ at: where, message: 'There is a NUL in it.' });
    const values = Object.entries(texts).map(([name, text]) => {
      const schema = entries[name];
      if (schema === undefined) errors.push({ at: `${where}.${name}`, message: 'There is no such parameter.' });
      return [name, schema === undefined ? text : fromText(schema as v.GenericSchema, text)] as const;
    });
    return check(where, v.object(entries), Object.fromEntries(values));
  };
  const body = operation.body === undefined ? undefined : await readJson(request);
  if (body?.kind === 'problem') return body;
  const input: Input = {
    params: checkTexts('path', operation.params, params),
    query: checkTexts('query', operation.query, Object.fromEntries(url.searchParams)),
    body: body === undefined ? undefined : check('body', operation.body, body.value),
  };
  if (errors.length === 0) return { kind: 'ok', input };
  return problem('bad-request', `${errors[0]!.at}: ${errors[0]!.message}`, { errors });
}

async function readJson(request: Request): Promise<{ readonly kind: 'ok'; readonly value: unknown } | Problem> {
  if (!/^application\/json\b/i.test(request.headers.get('content-type') ?? '')) {
    return problem('bad-request', 'Send the body as JSON: Content-Type: application/json.');
  }
  let text: string;
  try {
    text = await request.text();
  } catch {
    return problem('too-large', 'The body is larger than is taken here, or it broke off.');
  }
  if (/\\u0000/.test(text)) return problem('bad-request', 'body: There is a NUL in it.');
  try {
    return { kind: 'ok', value: JSON.parse(text) as unknown };
  } catch {
    return problem('bad-request', 'body: This is no JSON.');
  }
}

/** A command's id for a key: one person's key means the same command, nobody else's does. */
function commandIdOf(userId: number, key: string | null): string {
  if (key === null) return randomUUID();
  const hex = createHash('sha256').update(`${userId}:${key}`).digest('hex');
  // Version 8 (RFC 9562): the bits are the maker's own.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function toResponse(answer: Exclude<Answer<unknown>, Problem>, operation: Operation | null, request: Request): Response {
  if (answer.kind === 'file') return answer.response;
  if (operation === null || operation.answer === 'nothing') return new Response(null, { status: 204 });
  // Cut to what the document says: what is not told there is not told.
  const body = JSON.stringify(v.parse(operation.answer as v.GenericSchema, answer.body));
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'private, no-cache' });
  if (answer.location !== undefined) headers.set('location', answer.location);
  if (operation.method === 'GET') {
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    headers.set('etag', etag);
    if (namesTag(request.headers.get('if-none-match'), etag)) return new Response(null, { status: 304, headers });
  }
  return new Response(body, { status: answer.status ?? operation.status ?? 200, headers });
}

function withRate(response: Response, { ratePerMinute, remaining, isAllowed, waitSeconds }: TokenHolder): Response {
  // One that came from elsewhere may have headers that can't be set.
  const answer = new Response(response.body, response);
  answer.headers.set('x-ratelimit-limit', String(ratePerMinute));
  answer.headers.set('x-ratelimit-remaining', String(remaining));
  if (!isAllowed) answer.headers.set('retry-after', String(Math.max(1, waitSeconds)));
  return answer;
}
