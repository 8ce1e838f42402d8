import { TAGS } from '#lib/server/api/define-operation.ts';
import { openApiDocument } from '#lib/server/api/openapi.ts';
import { OPERATIONS } from '#lib/server/api/operations.ts';
import { PROBLEMS } from '#lib/server/api/problem.ts';
import { API_ROOT } from '#lib/server/api/serve.ts';

type Json = Readonly<Record<string, unknown>>;

/** The document as its page shows it: chapters of operations, each with its parts as lines of text. */
export function documentForPeople() {
  const document = openApiDocument();
  const paths = document['paths'] as Record<string, Record<string, Json>>;
  const schemas = (document['components'] as { schemas: Record<string, Json> }).schemas;
  const chapters = TAGS.map((tag) => ({
    tag,
    operations: OPERATIONS.filter((operation) => operation.tag === tag).map(
      ({ id, method, path, scope, summary, status, description = null }) => {
        const described = paths[path]![method.toLowerCase()]!;
        const body = (described['requestBody'] as { content: Record<string, { schema: Json }> } | undefined)?.content['application/json']
          ?.schema;
        const responses = described['responses'] as Record<string, { content?: Record<string, { schema?: Json }> }>;
        const [answerStatus = '', answer] =
          Object.entries(responses).find(([code]) => code === String(status ?? (responses['204'] ? 204 : 200))) ?? [];
        const [mediaType, content] = Object.entries(answer?.content ?? {})[0] ?? [];
        return {
          ...{ id, method, scope, summary, path: API_ROOT + path, description },
          parameters: (
            described['parameters'] as { name: string; in: string; required: boolean; description?: string; schema: Json }[]
          ).map(({ schema, description, ...parameter }) => ({ ...parameter, type: inWords(schema), description: description ?? null })),
          body: body === undefined ? null : inWords(body),
          answer: { status: answerStatus, type: content?.schema === undefined ? (mediaType ?? null) : inWords(content.schema) },
        };
      },
    ),
  })).filter(({ operations }) => operations.length > 0);
  return {
    chapters,
    schemas: Object.entries(schemas).map(([name, schema]) => ({ name, type: inWords(schema) })),
    problems: Object.entries(PROBLEMS).map(([kind, { status, title }]) => ({ kind, status, title })),
  };
}

/** A JSON Schema in the manner of a type: `{ id: integer, title?: string ≤ 200 }`. */
function inWords(schema: Json, indent = ''): string {
  const { $ref, type, properties, items, anyOf, oneOf, required = [], enum: choices } = schema;
  if (typeof $ref === 'string') return $ref.split('/').at(-1)!;
  if (Array.isArray(choices)) return choices.map((choice) => JSON.stringify(choice)).join(' | ');
  if ('const' in schema) return JSON.stringify(schema['const']);
  const either = (anyOf ?? oneOf) as Json[] | undefined;
  if (either !== undefined) return either.map((choice) => inWords(choice, indent)).join(' | ');
  if (type === 'array') {
    const item = inWords(items as Json, indent);
    return item.includes(' | ') ? `(${item})[]` : `${item}[]`;
  }
  if (type === 'object' && properties !== undefined) {
    const lines = Object.entries(properties as Record<string, Json>).map(
      ([name, property]) => `${indent}  ${name}${(required as string[]).includes(name) ? '' : '?'}: ${inWords(property, `${indent}  `)}`,
    );
    return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`;
  }
  return `${String(type ?? 'any')}${bounds(schema)}${schema['format'] === undefined ? '' : ` (${String(schema['format'])})`}`;
}

function bounds({ minimum, maximum, maxLength }: Json): string {
  if (maxLength !== undefined) return ` ≤ ${String(maxLength)} characters`;
  // The bounds of an integer column say nothing to people.
  const most = maximum === 2_147_483_647 ? undefined : maximum;
  if (minimum !== undefined && most !== undefined) return ` ${String(minimum)}…${String(most)}`;
  return minimum === undefined ? '' : ` ≥ ${String(minimum)}`;
}
