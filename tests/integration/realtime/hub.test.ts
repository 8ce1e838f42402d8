import { randomUUID } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LiveSocket } from '#lib/client/socket.ts';
import { connect, type Database } from '#lib/server/db.ts';
import { createCommands, type Commands } from '#lib/server/realtime/commands.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';
import { publish, signal } from '#lib/server/stores/outbox.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { Topic } from '#lib/live/topics.ts';
import { createTestDatabase } from '../../support/database.ts';
import { startWebNode, type WebNode } from '../../support/web-node.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let sql: Database;
let node: WebNode;
let cleanUps: (() => Promise<void> | void)[] = [];
const people = new Map<string, SocketUser>();
let topicNumber = 1000;
let topic: Topic;

const startNode = (port = 0, commands: Commands = createCommands(sql)): Promise<WebNode> =>
  startWebNode({ databaseUrl: database.url, sql, people, port, commands });

/** A node that answers reviews in its own way. */
const startNodeAnswering = (review: Commands['answers']['review']): Promise<WebNode> => {
  const commands = createCommands(sql);
  return startNode(0, { ...commands, answers: { ...commands.answers, review } });
};

function open(cookie: string | null, headers: Record<string, string> = {}): Socket {
  const socket = io(node.url, {
    transports: ['websocket'],
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 100,
    extraHeaders: { ...(cookie === null ? {} : { cookie }), ...headers },
  });
  cleanUps.push(() => void socket.disconnect());
  return socket;
}

/** A page that follows the test's topic. */
function openPage(cookie: string, afterSeq = 0) {
  const events: LiveEvent[] = [];
  const signals: LiveSignal[] = [];
  let resets = 0;
  let signedOut = 0;
  const raw = open(cookie);
  const live = new LiveSocket(
    () => raw,
    () => (signedOut += 1),
  );
  const following = live.follow(topic, afterSeq, {
    onEvent: (event) => events.push(event),
    onSignal: (message) => signals.push(message),
    onReset: () => (resets += 1),
  });
  return {
    live,
    raw,
    events,
    signals,
    following,
    seqs: () => events.map((event) => event.seq),
    resets: () => resets,
    signedOut: () => signedOut,
  };
}

/** Makes a client stop reading, as a suspended laptop does. */
function stall(socket: Socket): void {
  (socket.io.engine.transport as unknown as { ws: { pause(): void } }).ws.pause();
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = Date.now() + 8_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function publishMany(count: number, titleLength = 1): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await sql.begin((tx) =>
      publish(
        tx,
        topic,
        {
          type: 'clips-changed',
          payload: { videoId: 1, cause: 'x'.repeat(titleLength), actorName: null, removedClipIds: [], clips: [] },
        },
        null,
      ),
    );
  }
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

beforeAll(async () => {
  database = await createTestDatabase();
  sql = connect(database.url, 5);
});

afterAll(async () => {
  await sql.end({ timeout: 2 });
  await database.drop();
});

beforeEach(async () => {
  topicNumber += 1;
  topic = `video:${topicNumber}`;
  people.clear();
  people.set('ana', { userId: 1, name: 'Ana', role: 'reviewer', sessionId: 's-ana' });
  people.set('vic', { userId: 2, name: 'Vic', role: 'viewer', sessionId: 's-vic' });
  node = await startNode();
});

afterEach(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
  cleanUps = [];
  await node.close();
});

describe('who is let in', () => {
  const refusal = (socket: Socket) =>
    new Promise<string>((resolve) => {
      socket.on('connect_error', (error) => resolve(error.message));
      socket.on('connect', () => resolve('connected'));
    });

  test('nobody without a session', async () => {
    expect(await refusal(open(null))).toBe('signed-out');
    expect(await refusal(open('stranger'))).toBe('signed-out');
  });

  test('no page of another site, even with a session', async () => {
    expect(await refusal(open('ana', { origin: 'https://evil.example' }))).not.toBe('connected');
    expect(await refusal(open('ana', { origin: 'https://heaters.example' }))).toBe('connected');
    expect(await refusal(open('ana', { origin: node.url }))).toBe('connected');
  });

  test('a person who has been disabled is shown out at once', async () => {
    const page = openPage('ana');
    await until(() => page.live.connected, 'connected');
    people.delete('ana');
    await sql`select pg_notify('heaters_accounts', '{"userId":1}')`;
    await until(() => page.signedOut() === 1, 'signed out');
    expect(page.live.isSignedOut).toBe(true);
    await until(() => node.hub.socketCount === 0, 'no socket left');
  });
});

describe('a new role', () => {
  test('holds for sockets that are open', async () => {
    const { live } = openPage('vic');
    const ask = () => live.request('undo', { commandId: randomUUID(), scope: { kind: 'video', videoId: 1 }, direction: 'undo' });
    expect(await ask()).toMatchObject({ message: expect.stringMatching(/watch/) });
    people.set('vic', { userId: 2, name: 'Vic', role: 'reviewer', sessionId: 's-vic' });
    await sql`select pg_notify('heaters_accounts', '{"userId":2}')`;
    await until(async () => JSON.stringify(await ask()).includes('removed'), 'a reviewer’s answer');
  });
});

describe('events', () => {
  test('come to all followers in order, each once, large ones too', async () => {
    const pages = [openPage('ana'), openPage('vic')];
    await publishMany(5);
    await publishMany(2, 9_000);
    await publishMany(5);
    for (const page of pages) await until(() => page.events.length >= 12, 'all events');
    for (const page of pages) expect(page.seqs()).toEqual(upTo(12));
    expect(pages[0]?.events[5]).toMatchObject({ topic, type: 'clips-changed', actorId: null });
    expect(pages[0]?.events[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  test('that pour in while pages subscribe are neither lost nor doubled', async () => {
    const pouring = Promise.all([publishMany(60), publishMany(60), publishMany(60)]);
    const pages: ReturnType<typeof openPage>[] = [];
    for (let index = 0; index < 8; index += 1) {
      pages.push(openPage('ana'));
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await pouring;
    for (const page of pages) await until(() => page.events.length >= 180, 'all events');
    for (const page of pages) expect(page.seqs()).toEqual(upTo(180));
  });

  test('are sent exactly once and in order by the server itself, also to a socket that subscribes again', async () => {
    const pouring = Promise.all([publishMany(100), publishMany(100), publishMany(100)]);
    const socket = open('ana');
    for (let round = 0; round < 40; round += 1) {
      const afterSeq = round * 5;
      const seqs: number[] = [];
      socket.off('event');
      const answer = await new Promise<{ missed: LiveEvent[] }>((resolve) => {
        socket.emit('subscribe', { topic, afterSeq }, (reply: { missed: LiveEvent[] }) => {
          // From the answer on, what comes belongs to the new subscription.
          socket.on('event', (event: LiveEvent) => seqs.push(event.seq));
          resolve(reply);
        });
      });
      await new Promise((resolve) => setTimeout(resolve, 8));
      const all = [...answer.missed.map((event) => event.seq), ...seqs];
      expect(all).toEqual(upTo(all.length + afterSeq, afterSeq + 1).slice(0, all.length));
      if (round * 5 + 5 > all.length + afterSeq) break;
    }
    await pouring;
  });

  test('missed while away come after the return, exactly once and in order', async () => {
    const page = openPage('ana');
    await publishMany(3);
    await until(() => page.events.length === 3, 'first events');
    page.raw.io.engine.close();
    await publishMany(7);
    await until(() => page.events.length >= 10, 'missed events');
    await publishMany(2);
    await until(() => page.events.length >= 12, 'new events');
    expect(page.seqs()).toEqual(upTo(12));
  });

  test('published while the node was down come from the node that replaces it', async () => {
    const page = openPage('ana');
    await publishMany(2);
    await until(() => page.events.length === 2, 'first events');
    const port = Number(new URL(node.url).port);
    await node.close();
    await until(() => !page.live.connected, 'offline');
    expect(page.live.offlineSinceMs).not.toBeNull();
    await publishMany(3);
    node = await startNode(port);
    await until(() => page.events.length >= 5, 'missed events');
    expect(page.seqs()).toEqual(upTo(5));
    expect(page.live.offlineSinceMs).toBeNull();
  });

  test('notified while the LISTEN connection was down are filled from the outbox', async () => {
    const page = openPage('ana');
    await publishMany(2);
    await until(() => page.events.length === 2, 'first events');
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and query ilike 'listen %'`;
    await publishMany(5);
    await until(() => page.events.length >= 7, 'filled events');
    await publishMany(1);
    await until(() => page.events.length >= 8, 'a heard event');
    expect(page.seqs()).toEqual(upTo(8));
  });

  test('too many missed ask for a reset, and the page goes on from its new data', async () => {
    await sql.begin(async (tx) => {
      for (let index = 0; index < 501; index += 1) {
        await publish(tx, topic, { type: 'video-removed', payload: { videoId: 1 } }, null);
      }
    });
    const page = openPage('ana');
    await until(() => page.resets() === 1, 'a reset');
    page.following.restart(501);
    await publishMany(1);
    await until(() => page.events.length === 1, 'the event after the reset');
    expect(page.seqs()).toEqual([502]);
    expect(page.resets()).toBe(1);
  });

  test('a number that the topic has not reached asks for a reset', async () => {
    const page = openPage('ana', 7);
    await until(() => page.resets() === 1, 'a reset');
  });

  test('pile up for a client that does not read only so far: it is cut off, comes back and has them all', async () => {
    const page = openPage('ana');
    await publishMany(1);
    await until(() => page.events.length === 1, 'first event');
    stall(page.raw);
    let published = 1;
    while (node.hub.socketCount > 0 && published < 300) {
      await publishMany(5, 200_000);
      published += 5;
    }
    expect(node.hub.socketCount).toBe(0);
    page.raw.io.engine.close();
    await until(() => page.events.length >= published, 'all events');
    expect(page.seqs()).toEqual(upTo(published));
  });

  test('stop when the page leaves', async () => {
    const page = openPage('ana');
    await publishMany(1);
    await until(() => page.events.length === 1, 'first event');
    page.following.stop();
    const other = openPage('ana');
    await publishMany(2);
    await until(() => other.events.length === 3, 'the other page’s events');
    expect(page.seqs()).toEqual([1]);
  });

  test('signals come to followers of their topic', async () => {
    const page = openPage('ana');
    await publishMany(1);
    await until(() => page.events.length === 1, 'following');
    await signal(sql, { topic, type: 'clip-ready', payload: { clipId: 4, startFrame: 0, endFrame: 10 } });
    await until(() => page.signals.length === 1, 'the signal');
  });
});

test('a client that does not read does not hold up the end of the node', async () => {
  const page = openPage('ana');
  await publishMany(1);
  await until(() => page.events.length === 1, 'first event');
  const port = Number(new URL(node.url).port);
  stall(page.raw);
  await publishMany(15, 200_000);
  const startedMs = Date.now();
  await node.close();
  expect(Date.now() - startedMs).toBeLessThan(3_000);
  node = await startNode(port);
});

describe('commands', () => {
  const approve = () => ({ kind: 'approve', commandId: randomUUID(), clipId: 1, version: 1 }) as const;

  test('a viewer can’t decide or undo', async () => {
    const { live } = openPage('vic');
    const answer = await live.request('review', approve());
    expect(answer).toMatchObject({ kind: 'refused' });
    expect('message' in answer && answer.message).toMatch(/watch/);
    expect(await live.request('undo', { commandId: randomUUID(), scope: { kind: 'video', videoId: 1 }, direction: 'undo' })).toMatchObject({
      kind: 'refused',
    });
  });

  test('rubbish is refused with a sentence', async () => {
    const socket = open('ana');
    const ask = (name: string, request: unknown) => socket.timeout(5_000).emitWithAck(name, request) as Promise<unknown>;
    for (const rubbish of [null, 'x', 7, [], {}, { kind: 'approve' }, { ...approve(), clipId: -1 }, { ...approve(), kind: 'drop' }]) {
      expect(await ask('review', rubbish)).toMatchObject({ kind: 'refused', message: expect.stringMatching(/\.$/) });
    }
    expect(await ask('subscribe', { topic: 'users', afterSeq: 0 })).toMatchObject({ kind: 'refused' });
    expect(await ask('subscribe', { topic, afterSeq: -1 })).toMatchObject({ kind: 'refused' });
    expect(await ask('playback', { clipIds: upTo(13) })).toMatchObject({ kind: 'refused' });
    socket.emit('review', approve());
    socket.emit('review', approve(), 'not a function');
    expect(await ask('undo', {})).toMatchObject({ kind: 'refused' });
  });

  test('a message beyond 64 kB ends the connection and not the server', async () => {
    const socket = open('ana');
    await until(() => socket.connected, 'connected');
    const ended = new Promise((resolve) => socket.once('disconnect', resolve));
    socket.emit('review', { text: 'x'.repeat(80_000) }, () => undefined);
    await ended;
    await until(() => socket.connected, 'connected again');
  });

  test('more than a person can give are refused, and a moment later taken again', async () => {
    const socket = open('vic');
    const answers = (await Promise.all(upTo(100).map(() => socket.timeout(5_000).emitWithAck('review', approve())))) as {
      message: string;
    }[];
    const tooFast = answers.filter((answer) => answer.message.includes('too fast'));
    expect(tooFast.length).toBeGreaterThan(20);
    expect(tooFast.length).toBeLessThanOrEqual(40);
  });

  test('cut off under way are sent again after the return, under the same id', async () => {
    await node.close();
    const seen: string[] = [];
    node = await startNodeAnswering(async (_user, request) => {
      seen.push(request.commandId);
      if (seen.length === 1) {
        page.raw.io.engine.close();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return { kind: 'ok', clips: [], removedClipIds: [], summary: 'Approved' };
    });
    const page = openPage('ana');
    const request = approve();
    expect(await page.live.request('review', request)).toMatchObject({ kind: 'ok' });
    expect(seen).toEqual([request.commandId, request.commandId]);
  });

  test('that meet a database that is going away are tried again, under the same id, and answered', async () => {
    await node.close();
    const seen: string[] = [];
    node = await startNodeAnswering(async (_user, request) => {
      seen.push(request.commandId);
      await sql.begin(async (tx) => {
        const [{ pid }] = (await tx`select pg_backend_pid() as pid`) as unknown as [{ pid: number }];
        if (seen.length < 3) await sql`select pg_terminate_backend(${pid})`;
        await tx`select 1`;
      });
      return { kind: 'ok', clips: [], removedClipIds: [], summary: 'Approved' };
    });
    const { live } = openPage('ana');
    const request = approve();
    expect(await live.request('review', request)).toMatchObject({ kind: 'ok' });
    expect(seen).toEqual([request.commandId, request.commandId, request.commandId]);
  });

  test('without an answer in time say so', async () => {
    const { live } = openPage('ana');
    const port = Number(new URL(node.url).port);
    await until(() => live.connected, 'connected');
    await node.close();
    expect(await live.request('review', approve(), { giveUpMs: 200 })).toMatchObject({ kind: 'unreachable' });
    node = await startNode(port);
  });
});
