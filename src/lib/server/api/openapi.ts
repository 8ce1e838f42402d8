import { toJsonSchema, toJsonSchemaDefs, type ConversionConfig } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { SCOPES } from '#lib/live/api-scopes.ts';
import { WEBHOOK_EVENTS, type WebhookEvent } from '#lib/live/webhooks.ts';
import { TAGS, type Operation } from '#lib/server/api/define-operation.ts';
import { OPERATIONS } from '#lib/server/api/operations.ts';
import { PROBLEMS, ProblemSchema, type ProblemKind } from '#lib/server/api/problem.ts';
import * as queues from '#lib/server/api/queue-schemas.ts';
import * as schemas from '#lib/server/api/schemas.ts';
import { API_ROOT } from '#lib/server/api/serve.ts';

/** Schemas with a name in the document; all others are written where they are used. */
const NAMED = {
  Video: schemas.VideoSchema,
  Clip: schemas.ClipSchema,
  FoundClip: schemas.FoundClipSchema,
  FrameRate: schemas.FrameRateSchema,
  Decided: schemas.DecidedSchema,
  HistoryEntry: schemas.HistoryEntrySchema,
  Comment: schemas.CommentSchema,
  SessionItem: schemas.SessionItemSchema,
  Session: schemas.SessionSchema,
  SessionMember: schemas.MemberSchema,
  SessionSummary: schemas.SessionSummarySchema,
  ExportSettings: schemas.ExportSettingsSchema,
  Queue: queues.QueueSchema,
  QueueOverview: queues.QueueOverviewSchema,
  Job: queues.JobSchema,
  JobDetail: queues.JobDetailSchema,
  Person: schemas.PersonSchema,
  Invite: schemas.InviteSchema,
  Token: schemas.TokenSchema,
  Webhook: schemas.WebhookSchema,
  WebhookDelivery: schemas.DeliverySchema,
  Problem: ProblemSchema,
};

/** Problems that any operation can have. */
const COMMON: readonly ProblemKind[] = ['bad-request', 'unauthorized', 'forbidden', 'too-many-requests', 'failed'];

const conversion = {
  target: 'draft-2020-12',
  // What a trim or a default does to a value is no business of the one who sends it.
  errorMode: 'ignore',
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
} as const satisfies ConversionConfig;

/** A JSON Schema, loosely: what the document holds of schemas is written by the library. */
type Json = Readonly<Record<string, unknown>>;

function schemaOf(schema: v.GenericSchema, typeMode: 'input' | 'output'): Json {
  const json = toJsonSchema(schema, { ...conversion, typeMode, definitions: NAMED });
  // The document says these once, for all.
  return Object.fromEntries(Object.entries(json).filter(([key]) => key !== '$schema' && key !== '$defs'));
}

const isRequired = (schema: v.GenericSchema) => !['optional', 'exact_optional', 'nullish'].includes(schema.type);

function parametersOf(operation: Operation): Json[] {
  const of = (place: 'path' | 'query', entries: v.ObjectEntries = {}) =>
    Object.entries(entries as Record<string, v.GenericSchema>).map(([name, schema]) => {
      const { description, ...json } = schemaOf(schema, 'input');
      return {
        ...{ name, in: place, required: place === 'path' || isRequired(schema), schema: json },
        ...(description === undefined ? {} : { description }),
        ...(json['type'] === 'array' ? { style: 'form', explode: false } : {}),
      };
    });
  const key = {
    ...{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', maxLength: 255 } },
    description: 'A text of yours, one for each command: a repeat with it does nothing and gets the same answer.',
  };
  return [...of('path', operation.params), ...of('query', operation.query), ...(operation.takesIdempotencyKey ? [key] : [])];
}

function answerOf({ answer, status, summary }: Operation): Json {
  if (answer === 'nothing') return { '204': { description: 'Done.' } };
  if (Array.isArray(answer)) {
    const content = Object.fromEntries((answer as readonly string[]).map((type) => [type, {}]));
    return { '200': { description: summary, content } };
  }
  const json = { description: summary, content: { 'application/json': { schema: schemaOf(answer as v.GenericSchema, 'output') } } };
  return { '200': json, ...(status === undefined ? {} : { [status]: json }) };
}

function operationOf(operation: Operation): Json {
  const { id: operationId, tag, summary, description, scope, body } = operation;
  const problems = [...COMMON, ...(body === undefined ? [] : (['too-large'] as const)), ...(operation.problems ?? [])].sort(
    (one, other) => PROBLEMS[one].status - PROBLEMS[other].status,
  );
  return {
    ...{ operationId, tags: [tag], summary },
    description: `${description === undefined ? '' : `${description}\n\n`}Scope \`${scope}\`, for the role ${SCOPES[scope].role} and above.`,
    security: [{ token: [] }],
    'x-scope': scope,
    parameters: parametersOf(operation),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: {
      ...answerOf(operation),
      ...Object.fromEntries(problems.map((kind) => [PROBLEMS[kind].status, { $ref: `#/components/responses/${kind}` }])),
    },
  };
}

function webhookOf(event: WebhookEvent, data: v.GenericSchema): Json {
  const message = v.object({ type: v.literal(event), timestamp: v.pipe(v.string(), v.isoTimestamp()), data });
  const description = 'Signed by the Standard Webhooks specification; comes at least once, in no promised order.';
  return {
    post: {
      ...{ operationId: `on:${event}`, tags: ['Webhooks'], summary: WEBHOOK_EVENTS[event], description },
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(message, 'output') } } },
      responses: { '2XX': { description: 'Taken. Anything else is tried again, for about a day.' } },
    },
  };
}

/** The OpenAPI 3.1 document, written from the same table and schemas that answer requests. */
export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method.toLowerCase()] = operationOf(operation);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Heaters',
      version: '1',
      description: 'What the pages can do, a program can. Frames count from 0; ends are exclusive; times are UTC.',
    },
    servers: [{ url: API_ROOT }],
    tags: TAGS.map((name) => ({ name })),
    paths,
    webhooks: Object.fromEntries(
      Object.entries(schemas.WEBHOOK_DATA).map(([event, data]) => [event, webhookOf(event as WebhookEvent, data)]),
    ),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token from your account’s page.' } },
      schemas: toJsonSchemaDefs(NAMED, { ...conversion, typeMode: 'output' }),
      responses: Object.fromEntries(
        Object.entries(PROBLEMS).map(([kind, { title }]) => [
          kind,
          { description: `${title}.`, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
        ]),
      ),
    },
  };
}
