import * as v from 'valibot';
import type { Scope } from '#lib/live/api-scopes.ts';
import type { Database } from '#lib/server/db.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import type { Problem, ProblemKind } from '#lib/server/api/problem.ts';
import type { TokenHolder } from '#lib/server/stores/api-tokens.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
/** The chapters of the document, in its order. */
export const TAGS = ['Account', 'Videos', 'Clips', 'Comments', 'Sessions', 'Exports', 'Queues', 'People', 'Webhooks'] as const;
export type Tag = (typeof TAGS)[number];

type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** A request that is authorised and parsed. */
export interface Call<Params, Query, Body> {
  readonly sql: Database;
  readonly actor: Actor;
  readonly holder: TokenHolder;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Follows from the `Idempotency-Key` and the person; random where there is no key. */
  readonly commandId: string;
  readonly request: Request;
}

/** What an operation answers: a body, another status than the usual one, a file, or a problem. */
export type Answer<Body> =
  | { readonly kind: 'ok'; readonly body: Body; readonly status?: 200 | 201 | 202; readonly location?: string }
  | { readonly kind: 'file'; readonly response: Response }
  | Problem;

/** One thing that a program can do. The router and the OpenAPI document are both made of these. */
export interface Operation {
  /** Unique: code generators name functions after it. */
  readonly id: string;
  readonly method: Method;
  /** Below `/api/v1`, with `{names}` of `params`. */
  readonly path: string;
  readonly tag: Tag;
  readonly scope: Scope;
  readonly summary: string;
  readonly description?: string;
  readonly params?: v.ObjectEntries;
  /** Texts of an address: numbers, booleans and lists are read as such. */
  readonly query?: v.ObjectEntries;
  readonly body?: v.GenericSchema;
  /** The body's schema, the media types of a file, or nothing. */
  readonly answer: v.GenericSchema | readonly string[] | 'nothing';
  /** The usual status: 200, or 204 for nothing. */
  readonly status?: 201 | 202;
  /** Beside those that any operation can have. */
  readonly problems?: readonly ProblemKind[];
  readonly takesIdempotencyKey?: true;
  run(call: Call<unknown, unknown, unknown>): Promise<Answer<unknown>>;
}

type OutputOf<Entries> = Entries extends v.ObjectEntries ? v.InferOutput<v.ObjectSchema<Entries, undefined>> : undefined;
type BodyOf<Schema> = Schema extends v.GenericSchema ? v.InferOutput<Schema> : undefined;
type AnswerBody<Kind> = Kind extends v.GenericSchema ? DeepReadonly<v.InferOutput<Kind>> : null;

/** Declares an operation; types of the request and the answer follow from its schemas. */
export function operation<
  const Params extends v.ObjectEntries | undefined = undefined,
  const Query extends v.ObjectEntries | undefined = undefined,
  Body extends v.GenericSchema | undefined = undefined,
  const Kind extends Operation['answer'] = 'nothing',
>(
  declared: Omit<Operation, 'params' | 'query' | 'body' | 'answer' | 'run'> & {
    readonly params?: Params;
    readonly query?: Query;
    readonly body?: Body;
    readonly answer: Kind;
    run(call: Call<OutputOf<Params>, OutputOf<Query>, BodyOf<Body>>): Promise<Answer<AnswerBody<Kind>>>;
  },
): Operation {
  return declared as unknown as Operation;
}

/** Done, with nothing to say. */
export const NOTHING = { kind: 'ok', body: null } as const;

/** Reads a text of an address as what its schema wants; left as it is where it can't be, for the schema to refuse. */
export function fromText(schema: v.GenericSchema, text: string): unknown {
  const { type } = schema;
  if ('wrapped' in schema) return fromText(schema.wrapped as v.GenericSchema, text);
  if (type === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (type === 'array' && 'item' in schema) return text.split(',').map((item) => fromText(schema.item as v.GenericSchema, item));
  return text;
}
