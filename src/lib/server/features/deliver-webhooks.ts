import { nextAttemptSeconds, restSeconds } from '#lib/core/webhook-schedule.ts';
import type { WebhookAttempt } from '#lib/live/webhooks.ts';
import type { Database, Sql, Transaction } from '#lib/server/db.ts';
import { enqueueDelivery } from '#lib/server/enqueue.ts';
import { log } from '#lib/server/log.ts';
import { recordAudit } from '#lib/server/stores/audit.ts';
import { signal as sendSignal } from '#lib/server/stores/outbox.ts';
import * as webhooks from '#lib/server/stores/webhooks.ts';
import { sendWebhook } from '#lib/server/webhooks/send.ts';
import { signatureHeaders } from '#lib/server/webhooks/sign.ts';

/** An address that has not taken anything for this long is told nothing any more. */
const PATIENCE_SECONDS = 3 * 24 * 3600;
const GONE = 410;

/**
 * Makes one attempt at a delivery and notes how it went, with the next attempt where it failed. May run twice: then the
 * receiver gets the message twice, under one id. An address that keeps failing rests in between, and is disabled after days.
 */
export async function deliverWebhook(sql: Database, deliveryId: number, signal: AbortSignal): Promise<void> {
  const due = await webhooks.dueDelivery(sql, deliveryId);
  if (due === null) return;
  const { webhookId, resumeAt } = due;
  if (resumeAt !== null) {
    await sql.begin(async (tx) => {
      await webhooks.postponeDelivery(tx, deliveryId, resumeAt);
      await enqueueDelivery(tx, { id: deliveryId, dueAt: resumeAt });
    });
    return;
  }
  const { messageId: id, body, seeds, url } = due;
  const attempt = await sendWebhook(url, { headers: signatureHeaders(seeds, { id, sentAtMs: Date.now(), body }), body }, signal);
  log.info({ webhookId, deliveryId, status: attempt.status, durationMs: attempt.durationMs }, 'webhook attempted');
  await sql.begin(async (tx) => {
    if (attempt.error === null) {
      await webhooks.recordAttempt(tx, deliveryId, attempt, 'delivered', null);
      await webhooks.noteSuccess(tx, webhookId);
    } else {
      await noteFailure(tx, { ...due, deliveryId }, attempt);
    }
    await tellAdmins(tx, webhookId);
  });
}

async function noteFailure(
  tx: Transaction,
  due: { readonly webhookId: number; readonly deliveryId: number; readonly attemptCount: number; readonly failureCount: number },
  attempt: WebhookAttempt,
): Promise<void> {
  const { webhookId, deliveryId } = due;
  const nextSeconds = nextAttemptSeconds(due.attemptCount + 1, Math.random());
  const dueAt = await webhooks.recordAttempt(tx, deliveryId, attempt, nextSeconds === null ? 'failed' : 'pending', nextSeconds);
  if (nextSeconds !== null) await enqueueDelivery(tx, { id: deliveryId, dueAt });
  const failingSeconds = await webhooks.noteFailure(tx, webhookId, restSeconds(due.failureCount + 1));
  const reason =
    attempt.status === GONE
      ? 'The address answered 410 Gone: it wants nothing any more.'
      : failingSeconds > PATIENCE_SECONDS
        ? 'The address took nothing for three days. Mend it, then enable the webhook again.'
        : null;
  if (reason === null) return;
  await webhooks.setEnabled(tx, webhookId, false, reason);
  await recordAudit(tx, { actor: null, action: 'webhook.disable', target: `webhook:${webhookId}`, details: { reason } });
  log.warn({ webhookId, reason }, 'a webhook was disabled');
}

/** Gives deliveries whose jobs were lost another one. */
export async function dispatchDeliveries(sql: Database): Promise<void> {
  for (const delivery of await webhooks.strandedDeliveries(sql)) await sql.begin((tx) => enqueueDelivery(tx, delivery));
}

/** Has the pages of admins read a webhook anew. */
export function tellAdmins(sql: Sql, webhookId: number): Promise<void> {
  return sendSignal(sql, { topic: 'system', type: 'webhook-changed', payload: { webhookId } });
}
