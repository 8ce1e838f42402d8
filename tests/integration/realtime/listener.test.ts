import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connect, type Database } from '#lib/server/db.ts';
import { Listener } from '#lib/server/realtime/listener.ts';
import { publish } from '#lib/server/stores/outbox.ts';
import type { LiveEvent } from '#lib/live/events.ts';
import { createTestDatabase } from '../../support/database.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let sql: Database;
let listener: Listener;
let heard: LiveEvent[] = [];
let rechecked: (number | null)[] = [];

async function listen(sweepMs: number): Promise<void> {
  heard = [];
  rechecked = [];
  listener = new Listener({
    databaseUrl: database.url,
    sql,
    sweepMs,
    sink: {
      onEvent: (event) => heard.push(event),
      onNodeWords: () => undefined,
      onListeningAgain: () => undefined,
      onSignal: () => undefined,
      onAccountChanged: (userId) => rechecked.push(userId),
    },
  });
  await listener.start();
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = Date.now() + 8_000;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const publishTo = (videoId: number) =>
  sql.begin((tx) => publish(tx, `video:${videoId}`, { type: 'video-removed', payload: { videoId } }, null));
const seqsOf = (videoId: number) => heard.filter((event) => event.topic === `video:${videoId}`).map((event) => event.seq);

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connect(database.url, 5);
});

afterEach(() => listener.stop());

afterAll(async () => {
  await sql.end({ timeout: 2 });
  await database.drop();
});

test('only followed topics are handed on, from where they were when the following began', async () => {
  await listen(60_000);
  await publishTo(1);
  await listener.follow('video:1');
  expect(listener.lastSeq('video:1')).toBe(1);
  await publishTo(2);
  await publishTo(1);
  await until(() => heard.length === 1, 'the event of the followed topic');
  expect(heard[0]).toMatchObject({ topic: 'video:1', seq: 2, payload: { videoId: 1 } });
  listener.unfollow('video:1');
  expect(listener.lastSeq('video:1')).toBe(0);
});

test('a topic is followed until its last follower leaves', async () => {
  await listen(60_000);
  await Promise.all([listener.follow('video:3'), listener.follow('video:3')]);
  listener.unfollow('video:3');
  await publishTo(3);
  await until(() => heard.length === 1, 'the event for the other follower');
});

test('writers that race in many topics are heard in each topic’s order', async () => {
  await listen(60_000);
  const videoIds = [11, 12, 13, 14];
  await Promise.all(videoIds.map((videoId) => listener.follow(`video:${videoId}`)));
  await Promise.all(videoIds.flatMap((videoId) => Array.from({ length: 40 }, () => publishTo(videoId))));
  await until(() => heard.length >= 160, 'all events');
  for (const videoId of videoIds) expect(seqsOf(videoId)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
});

test('events without a notification are found by the sweep, and the connection is opened anew', async () => {
  await listen(100);
  await listener.follow('video:20');
  await publishTo(20);
  await sql`insert into events (topic, seq, type, payload)
            select 'video:20', seq, 'video-removed', '{"videoId":20}' from generate_series(2, 4) as seq`;
  await sql`update topics set seq = 4 where topic = 'video:20'`;
  await until(() => heard.length >= 4, 'the silent events');
  await until(() => rechecked.includes(null), 'the new connection');
  await publishTo(20);
  await until(() => heard.length >= 5, 'an event over the new connection');
  expect(seqsOf(20)).toEqual([1, 2, 3, 4, 5]);
});

test('an unreadable notification harms nothing', async () => {
  await listen(60_000);
  await listener.follow('video:30');
  for (const rubbish of ['', 'x', 'null', '{}', '{"topic":"users","seq":1}', '{"topic":"video:30"}']) {
    await sql`select pg_notify('heaters_events', ${rubbish}), pg_notify('heaters_signals', ${rubbish})`;
  }
  await publishTo(30);
  await until(() => heard.length === 1, 'the event after the rubbish');
});
