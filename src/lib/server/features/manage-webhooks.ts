import type { DeliveryView, WebhookEvent, WebhookView } from '#lib/live/webhooks.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { enqueueDelivery } from '#lib/server/enqueue.ts';
import { tellAdmins } from '#lib/server/features/deliver-webhooks.ts';
import type { Outcome } from '#lib/server/features/manage-video.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { recordAudit } from '#lib/server/stores/audit.ts';
import * as store from '#lib/server/stores/webhooks.ts';
import { refusalOfAddress } from '#lib/server/webhooks/send.ts';
import { secretOf } from '#lib/server/webhooks/sign.ts';

/** For how long both secrets sign after a rotation. */
export const OVERLAP_HOURS = 24;
/** How much of a webhook's log its page shows. */
export const LOG_LENGTH = 50;
const GONE = { kind: 'refused', message: 'There is no such webhook.' } as const;

/** What a webhook is told, and where. */
export interface WebhookWish {
  readonly url: string;
  readonly description: string;
  readonly events: readonly WebhookEvent[];
}

/** All webhooks, the oldest first. */
export function listWebhooks(sql: Sql): Promise<WebhookView[]> {
  return store.webhookViews(sql, null);
}

/** A webhook; null when there is none. */
export async function webhookView(sql: Sql, webhookId: number): Promise<WebhookView | null> {
  return (await store.webhookViews(sql, webhookId))[0] ?? null;
}

/** The secret that signs what a webhook is told now; null when there is no such webhook. */
export async function webhookSecret(sql: Sql, webhookId: number): Promise<string | null> {
  const seed = await store.seedOf(sql, webhookId);
  return seed === null ? null : secretOf(seed);
}

/** A webhook's log, the newest first, from below an id. */
export function webhookLog(sql: Sql, webhookId: number, beforeId: number | null = null, limit = LOG_LENGTH): Promise<DeliveryView[]> {
  return store.deliveryViews(sql, { webhookId, beforeId, limit });
}

/** Adds a webhook; from now on it is told. */
export async function createWebhook(
  sql: Database,
  actor: Actor,
  wish: WebhookWish,
): Promise<{ readonly kind: 'ok'; readonly webhookId: number } | Exclude<Outcome, { kind: 'ok' }>> {
  const refusal = refusalOfAddress(wish.url);
  if (refusal !== null) return { kind: 'refused', message: refusal };
  return sql.begin(async (tx) => {
    const webhookId = await store.insertWebhook(tx, { ...wish, createdBy: actor.userId });
    await recordAudit(tx, { actor, action: 'webhook.create', target: `webhook:${webhookId}`, details: { ...wish } });
    await tellAdmins(tx, webhookId);
    return { kind: 'ok', webhookId } as const;
  });
}

/** Changes what a webhook is told, where, or whether at all. Disabled, it also drops what waits for it. */
export async function changeWebhook(
  sql: Database,
  actor: Actor,
  webhookId: number,
  change: { readonly [Key in keyof WebhookWish]?: WebhookWish[Key] | undefined } & { readonly isEnabled?: boolean | undefined },
): Promise<Outcome> {
  const refusal = change.url === undefined ? null : refusalOfAddress(change.url);
  if (refusal !== null) return { kind: 'refused', message: refusal };
  return audited(sql, actor, webhookId, 'change', { ...change }, async (tx) => {
    await store.updateWebhook(tx, webhookId, change);
    if (change.isEnabled !== undefined) await store.setEnabled(tx, webhookId, change.isEnabled, null);
  });
}

/** Removes a webhook with its log. */
export function removeWebhook(sql: Database, actor: Actor, webhookId: number): Promise<Outcome> {
  return audited(sql, actor, webhookId, 'remove', {}, (tx) => store.deleteWebhook(tx, webhookId));
}

/** Gives a webhook a new secret; for a day the one before signs too. */
export function rotateSecret(sql: Database, actor: Actor, webhookId: number): Promise<Outcome> {
  return audited(sql, actor, webhookId, 'rotate', {}, (tx) => store.rotateSeed(tx, webhookId, OVERLAP_HOURS));
}

/** Sends a webhook a test message. */
export async function pingWebhook(sql: Database, webhookId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    const webhook = await webhookView(tx, webhookId);
    if (webhook === null) return GONE;
    if (!webhook.isEnabled) return { kind: 'refused', message: 'This webhook is disabled: enable it first.' };
    await enqueueDelivery(tx, await store.insertPing(tx, webhookId));
    await tellAdmins(tx, webhookId);
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

/** Delivers something once more, under the same id. */
export async function resendDelivery(sql: Database, webhookId: number, deliveryId: number): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    const revived = await store.reviveDelivery(tx, webhookId, deliveryId);
    if (revived === null) return { kind: 'refused', message: 'There is no such delivery any more, or its webhook is disabled.' };
    await enqueueDelivery(tx, revived);
    await tellAdmins(tx, webhookId);
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}

async function audited(
  sql: Database,
  actor: Actor,
  webhookId: number,
  verb: string,
  details: Readonly<Record<string, unknown>>,
  change: (tx: Transaction) => Promise<void>,
): Promise<Outcome> {
  return sql.begin(async (tx): Promise<Outcome> => {
    if ((await webhookView(tx, webhookId)) === null) return GONE;
    await change(tx);
    await recordAudit(tx, { actor, action: `webhook.${verb}`, target: `webhook:${webhookId}`, details });
    await tellAdmins(tx, webhookId);
    return { kind: 'ok' };
  }) as Promise<Outcome>;
}
