import * as v from 'valibot';
import { ClipSchema } from '#lib/server/api/schemas.ts';

/** Why a request is not answered: the kinds, each with its HTTP status and what it means. */
export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is not as the document says' },
  unauthorized: { status: 401, title: 'There is no valid token' },
  forbidden: { status: 403, title: 'The token or its person may not do this' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'method-not-allowed': { status: 405, title: 'The path does not take this method' },
  conflict: { status: 409, title: 'Someone else was first' },
  'too-large': { status: 413, title: 'The body is too large' },
  refused: { status: 422, title: 'The rules of the library do not allow this' },
  'too-many-requests': { status: 429, title: 'The token’s rate is used up' },
  failed: { status: 500, title: 'Something went wrong on our side' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;
export type ProblemKind = keyof typeof PROBLEMS;

/** A problem as it is sent: problem details for HTTP (RFC 9457). */
export const ProblemSchema = v.object({
  type: v.pipe(v.string(), v.description('The kind, as an address that explains it.')),
  title: v.string(),
  status: v.pipe(v.number(), v.integer()),
  detail: v.pipe(v.string(), v.description('What is wrong here, and what to do, in a sentence for people.')),
  requestId: v.pipe(v.string(), v.description('Names the request in the server’s log.')),
  errors: v.exactOptional(
    v.pipe(
      v.array(v.object({ at: v.string(), message: v.string() })),
      v.description('For `bad-request`: each place that is wrong, such as `body.version`.'),
    ),
  ),
  current: v.exactOptional(
    v.pipe(v.nullable(ClipSchema), v.description('For `conflict` about a clip: how it stands now; null when it is gone.')),
  ),
});

/** A problem on its way to the answer. */
export interface Problem extends Pick<v.InferOutput<typeof ProblemSchema>, 'errors'> {
  readonly kind: 'problem';
  readonly problem: ProblemKind;
  readonly detail: string;
  readonly current?: unknown;
}

/** Says why not. */
export function problem(kind: ProblemKind, detail: string, more: Pick<Problem, 'errors' | 'current'> = {}): Problem {
  return { kind: 'problem', problem: kind, detail, ...more };
}

/** A problem as an HTTP answer. */
export function problemResponse({ problem: kind, detail, errors, current }: Problem, requestId: string): Response {
  const { status, title } = PROBLEMS[kind];
  const body = {
    ...{ type: `/api#problem-${kind}`, title, status, detail, requestId },
    ...(errors === undefined ? {} : { errors }),
    ...(current === undefined ? {} : { current }),
  };
  return new Response(JSON.stringify(v.parse(ProblemSchema, body)), {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  });
}
