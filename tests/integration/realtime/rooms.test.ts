import { randomUUID } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { LiveSocket } from '#lib/client/socket.ts';
import { EMOJI } from '#lib/live/talk-views.ts';
import { REQUEST_SCHEMAS, type RequestName, type Saying } from '#lib/live/commands.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { PlayheadView, Seat } from '#lib/live/presence.ts';
import { sessionTopic, userTopic, type Topic } from '#lib/live/topics.ts';
import type { Database } from '#lib/server/db.ts';
import { addMember } from '#lib/server/features/join-session.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { commandSession, createSession } from '#lib/server/features/run-session.ts';
import { createCommands } from '#lib/server/realtime/commands.ts';
import { NodeLink } from '#lib/server/realtime/node-link.ts';
import { Presence } from '#lib/server/realtime/presence.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { startWebNode, type WebNode } from '../../support/web-node.ts';

let env: TestEnvironment;
let ann: Actor;
let bob: Actor;
let cleo: Actor;
let vic: Actor;
let eve: Actor;
let videoId: number;
let sessionId: number;
let topic: Topic;
let nodes: WebNode[] = [];
const people = new Map<string, SocketUser>();
let cleanUps: (() => void)[] = [];

const startNode = (commands = createCommands(env.sql)) =>
  startWebNode({ databaseUrl: process.env.DATABASE_URL!, sql: env.sql, people, commands });

beforeAll(async () => {
  env = await openEnvironment();
  [ann, bob, cleo, eve] = [
    await env.addPerson('Ann', 'reviewer'),
    await env.addPerson('Bob', 'reviewer'),
    await env.addPerson('Cleo', 'reviewer'),
    await env.addPerson('Eve', 'reviewer'),
  ];
  vic = await env.addPerson('Vic', 'viewer');
  for (const actor of [ann, bob, cleo, eve, vic]) people.set(actor.name, { ...actor, sessionId: `s-${actor.name}` });
  videoId = await env.addVideo(ann, 100, [20, 50]);
});
afterAll(() => env.close());

/** Ann hosts and leads a session of Ann, Bob, Cleo and Vic, who only watches; there are two web nodes. */
beforeEach(async () => {
  const made = await createSession(env.sql, ann, {
    ...{ title: 'Dailies', mode: 'together', votesNeeded: 1 },
    source: { kind: 'videos', videoIds: [videoId] },
  });
  sessionId = (made as { sessionId: number }).sessionId;
  topic = sessionTopic(sessionId);
  for (const actor of [bob, cleo]) await addMember(env.sql, ann, sessionId, actor.userId, 'reviewer');
  await addMember(env.sql, ann, sessionId, vic.userId, 'viewer');
  nodes = [await startNode(), await startNode()];
});

afterEach(async () => {
  for (const cleanUp of cleanUps) cleanUp();
  cleanUps = [];
  await Promise.all(nodes.map((node) => node.close()));
});

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = Date.now() + 8_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function open(person: string, node: number): Socket {
  const socket = io(nodes[node]!.url, {
    ...{ transports: ['websocket'], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 100 },
    extraHeaders: { cookie: person },
  });
  cleanUps.push(() => void socket.disconnect());
  return socket;
}

/** A session page: it follows the session, sits in its room, and keeps the roster as the app's page does. */
async function openPage(actor: Actor, node = 0) {
  const raw = open(actor.name, node);
  const live = new LiveSocket(
    () => raw as never,
    () => undefined,
  );
  const seats = new Map<string, Seat>();
  const signals: LiveSignal[] = [];
  const events: LiveEvent[] = [];
  let [follows, shutOuts] = [0, 0];
  live.follow(topic, 0, {
    onEvent: (event) => events.push(event),
    onSignal: (signal) => {
      signals.push(signal);
      if (signal.type !== 'presence') return;
      if (signal.payload.isAll) seats.clear();
      for (const seat of signal.payload.seats) seats.set(seat.seatId, seat);
      for (const seatId of signal.payload.goneSeatIds) seats.delete(seatId);
    },
    onFollowing: () => (follows += 1),
    onShutOut: () => (shutOuts += 1),
    onReset: () => undefined,
  });
  await until(() => follows > 0, `${actor.name} follows`);
  const enter = async () => {
    const reply = await live.request('enter', { topic });
    if (reply.kind !== 'ok') throw new Error(reply.message);
    for (const seat of reply.seats) seats.set(seat.seatId, seat);
    return reply;
  };
  const entered = await enter();
  return {
    live,
    raw,
    events,
    signals,
    entered,
    enter,
    shutOuts: () => shutOuts,
    names: () => [...new Set([...seats.values()].map((seat) => seat.name))].toSorted().join(),
    seats: () => [...seats.values()],
    of: <Type extends LiveSignal['type']>(type: Type) =>
      signals.flatMap((signal) => (signal.type === type ? [signal.payload as Extract<LiveSignal, { type: Type }>['payload']] : [])),
    say: (saying: Saying) => void raw.emit('say', saying),
  };
}

const playhead = (frame: number, change: object = {}) => ({
  ...{ kind: 'playhead' as const, topic },
  playhead: {
    ...{ videoId, clipId: 1, startFrame: 0, endFrame: 20, frame, atMs: 1_700_000_000_000, isPlaying: false, speed: 1, loop: null },
    ...change,
  },
});
const stroke = () => ({
  ...{ kind: 'stroke' as const, topic },
  stroke: { id: randomUUID(), videoId, frame: 3, tool: 'pen' as const, color: '#00ff00', points: [0.1, 0.1, 0.2, 0.2] },
});
const reaction = (emoji: (typeof EMOJI)[number] = '🎉') => ({ kind: 'reaction' as const, topic, emoji });
const here = (frame: number) => ({
  ...{ kind: 'here' as const, topic },
  seat: { clipId: null, videoId, frame, cursorFrame: null, followingId: null, activity: 'active' as const },
});
const run = (actor: Actor, command: object) => commandSession(env.sql, actor, { sessionId, ...command } as never);

describe('topics', () => {
  const follow = (socket: Socket, wanted: Topic) =>
    socket.timeout(5_000).emitWithAck('subscribe', { topic: wanted, afterSeq: 0 }) as Promise<{ kind: string }>;

  test('of a session are for its members, of a person for that person', async () => {
    const [stranger, member] = [open('Eve', 0), open('Vic', 1)];
    expect(await follow(stranger, topic)).toMatchObject({ kind: 'refused', message: expect.stringMatching(/not part/) });
    expect(await follow(stranger, sessionTopic(2_000_000_000))).toMatchObject({ kind: 'refused' });
    expect(await follow(member, topic)).toMatchObject({ kind: 'ok' });
    expect(await follow(member, userTopic(vic.userId))).toMatchObject({ kind: 'ok' });
    expect(await follow(member, userTopic(ann.userId))).toMatchObject({ kind: 'refused' });
    const enter = await stranger.timeout(5_000).emitWithAck('enter', { topic });
    expect(enter).toMatchObject({ kind: 'refused' });
  });

  test('a member removed while they begin to follow ends up outside', async () => {
    const commands = createCommands(env.sql);
    let isFirst = true;
    nodes.push(
      await startNode({
        ...commands,
        standing: async (user, wanted) => {
          const standing = await commands.standing(user, wanted);
          if (isFirst) await run(ann, { kind: 'remove', userId: bob.userId });
          isFirst = false;
          return standing;
        },
      }),
    );
    const socket = open('Bob', 2);
    const shutOut = new Promise((resolve) => socket.once('shut-out', resolve));
    const events: LiveEvent[] = [];
    socket.on('event', (event: LiveEvent) => events.push(event));
    await follow(socket, topic);
    expect(await shutOut).toBe(topic);
    await run(ann, { kind: 'set-mode', mode: 'divide' });
    const page = await openPage(ann, 2);
    await until(() => page.events.some((event) => event.type === 'session-changed' && event.payload.cause === 'set-mode'), 'told');
    expect(events.some((event) => event.type === 'session-changed' && event.payload.cause === 'set-mode')).toBe(false);
  });

  test('asked for by a socket that goes at once are not followed for ever', async () => {
    const commands = createCommands(env.sql);
    let gone = () => undefined as void;
    const isGone = new Promise<void>((resolve) => (gone = resolve));
    let asked = () => undefined as void;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    let answered = 0;
    const slow = await startNode({
      ...commands,
      standing: async (user, wanted) => {
        asked();
        await isGone;
        answered += 1;
        return commands.standing(user, wanted);
      },
    });
    nodes.push(slow);
    const socket = open('Bob', 2);
    socket.emit('subscribe', { topic, afterSeq: 0 }, () => undefined);
    await isAsked;
    socket.disconnect();
    await until(() => slow.hub.socketCount === 0, 'the socket is gone');
    gone();
    await until(() => answered === 1, 'the question was answered');
    // Nothing more is to come: the topic stays unknown to the listener while others use the same database.
    await run(ann, { kind: 'set-mode', mode: 'divide' });
    expect(slow.listener.lastSeq(topic)).toBe(0);
  });
});

describe('who is there', () => {
  test('is seen on both nodes: who joins, where they are, and who leaves', async () => {
    const a = await openPage(ann, 0);
    const b = await openPage(bob, 1);
    await until(() => a.names() === 'Ann,Bob' && b.names() === 'Ann,Bob', 'both see both');
    b.say(here(17));
    await until(() => a.seats().some((seat) => seat.name === 'Bob' && seat.frame === 17), 'Bob’s frame');
    b.raw.disconnect();
    await until(() => a.names() === 'Ann', 'Bob is gone');
  });

  test('ends when a connection breaks off, and begins again when it is back', async () => {
    const a = await openPage(ann, 0);
    const b = await openPage(bob, 1);
    await until(() => a.names() === 'Ann,Bob', 'both');
    b.raw.io.reconnection(false);
    b.raw.io.engine.close();
    await until(() => a.names() === 'Ann', 'Bob is gone');
    b.raw.io.reconnection(true);
    b.raw.connect();
    await until(() => b.live.connected, 'connected');
    await until(async () => (await b.live.request('enter', { topic })).kind === 'ok', 'entered');
    await until(() => a.names() === 'Ann,Bob', 'Bob is back');
  });

  test('forgets a window but not its person, while they have another', async () => {
    const a = await openPage(ann, 0);
    const [first] = [await openPage(bob, 1), await openPage(bob, 0)];
    await until(() => a.seats().length === 3, 'three windows');
    first.raw.disconnect();
    await until(() => a.seats().length === 2, 'two windows');
    expect(a.names()).toBe('Ann,Bob');
  });

  test('ends for a whole node when it closes', async () => {
    const a = await openPage(ann, 0);
    for (const actor of [bob, cleo]) await openPage(actor, 1);
    await until(() => a.names() === 'Ann,Bob,Cleo', 'all three');
    await nodes.pop()!.close();
    await until(() => a.names() === 'Ann', 'the others are gone');
  });

  test('comes at once to who joins late, with the playhead, on either node and on a new one', async () => {
    const a = await openPage(ann, 0);
    const b = await openPage(bob, 1);
    await until(() => a.names() === 'Ann,Bob' && b.names() === 'Ann,Bob', 'both');
    a.say(playhead(7));
    await until(() => b.of('playhead').length > 0, 'the playhead on the other node');
    nodes.push(await startNode());
    for (const node of [0, 1, 2]) {
      await until(async () => {
        const { entered, raw } = await openPage(cleo, node);
        raw.disconnect();
        return entered.playhead?.frame === 7 && ['Ann', 'Bob'].every((name) => entered.seats.some((seat) => seat.name === name));
      }, `roster and playhead on node ${node}`);
    }
  });

  test('is mended when a node’s LISTEN connection was lost meanwhile', async () => {
    const a = await openPage(ann, 0);
    const b = await openPage(bob, 1);
    const c = await openPage(cleo, 1);
    await until(() => a.names() === 'Ann,Bob,Cleo', 'all three');
    await env.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen %'`;
    c.raw.disconnect();
    await openPage(vic, 1);
    await until(() => a.names() === 'Ann,Bob,Vic' && b.names() === 'Ann,Bob,Vic', 'the roster of now');
  });
});

describe('what windows tell each other', () => {
  test('the playhead is the lead’s alone, and changes hands on both nodes', async () => {
    const [a, b, c] = [await openPage(ann, 0), await openPage(bob, 1), await openPage(cleo, 1)];
    await until(() => [a, b, c].every((page) => page.names() === 'Ann,Bob,Cleo'), 'all three');
    b.say(playhead(3));
    a.say(playhead(5));
    await until(() => c.of('playhead').length > 0, 'a playhead');
    b.say(playhead(4));
    await run(bob, { kind: 'take-lead' });
    await until(
      () => [a, b].every((page) => page.events.some((event) => event.type === 'session-changed' && event.payload.cause === 'lead')),
      'told',
    );
    a.say(playhead(6));
    b.say(playhead(8));
    await until(() => c.of('playhead').some((each) => each.frame === 8), 'the new lead’s');
    expect(c.of('playhead').map((each) => [each.userId, each.frame])).toEqual([
      [ann.userId, 5],
      [bob.userId, 8],
    ]);
  });

  test('the lead may change while nobody of a node is there', async () => {
    const first = await openPage(bob, 1);
    first.raw.disconnect();
    const a = await openPage(ann, 0);
    await until(() => nodes[1]!.hub.socketCount === 0 && nodes[1]!.listener.lastSeq(topic) === 0, 'the node has left the topic');
    await run(bob, { kind: 'take-lead' });
    const b = await openPage(bob, 1);
    await until(() => a.names() === 'Ann,Bob', 'both');
    b.say(playhead(9));
    await until(() => a.of('playhead').some((each) => each.frame === 9), 'Bob’s playhead');
  });

  test('strokes are for reviewers: by account, and in the session, as their role is now', async () => {
    const [a, b, v] = [await openPage(ann, 0), await openPage(bob, 1), await openPage(vic, 1)];
    const strokesOf = (name: string) => a.of('stroke').filter((each) => each.name === name).length;
    await until(() => a.names() === 'Ann,Bob,Vic', 'all three');
    v.say(stroke());
    b.say(stroke());
    await until(() => strokesOf('Bob') === 1, 'Bob’s stroke');
    await run(ann, { kind: 'set-role', userId: bob.userId, role: 'viewer' });
    await until(() => b.events.some((event) => event.type === 'member-changed' && event.payload.member.role === 'viewer'), 'told');
    const before = strokesOf('Bob');
    await until(async () => {
      const count = strokesOf('Bob');
      b.say(stroke());
      b.say(reaction());
      const reactions = a.of('reaction').length;
      await until(() => a.of('reaction').length > reactions, 'a reaction after the stroke');
      return strokesOf('Bob') === count;
    }, 'strokes are ignored');
    const { entered } = await openPage(bob, 0);
    expect(entered.kind).toBe('ok');
    expect(strokesOf('Vic')).toBe(0);
    expect(before).toBeGreaterThan(0);
  });

  test('reactions reach all, each of them, also several at once', async () => {
    const pages = [await openPage(ann, 0), await openPage(bob, 1), await openPage(vic, 1)];
    await until(() => pages.every((page) => page.names() === 'Ann,Bob,Vic'), 'all three');
    for (const page of pages) for (const emoji of EMOJI.slice(0, 3)) page.say(reaction(emoji));
    const all = ['Ann', 'Bob', 'Vic'].flatMap((name) => EMOJI.slice(0, 3).map((emoji) => `${name} ${emoji}`)).toSorted();
    for (const page of pages) {
      await until(() => page.of('reaction').length >= all.length, 'all reactions');
      expect(
        page
          .of('reaction')
          .map((each) => `${each.name} ${each.emoji}`)
          .toSorted(),
      ).toEqual(all);
    }
  });

  test('several draw and point at once, and all of it is seen', async () => {
    const [a, b, c] = [await openPage(ann, 0), await openPage(bob, 0), await openPage(cleo, 1)];
    await until(() => [a, b, c].every((page) => page.names() === 'Ann,Bob,Cleo'), 'all three');
    for (const page of [a, b, c]) page.say(stroke());
    a.say(playhead(2));
    for (const page of [a, b, c]) page.say(here(11));
    for (const page of [a, b, c]) {
      await until(() => new Set(page.of('stroke').map((each) => each.name)).size === 3, 'all strokes');
      await until(() => page.seats().every((seat) => seat.frame === 11), 'all frames');
      await until(() => page.of('playhead').length === 1, 'the playhead');
    }
  });

  test('nothing is heard from who has not entered', async () => {
    const a = await openPage(ann, 0);
    const outside = open('Bob', 1);
    await outside.timeout(5_000).emitWithAck('subscribe', { topic, afterSeq: 0 });
    outside.emit('say', reaction());
    outside.emit('say', here(5));
    const b = await openPage(cleo, 1);
    b.say(reaction('👍'));
    await until(() => a.of('reaction').length > 0, 'Cleo’s reaction');
    expect(a.of('reaction').map((each) => each.name)).toEqual(['Cleo']);
    await until(() => a.names() === 'Ann,Cleo', 'nobody else is seen');
  });

  test('more than a person can tell is left out, and a moment later heard again', async () => {
    const [a, b] = [await openPage(ann, 0), await openPage(bob, 0)];
    await until(() => a.names() === 'Ann,Bob', 'both');
    const startedMs = Date.now();
    for (let count = 0; count < 600; count += 1) b.say(reaction());
    await b.live.request('clock', {});
    const allowed = 120 + (60 * (Date.now() - startedMs)) / 1_000 + 1;
    const c = await openPage(cleo, 0);
    c.say(reaction('👎'));
    await until(() => a.of('reaction').some((each) => each.name === 'Cleo'), 'Cleo’s reaction');
    expect(a.of('reaction').filter((each) => each.name === 'Bob').length).toBeLessThanOrEqual(allowed);
    await until(() => {
      b.say(reaction('👀'));
      return a.of('reaction').some((each) => each.emoji === '👀');
    }, 'Bob is heard again');
  });
});

describe('a removed member', () => {
  test('is shut out on whichever node, and can’t come back', async () => {
    const pages = [await openPage(bob, 0), await openPage(bob, 1)];
    const a = await openPage(ann, 0);
    await until(() => a.seats().length === 3, 'all windows');
    await run(ann, { kind: 'remove', userId: bob.userId });
    for (const page of pages) await until(() => page.shutOuts() === 1, 'shut out');
    await until(() => a.names() === 'Ann', 'Bob’s seats are gone');
    for (const { raw } of pages) {
      expect(await raw.timeout(5_000).emitWithAck('subscribe', { topic, afterSeq: 0 })).toMatchObject({ kind: 'refused' });
      expect(await raw.timeout(5_000).emitWithAck('enter', { topic })).toMatchObject({ kind: 'refused' });
      raw.emit('say', reaction());
    }
    const counts = pages.map((page) => page.events.length);
    await run(ann, { kind: 'set-mode', mode: 'divide' });
    await until(() => a.events.some((event) => event.type === 'session-changed' && event.payload.cause === 'set-mode'), 'told');
    expect(pages.map((page) => page.events.length)).toEqual(counts);
    expect(a.of('reaction')).toEqual([]);
    await addMember(env.sql, ann, sessionId, bob.userId, 'reviewer');
    await openPage(bob, 1);
    await until(() => a.names() === 'Ann,Bob', 'Bob is welcome again');
  });
});

describe('rubbish', () => {
  const RUBBISH = [
    null,
    undefined,
    'x',
    7,
    [],
    {},
    { kind: 'end' },
    { topic: 7 },
    { clipId: -1 },
    { sessionId: 'x' },
    { kind: { kind: 'add' } },
  ];

  test('is refused by each request, and the socket stays up', async () => {
    const raw = open('Ann', 0);
    await until(() => raw.connected, 'connected');
    const { id } = raw;
    for (const name of [...(Object.keys(REQUEST_SCHEMAS) as RequestName[]), 'subscribe']) {
      for (const rubbish of RUBBISH) {
        if (name === 'clock' && typeof rubbish === 'object' && rubbish !== null) continue;
        const ask = () => raw.timeout(5_000).emitWithAck(name, rubbish) as Promise<{ kind: string; message: string }>;
        let reply = await ask();
        for (; reply.message.includes('too fast'); reply = await ask()) await new Promise((resolve) => setTimeout(resolve, 50));
        expect(reply, `${name} ${JSON.stringify(rubbish)}`).toMatchObject({
          kind: 'refused',
          message: expect.stringMatching(/\.$|follow|part/),
        });
      }
      raw.emit(name, {});
      raw.emit(name);
      raw.emit(name, {}, 'no function');
    }
    expect(raw.id).toBe(id);
  });

  test('is ignored where it is only said', async () => {
    const [a, b] = [await openPage(ann, 0), await openPage(bob, 1)];
    await until(() => b.names() === 'Ann,Bob', 'both');
    const elsewhere = { ...reaction(), topic: 'library' };
    const bad = [
      playhead(5, { endFrame: 0 }),
      playhead(5, { startFrame: 20 }),
      playhead(5, { loop: { startFrame: 5, endFrame: 5 } }),
      playhead(5, { speed: 0 }),
      playhead(-1),
      { ...stroke(), stroke: { ...stroke().stroke, points: Array.from({ length: 2_000 }, () => 0.5) } },
      { ...reaction(), emoji: '<script>' },
      elsewhere,
    ];
    for (const rubbish of [...RUBBISH, ...bad]) a.raw.emit('say', rubbish);
    for (const rubbish of [null, 7, 'users', {}]) a.raw.emit('unsubscribe', rubbish);
    a.say(reaction('👀'));
    await until(() => b.of('reaction').some((each) => each.emoji === '👀'), 'the socket is still there');
    expect([b.of('playhead'), b.of('stroke'), b.of('reaction').length]).toEqual([[], [], 1]);
  });
});

describe('the line between nodes', () => {
  /** Nodes on a line that can be cut at either ear; time is the test's. */
  function startLine() {
    const members: {
      link: NodeLink;
      presence: Presence;
      sent: { signal: LiveSignal; isVolatile: boolean }[];
      left: number[];
      isDeaf: boolean;
      isMute: boolean;
      isBroken: boolean;
    }[] = [];
    const add = () => {
      const member = { sent: [], left: [], isDeaf: false, isMute: false, isBroken: false } as unknown as (typeof members)[number];
      const sql = (_text: TemplateStringsArray, ...[, texts]: [string, string[]]) => {
        if (member.isBroken) return Promise.reject(new Error('the database is away'));
        if (!member.isMute) for (const other of members) if (!other.isDeaf) for (const text of texts) other.link.hear(text);
        return Promise.resolve([]);
      };
      member.presence = new Presence({
        toRoom: (signal, isVolatile) => member.sent.push({ signal, isVolatile }),
        toNodes: (word) => member.link.tell(word),
        onLeft: (_topic, userId) => member.left.push(userId),
      });
      member.link = new NodeLink(sql as unknown as Database, member.presence);
      members.push(member);
      member.link.hello();
      return member;
    };
    return { add, close: () => Promise.all(members.map(({ link, presence }) => (presence.close(), link.close()))) };
  }
  const seat = (userId: number, seatId = `seat${userId}`): Seat => ({
    ...{ seatId, userId, name: `P${userId}`, role: 'reviewer', clipId: null, videoId: null },
    ...{ frame: null, cursorFrame: null, followingId: null, activity: 'active' },
  });
  type Member = ReturnType<ReturnType<typeof startLine>['add']>;
  const probe = seat(99);
  /** Who a node knows of in the room. */
  const seen = ({ presence }: Member) =>
    presence
      .enter('session:1', probe)
      .seats.map((each) => each.userId)
      .filter((userId) => userId !== probe.userId)
      .toSorted();
  let line: ReturnType<typeof startLine>;
  let [a, b] = [] as unknown as [Member, Member];
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  beforeEach(async () => {
    vi.useFakeTimers();
    line = startLine();
    [a, b] = [line.add(), line.add()];
    await pass(100);
    a.presence.enter('session:1', seat(1));
    b.presence.enter('session:1', seat(2));
    await pass(500);
  });
  afterEach(async () => {
    await line.close();
    vi.useRealTimers();
  });

  test('a node that falls silent without goodbye is dropped, and is known again when it speaks', async () => {
    expect([seen(a), seen(b)]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    b.isMute = true;
    await pass(3_000);
    expect(seen(a)).toEqual([1]);
    expect(a.left).toContain(2);
    expect(seen(b)).toEqual([1, 2]);
    b.isMute = false;
    await pass(1_500);
    expect(seen(a)).toEqual([1, 2]);
  });

  test('a goodbye is heard at once, and nothing after it', async () => {
    b.presence.leave('session:1', 'seat2');
    await b.link.close();
    b.presence.enter('session:1', seat(3));
    await pass(200);
    expect(seen(a)).toEqual([1]);
  });

  test('what was said to deaf ears is known once they hear again: who came, and who left', async () => {
    a.isDeaf = true;
    b.presence.leave('session:1', 'seat2');
    b.presence.enter('session:1', seat(3));
    b.presence.enter('session:2', seat(4));
    await pass(500);
    a.isDeaf = false;
    a.link.hello();
    await pass(300);
    expect(seen(a)).toEqual([1, 3]);
    expect(a.left).toContain(2);
  });

  test('a node that asks deaf ears asks again', async () => {
    a.isDeaf = b.isDeaf = true;
    b.presence.leave('session:1', 'seat2');
    b.presence.enter('session:1', seat(3));
    await pass(300);
    a.isDeaf = false;
    a.link.hello();
    await pass(300);
    b.isDeaf = false;
    b.link.hello();
    await pass(1_500);
    expect([seen(a), seen(b)]).toEqual([
      [1, 3],
      [1, 3],
    ]);
  });

  test('what could not be sent is made up for', async () => {
    a.isBroken = true;
    a.presence.leave('session:1', 'seat1');
    a.presence.enter('session:1', seat(3));
    await pass(700);
    a.isBroken = false;
    await pass(1_500);
    expect(seen(b)).toEqual([2, 3]);
  });

  test('what was said while the other was thought gone reaches it when it is back', async () => {
    a.isDeaf = true;
    await pass(3_000);
    // To itself, this node is alone now, and tells nobody.
    a.presence.enter('session:1', seat(5));
    a.presence.leave('session:1', 'seat1');
    await pass(500);
    a.isDeaf = false;
    await pass(1_500);
    expect(seen(b)).toEqual([2, 5]);
    expect(seen(a)).toEqual([2, 5]);
  });

  test('a playhead that stands still is never left out on the other node', async () => {
    const payload: PlayheadView = { ...playhead(4).playhead, userId: 1 };
    a.presence.say('seat1', { topic: 'session:1', type: 'playhead', payload });
    await pass(300);
    expect(b.sent.filter(({ signal }) => signal.type === 'playhead')).toMatchObject([
      { isVolatile: false, signal: { payload: { frame: 4 } } },
    ]);
    expect(b.presence.enter('session:1', seat(6)).playhead).toEqual(payload);
  });

  test('a thousand windows are told in pieces that fit: all are counted, the first hundred shown', async () => {
    for (let userId = 1_000; userId < 2_000; userId += 1) a.presence.enter('session:1', seat(userId));
    await pass(1_000);
    const c = line.add();
    await pass(1_000);
    const late = seat(2_000);
    for (const node of [b, c]) {
      const { seats, seatCount } = node.presence.enter('session:1', { ...late, seatId: `${late.seatId} at ${node === b ? 'b' : 'c'}` });
      expect(seatCount).toBe(1_003);
      expect(seats).toHaveLength(100);
    }
  });
});
