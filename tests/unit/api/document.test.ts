import { readdirSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';
import { WEBHOOK_EVENT_NAMES } from '#lib/live/webhooks.ts';
import { openApiDocument } from '#lib/server/api/openapi.ts';
import { OPERATIONS } from '#lib/server/api/operations.ts';

const document = openApiDocument() as {
  readonly paths: Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>;
  readonly webhooks: Record<string, unknown>;
};

it('is OpenAPI 3.1, as an independent validator sees it', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document) as Record<string, unknown>);
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
});

it('has each operation once, under a name of its own, with every part of its path', () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, parameters }]) => ({ path, method, operationId, parameters })),
  );
  expect(described.map(({ operationId }) => operationId).sort()).toEqual(OPERATIONS.map(({ id }) => id).sort());
  expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length);
  for (const { path, parameters } of described) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(names);
  }
  expect(Object.keys(document.webhooks)).toEqual(WEBHOOK_EVENT_NAMES);
});

it('leaves out no route: what lies under /api/v1 is the table of operations and the document', () => {
  const files = readdirSync('src/routes/api', { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.map(({ parentPath, name }) => `${parentPath}/${name}`).sort()).toEqual([
    'src/routes/api/v1/[...path]/+server.ts',
    'src/routes/api/v1/openapi.json/+server.ts',
  ]);
});
