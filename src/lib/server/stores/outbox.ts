import type { Sql, Transaction } from '#lib/server/db.ts';
import type { LiveEvent, LiveEventBody, LiveSignal } from '#lib/live/events.ts';
import type { Topic } from '#lib/live/topics.ts';

/** Postgres channel of durable events. */
export const EVENTS_CHANNEL = 'heaters_events';
/** Postgres channel of ephemeral signals. */
export const SIGNALS_CHANNEL = 'heaters_signals';

/** Adds an event to a topic, in the transaction that makes it true. Gives its number. */
export async function publish(sql: Transaction, topic: Topic, event: LiveEventBody, actorId: number | null): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`
    select publish_event(${topic}, ${event.type}, ${sql.json(event.payload as never)}, ${actorId}) as seq`;
  return row!.seq;
}

/** Sends a signal to every web node; nothing is stored. */
export async function signal(sql: Sql, message: LiveSignal): Promise<void> {
  await sql`select pg_notify(${SIGNALS_CHANNEL}, ${JSON.stringify(message)})`;
}

/** The number of a topic's latest event, 0 when there is none. */
export async function latestSeq(sql: Sql, topic: Topic): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`select seq from topics where topic = ${topic}`;
  return row?.seq ?? 0;
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
