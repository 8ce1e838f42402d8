import type { Sql, Transaction } from '#lib/server/db.ts';
import type { LiveEvent, LiveEventBody, LiveSignal } from '#lib/live/events.ts';
import type { Topic } from '#lib/live/topics.ts';
import { enqueueDelivery } from '#lib/server/enqueue.ts';
import { insertDeliveries } from '#lib/server/stores/webhooks.ts';
import { webhookMessage } from '#lib/server/webhooks/message.ts';

/** Postgres channel of durable events. */
export const EVENTS_CHANNEL = 'heaters_events';
/** Postgres channel of ephemeral signals. */
export const SIGNALS_CHANNEL = 'heaters_signals';

/** Postgres channel on which web nodes tell each other of seats, playheads and strokes. */
export const NODES_CHANNEL = 'heaters_nodes';

/** Postgres channel on which a listener hears itself, to measure how long a notification takes. */
export const ECHO_CHANNEL = 'heaters_echo';

/** Adds an event to a topic, and what webhooks are to be told of it, in the transaction that makes it true. Gives its number. */
export async function publish(sql: Transaction, topic: Topic, event: LiveEventBody, actorId: number | null): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`
    select publish_event(${topic}, ${event.type}, ${sql.json(event.payload as never)}, ${actorId}) as seq`;
  const { seq } = row!;
  const message = webhookMessage(topic, event);
  if (message !== null) for (const delivery of await insertDeliveries(sql, topic, seq, message)) await enqueueDelivery(sql, delivery);
  return seq;
}

/** Sends a signal to every web node; nothing is stored. */
export async function signal(sql: Sql, message: LiveSignal): Promise<void> {
  await sql`select pg_notify(${SIGNALS_CHANNEL}, ${JSON.stringify(message)})`;
}

/** Sends web nodes' words to all of them; each text may have at most 7 999 bytes (NOTIFY's limit). */
export async function tellNodes(sql: Sql, texts: readonly string[]): Promise<void> {
  await sql`select pg_notify(${NODES_CHANNEL}, t) from unnest(${[...texts]}::text[]) as t`;
}

/** Says a word to all listeners, the sender's own among them. */
export async function tellListeners(sql: Sql, word: string): Promise<void> {
  await sql`select pg_notify(${ECHO_CHANNEL}, ${word})`;
}

/** The database's clock, in ms since 1970: the one that all nodes share. */
export async function databaseNowMs(sql: Sql): Promise<number> {
  const [row] = await sql<{ ms: number }[]>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
  return row!.ms;
}

/** The number of a topic's latest event, 0 when there is none. */
export async function latestSeq(sql: Sql, topic: Topic): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`select seq from topics where topic = ${topic}`;
  return row?.seq ?? 0;
}

/** The numbers of several topics' latest events; a topic without events is left out. */
export async function latestSeqs(sql: Sql, topics: readonly Topic[]): Promise<Map<Topic, number>> {
  const rows = await sql<{ topic: Topic; seq: number }[]>`select topic, seq from topics where topic = any(${[...topics]})`;
  return new Map(rows.map((row) => [row.topic, row.seq]));
}

/** A topic's events after a number, oldest first, at most `limit`. */
export async function eventsAfter(sql: Sql, topic: Topic, afterSeq: number, limit: number): Promise<LiveEvent[]> {
  const rows = await sql<LiveEvent[]>`
    select topic, seq, type, payload, actor_id as "actorId", to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
    from events where topic = ${topic} and seq > ${afterSeq} order by seq limit ${limit}`;
  return [...rows];
}

/** A topic's latest events, newest first: the log of what happened. */
export async function latestEvents(sql: Sql, topic: Topic, limit: number): Promise<LiveEvent[]> {
  const rows = await sql<LiveEvent[]>`
    select topic, seq, type, payload, actor_id as "actorId", to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
    from events where topic = ${topic} order by seq desc limit ${limit}`;
  return [...rows];
}
