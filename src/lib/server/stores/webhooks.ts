import type { Topic } from '#lib/live/topics.ts';
import type { DeliveryView, WebhookAttempt, WebhookEvent, WebhookView } from '#lib/live/webhooks.ts';
import type { Sql, Transaction } from '#lib/server/db.ts';
import type { WebhookMessage } from '#lib/server/webhooks/message.ts';

/** A delivery that waits for an attempt. */
export interface DueDelivery {
  readonly id: number;
  readonly dueAt: Date;
}

const isoTime = (sql: Sql, column: string) => sql`to_char(${sql(column)} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const EXCERPT = 4000;

/**
 * Notes a message for each enabled webhook that wants it. Of a video only what its state has become is told: not that it
 * stays what the event before (of number `seq` of its topic) said already.
 */
export async function insertDeliveries(
  tx: Transaction,
  topic: Topic,
  seq: number,
  { event, data }: WebhookMessage,
): Promise<DueDelivery[]> {
  const state = event === 'video.ready' || event === 'video.failed' ? event.slice('video.'.length) : null;
  return [
    ...(await tx<DueDelivery[]>`
      insert into webhook_deliveries (webhook_id, event, payload)
      select id, ${event}, jsonb_build_object('type', ${event}::text, 'timestamp', ${isoNow(tx)}, 'data', ${tx.json(data as never)}::jsonb)
      from webhooks
      where is_enabled and ${event} = any(events)
        and (${state}::text is null or ${state}::text is distinct from (
          select payload -> 'video' ->> 'state' from events
          where topic = ${topic} and seq < ${seq} and type = 'video-changed' order by seq desc limit 1))
      returning id, next_attempt_at as "dueAt"`),
  ];
}

const isoNow = (sql: Sql) => sql`to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** Notes a test message for one webhook. */
export async function insertPing(tx: Transaction, webhookId: number): Promise<DueDelivery> {
  const [row] = await tx<DueDelivery[]>`
    insert into webhook_deliveries (webhook_id, event, payload)
    values (${webhookId}, 'ping', jsonb_build_object('type', 'ping', 'timestamp', ${isoNow(tx)}, 'data', jsonb_build_object('webhookId', ${webhookId}::int)))
    returning id, next_attempt_at as "dueAt"`;
  return row!;
}

/** A webhook's message that is due, with what it takes to send it; null when there is nothing to do (any more, or yet). */
export async function dueDelivery(sql: Sql, deliveryId: number) {
  const [row] = await sql<
    {
      webhookId: number;
      url: string;
      seeds: string[];
      messageId: string;
      body: string;
      attemptCount: number;
      failureCount: number;
      resumeAt: Date | null;
    }[]
  >`
    select w.id as "webhookId", w.url, d.message_id as "messageId", d.payload::text as body, jsonb_array_length(d.attempts) as "attemptCount",
           w.failure_count as "failureCount", case when w.resume_at > now() then w.resume_at end as "resumeAt",
           array_remove(array[w.seed, case when w.previous_until > now() then w.previous_seed end], null)::text[] as seeds
    from webhook_deliveries d join webhooks w on w.id = d.webhook_id
    where d.id = ${deliveryId} and d.state = 'pending' and w.is_enabled and d.next_attempt_at <= now() + interval '1 second'`;
  return row ?? null;
}

/** Puts a delivery off. */
export async function postponeDelivery(tx: Transaction, deliveryId: number, dueAt: Date): Promise<void> {
  await tx`update webhook_deliveries set next_attempt_at = ${dueAt} where id = ${deliveryId}`;
}

/** Notes an attempt, and when the next one comes: null with a success, and when this was the last. Gives the next due time. */
export async function recordAttempt(
  tx: Transaction,
  deliveryId: number,
  attempt: WebhookAttempt,
  state: DeliveryView['state'],
  nextSeconds: number | null,
): Promise<Date> {
  const [row] = await tx<{ dueAt: Date }[]>`
    update webhook_deliveries
    set attempts = attempts || ${tx.json([attempt] as never)}::jsonb, state = ${state},
        next_attempt_at = now() + make_interval(secs => ${nextSeconds ?? 0})
    where id = ${deliveryId} returning next_attempt_at as "dueAt"`;
  return row?.dueAt ?? new Date();
}

/** Notes that a webhook answers. */
export async function noteSuccess(tx: Transaction, webhookId: number): Promise<void> {
  await tx`update webhooks set failure_count = 0, failing_since = null, resume_at = null where id = ${webhookId}`;
}

/** Notes that a webhook failed, and leaves it alone for some seconds; gives for how many seconds it has failed without a break. */
export async function noteFailure(tx: Transaction, webhookId: number, restSeconds: number): Promise<number> {
  const [row] = await tx<{ seconds: number }[]>`
    update webhooks
    set failure_count = failure_count + 1, failing_since = coalesce(failing_since, now()), resume_at = now() + make_interval(secs => ${restSeconds})
    where id = ${webhookId}
    returning extract(epoch from now() - failing_since)::float8 as seconds`;
  return row?.seconds ?? 0;
}

/** Enables a webhook, or disables it with all that waits for it. */
export async function setEnabled(tx: Transaction, webhookId: number, isEnabled: boolean, reason: string | null): Promise<void> {
  await tx`
    update webhooks set is_enabled = ${isEnabled}, disabled_reason = ${reason}, failure_count = 0, failing_since = null, resume_at = null
    where id = ${webhookId}`;
  if (!isEnabled) await tx`update webhook_deliveries set state = 'failed' where webhook_id = ${webhookId} and state = 'pending'`;
}

/** Webhooks, the oldest first; all, or the one named. */
export async function webhookViews(sql: Sql, webhookId: number | null): Promise<WebhookView[]> {
  return [
    ...(await sql<WebhookView[]>`
      select w.id, w.url, w.description, w.events, w.is_enabled as "isEnabled", w.disabled_reason as "disabledReason",
             ${isoTime(sql, 'w.failing_since')} as "failingSince", u.name as "createdByName", ${isoTime(sql, 'w.created_at')} as "createdAt",
             case when w.previous_until > now() then ${isoTime(sql, 'w.previous_until')} end as "previousUntil",
             (select count(*)::int from webhook_deliveries d where d.webhook_id = w.id and d.state = 'pending') as "pendingCount",
             (select count(*)::int from webhook_deliveries d where d.webhook_id = w.id and d.state = 'failed') as "failedCount"
      from webhooks w left join users u on u.id = w.created_by
      where ${webhookId}::int is null or w.id = ${webhookId}::int order by w.id`),
  ];
}

/** What a webhook's secret follows from; null when there is none. */
export async function seedOf(sql: Sql, webhookId: number): Promise<string | null> {
  const [row] = await sql<{ seed: string }[]>`select seed from webhooks where id = ${webhookId}`;
  return row?.seed ?? null;
}

/** Adds a webhook; gives its id. */
export async function insertWebhook(
  tx: Transaction,
  webhook: { readonly url: string; readonly description: string; readonly events: readonly WebhookEvent[]; readonly createdBy: number },
): Promise<number> {
  const [row] = await tx<{ id: number }[]>`
    insert into webhooks (url, description, events, created_by)
    values (${webhook.url}, ${webhook.description}, ${[...webhook.events]}::text[], ${webhook.createdBy}) returning id`;
  return row!.id;
}

/** Changes what a webhook is told, and where. */
export async function updateWebhook(
  tx: Transaction,
  webhookId: number,
  change: {
    readonly url?: string | undefined;
    readonly description?: string | undefined;
    readonly events?: readonly WebhookEvent[] | undefined;
  },
): Promise<void> {
  await tx`
    update webhooks
    set url = coalesce(${change.url ?? null}, url), description = coalesce(${change.description ?? null}, description),
        events = coalesce(${change.events === undefined ? null : [...change.events]}::text[], events)
    where id = ${webhookId}`;
}

/** Gives a webhook a new secret; the one before signs too, for some hours. */
export async function rotateSeed(tx: Transaction, webhookId: number, overlapHours: number): Promise<void> {
  await tx`
    update webhooks set previous_seed = seed, previous_until = now() + make_interval(hours => ${overlapHours}), seed = gen_random_uuid()
    where id = ${webhookId}`;
}

/** Removes a webhook with its log. */
export async function deleteWebhook(tx: Transaction, webhookId: number): Promise<void> {
  await tx`delete from webhooks where id = ${webhookId}`;
}

/** A webhook's log, the newest first, from below an id. */
export async function deliveryViews(
  sql: Sql,
  { webhookId, beforeId, limit }: { readonly webhookId: number; readonly beforeId: number | null; readonly limit: number },
): Promise<DeliveryView[]> {
  return [
    ...(await sql<DeliveryView[]>`
      select id, message_id as "messageId", event, state, attempts, ${isoTime(sql, 'created_at')} as "createdAt",
             left(jsonb_pretty(payload), ${EXCERPT}) as "payloadExcerpt",
             case when state = 'pending' then ${isoTime(sql, 'next_attempt_at')} end as "nextAttemptAt"
      from webhook_deliveries
      where webhook_id = ${webhookId} and (${beforeId}::bigint is null or id < ${beforeId}::bigint)
      order by id desc limit ${limit}`),
  ];
}

/** Has a delivery made once more; null when there is none, or its webhook is disabled. */
export async function reviveDelivery(tx: Transaction, webhookId: number, deliveryId: number): Promise<DueDelivery | null> {
  const [row] = await tx<DueDelivery[]>`
    update webhook_deliveries set state = 'pending', next_attempt_at = now()
    where id = ${deliveryId} and webhook_id in (select id from webhooks where id = ${webhookId} and is_enabled)
    returning id, next_attempt_at as "dueAt"`;
  return row ?? null;
}

/** Deliveries that have been due for a minute: their jobs may be lost. */
export async function strandedDeliveries(sql: Sql): Promise<DueDelivery[]> {
  return [
    ...(await sql<DueDelivery[]>`
      select id, next_attempt_at as "dueAt" from webhook_deliveries
      where state = 'pending' and next_attempt_at < now() - interval '1 minute' order by next_attempt_at limit 500`),
  ];
}

/** Deletes deliveries of this many days ago that are over. */
export async function removeOldDeliveries(sql: Sql, days: number): Promise<void> {
  await sql`delete from webhook_deliveries where state <> 'pending' and created_at < now() - make_interval(days => ${days})`;
}
