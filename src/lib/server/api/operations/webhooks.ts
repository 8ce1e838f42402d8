import * as v from 'valibot';
import { fromCursor, toCursor } from '#lib/server/api/cursor.ts';
import { NOTHING, operation } from '#lib/server/api/define-operation.ts';
import { problem } from '#lib/server/api/problem.ts';
import { DeliverySchema, id, pageSchema, paging, text, WebhookEventSchema, WebhookSchema } from '#lib/server/api/schemas.ts';
import type { Database } from '#lib/server/db.ts';
import type { Outcome } from '#lib/server/features/manage-video.ts';
import * as webhooks from '#lib/server/features/manage-webhooks.ts';

const GONE = problem('not-found', 'There is no such webhook.');
const params = { webhookId: id };
const events = v.pipe(v.array(WebhookEventSchema), v.minLength(1));
const description = v.pipe(v.string(), v.trim(), v.maxLength(200));
const WithSecret = v.object({ webhook: WebhookSchema, secret: v.pipe(v.string(), v.description('Signs what is told; `whsec_…`.')) });

/** Webhooks and their logs: for admins. */
export const webhookOperations = [
  operation({
    id: 'listWebhooks',
    method: 'GET',
    path: '/webhooks',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'All webhooks',
    answer: v.object({ items: v.array(WebhookSchema) }),
    run: async ({ sql }) => ({ kind: 'ok', body: { items: await webhooks.listWebhooks(sql) } }),
  }),
  operation({
    id: 'createWebhook',
    method: 'POST',
    path: '/webhooks',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'Have an address told of events',
    description: 'Messages are signed by the Standard Webhooks specification, and come at least once: `webhook-id` tells repeats.',
    body: v.object({ url: text(2000), events, description: v.optional(description, '') }),
    answer: WithSecret,
    status: 201,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, body }) => {
      const outcome = await webhooks.createWebhook(sql, actor, body);
      return outcome.kind === 'refused' ? problem('refused', outcome.message) : withSecret(sql, outcome.webhookId);
    },
  }),
  operation({
    id: 'getWebhook',
    method: 'GET',
    path: '/webhooks/{webhookId}',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'A webhook and how it does',
    params,
    answer: WebhookSchema,
    problems: ['not-found'],
    run: ({ sql, params: { webhookId } }) => webhookAnswer(sql, webhookId),
  }),
  operation({
    id: 'changeWebhook',
    method: 'PATCH',
    path: '/webhooks/{webhookId}',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'Change what a webhook is told, where, or whether at all',
    params,
    body: v.object({
      ...{
        url: v.optional(text(2000)),
        events: v.optional(events),
        description: v.optional(description),
        isEnabled: v.optional(v.boolean()),
      },
    }),
    answer: WebhookSchema,
    problems: ['not-found', 'refused'],
    run: async ({ sql, actor, params: { webhookId }, body }) => {
      if ((await webhooks.webhookView(sql, webhookId)) === null) return GONE;
      const outcome = await webhooks.changeWebhook(sql, actor, webhookId, body);
      return outcome.kind === 'refused' ? problem('refused', outcome.message) : webhookAnswer(sql, webhookId);
    },
  }),
  operation({
    id: 'removeWebhook',
    method: 'DELETE',
    path: '/webhooks/{webhookId}',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'Remove a webhook with its log',
    params,
    answer: 'nothing',
    problems: ['not-found'],
    run: async ({ sql, actor, params: { webhookId } }) =>
      (await webhooks.removeWebhook(sql, actor, webhookId)).kind === 'ok' ? NOTHING : GONE,
  }),
  operation({
    id: 'rotateWebhookSecret',
    method: 'POST',
    path: '/webhooks/{webhookId}/rotate',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'Give a webhook a new secret; for a day the one before signs too',
    params,
    answer: WithSecret,
    problems: ['not-found'],
    run: async ({ sql, actor, params: { webhookId } }) =>
      (await webhooks.rotateSecret(sql, actor, webhookId)).kind === 'ok' ? withSecret(sql, webhookId) : GONE,
  }),
  operation({
    id: 'pingWebhook',
    method: 'POST',
    path: '/webhooks/{webhookId}/ping',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'Send a webhook a test message',
    params,
    answer: 'nothing',
    problems: ['not-found', 'refused'],
    run: async ({ sql, params: { webhookId } }) =>
      (await webhooks.webhookView(sql, webhookId)) === null ? GONE : doneOr(await webhooks.pingWebhook(sql, webhookId)),
  }),
  operation({
    id: 'listDeliveries',
    method: 'GET',
    path: '/webhooks/{webhookId}/deliveries',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'What a webhook was told, the newest first, with each attempt',
    params,
    query: paging,
    answer: pageSchema(DeliverySchema),
    problems: ['not-found'],
    run: async ({ sql, params: { webhookId }, query: { cursor, limit } }) => {
      if ((await webhooks.webhookView(sql, webhookId)) === null) return GONE;
      const beforeId = cursor === undefined ? null : Number(fromCursor(cursor));
      const found = await webhooks.webhookLog(sql, webhookId, beforeId, limit + 1);
      const items = found.slice(0, limit);
      return { kind: 'ok', body: { items, nextCursor: found.length > limit ? toCursor(items.at(-1)!.id) : null } };
    },
  }),
  operation({
    id: 'resendDelivery',
    method: 'POST',
    path: '/webhooks/{webhookId}/deliveries/{deliveryId}/resend',
    tag: 'Webhooks',
    scope: 'admin',
    summary: 'Deliver something once more, under the same id',
    params: { ...params, deliveryId: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(Number.MAX_SAFE_INTEGER)) },
    answer: 'nothing',
    problems: ['refused'],
    run: async ({ sql, params: { webhookId, deliveryId } }) => doneOr(await webhooks.resendDelivery(sql, webhookId, deliveryId)),
  }),
];

async function webhookAnswer(sql: Database, webhookId: number) {
  const found = await webhooks.webhookView(sql, webhookId);
  return found === null ? GONE : ({ kind: 'ok', body: found } as const);
}

async function withSecret(sql: Database, webhookId: number) {
  const [webhook, secret] = await Promise.all([webhooks.webhookView(sql, webhookId), webhooks.webhookSecret(sql, webhookId)]);
  return webhook === null || secret === null ? GONE : ({ kind: 'ok', body: { webhook, secret } } as const);
}

function doneOr(outcome: Outcome) {
  return outcome.kind === 'refused' ? problem('refused', outcome.message) : NOTHING;
}
