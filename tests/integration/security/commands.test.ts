import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inviteToSession } from '#lib/server/features/join-session.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';
import { REQUEST_SCHEMAS, SayingSchema, SubscribeSchema, type RequestName } from '#lib/live/commands.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { arbitraryOf, hostileValue } from '../../support/hostile.ts';
import { startWebNode, type WebNode } from '../../support/web-node.ts';

/** Everything that a socket can be asked for is in `REQUEST_SCHEMAS`; the two below are answered by the hub itself. */
const SCHEMAS = { ...REQUEST_SCHEMAS, subscribe: SubscribeSchema };
const BROKEN = 'Something broke on the server, and nothing was changed. Try again.';
const FRAMES = 400;
const UUIDS = Array.from({ length: 4 }, () => randomUUID());

let env: TestEnvironment;
let node: WebNode;
let ann: Actor;
let bob: Actor;
let videoId: number;
let sessionId: number;
const people = new Map<string, SocketUser>();
const sockets: Socket[] = [];

beforeAll(async () => {
  env = await openEnvironment();
  ann = await env.addPerson('Ann', 'reviewer');
  bob = await env.addPerson('Bob', 'reviewer');
  // Many people, for what one may ask is limited.
  const crowd = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      env.addPerson(`Person${index}`, index % 4 === 0 ? 'viewer' : index % 4 === 1 ? 'admin' : 'reviewer'),
    ),
  );
  for (const { userId, name, role } of [ann, bob, ...crowd]) people.set(name, { userId, name, role, sessionId: name });
  videoId = await env.addVideo(ann, FRAMES, [100, 200, 300]);
  const made = await createSession(env.sql, ann, {
    title: 'Ours',
    mode: 'divide',
    votesNeeded: 1,
    source: { kind: 'videos', videoIds: [videoId] },
  });
  if (made.kind !== 'ok') throw new Error(made.message);
  ({ sessionId } = made);
  node = await startWebNode({ databaseUrl: process.env.DATABASE_URL!, sql: env.sql, people });
});
afterAll(async () => {
  for (const socket of sockets) socket.disconnect();
  await node.close();
  await env.close();
});

async function open(name: string): Promise<Socket> {
  const socket = io(node.url, { transports: ['websocket'], forceNew: true, extraHeaders: { cookie: name } });
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject));
  return socket;
}
const ask = (socket: Socket, name: string, request: unknown) =>
  socket.timeout(30_000).emitWithAck(name, request) as Promise<{ kind: string; message?: string }>;

/** Decisions under one command, clips that leave gaps or overlap, topics whose numbers have gaps: none of it may ever be there. */
async function halfWritten() {
  const clips = await env.sql<{ startFrame: number; endFrame: number }[]>`
    select start_frame as "startFrame", end_frame as "endFrame" from clips where video_id = ${videoId} and superseded_at is null order by start_frame`;
  const gaps = await env.sql`
    select topics.topic from topics left join events using (topic) group by topics.topic, topics.seq having count(events.seq) <> topics.seq`;
  const inOrder = clips.every((clip, index) => clip.startFrame === (clips[index - 1]?.endFrame ?? 0));
  return { partition: inOrder && clips.at(-1)?.endFrame === FRAMES, topicsWithGaps: gaps.length };
}

describe('whatever a socket sends', () => {
  it.each(Object.keys(SCHEMAS) as (keyof typeof SCHEMAS)[])(
    'as “%s” is answered, breaks nothing and leaves nothing half-written',
    async (name) => {
      const all = await Promise.all([...people.keys()].filter((person) => person.startsWith('Person')).map(open));
      let turn = 0;
      const request = fc.oneof(
        { weight: 4, arbitrary: arbitraryOf(SCHEMAS[name], { uuids: UUIDS }) },
        { weight: 1, arbitrary: hostileValue },
      );
      await fc.assert(
        fc.asyncProperty(request, async (message) => {
          const answer = await ask(all[turn++ % all.length]!, name, message);
          expect(typeof answer.kind).toBe('string');
          expect(answer.message).not.toBe(BROKEN);
        }),
        { numRuns: 150, endOnFailure: true },
      );
      for (const socket of all) socket.disconnect();
      expect(await halfWritten()).toEqual({ partition: true, topicsWithGaps: 0 });
    },
  );

  it('to its room, as raw text or as parts that never come, disturbs nobody', async () => {
    const [rude, calm] = await Promise.all([open('Person2'), open('Person3')]);
    await ask(rude, 'subscribe', { topic: 'library', afterSeq: 0 });
    await ask(rude, 'enter', { topic: 'library' });
    for (const saying of fc.sample(fc.oneof(arbitraryOf(SayingSchema, { uuids: UUIDS }), hostileValue), { numRuns: 200, seed: 7 })) {
      rude.emit('say', saying);
      rude.emit('unsubscribe', saying);
    }
    for (const text of [
      '4',
      '42',
      '42[',
      '42["review"',
      '42["review",{}]',
      '420["__proto__",{}]',
      '45999-["x"]',
      '0',
      '3',
      '2probe',
      '\0',
      '😀',
      'x'.repeat(70_000),
    ]) {
      const raw = new WebSocket(`${node.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
        headers: { cookie: 'Person5' },
      } as never);
      await new Promise((resolve) => raw.addEventListener('open', resolve, { once: true }));
      raw.send('40');
      raw.send(text);
      raw.close();
    }
    expect(await ask(calm, 'clock', {})).toMatchObject({ kind: 'ok' });
  });
});

describe('a session’s outsider', () => {
  /** What each command does when it is aimed at what is not one's own; `null` where everything that it reaches is for everybody. */
  const foreign: Readonly<Record<RequestName, ((mine: Mine) => readonly unknown[]) | null>> = {
    review: ({ clipId }) => [{ kind: 'approve', commandId: randomUUID(), clipId, version: 1, sessionId }],
    reviewMany: ({ clipId }) => [{ decisions: [{ kind: 'approve', commandId: randomUUID(), clipId, version: 1, sessionId }] }],
    alike: ({ clipId }) => [
      { kind: 'approve', commandId: randomUUID(), clipId, sessionId, leastPercent: 90, clips: [{ clipId, version: 1 }] },
    ],
    savedSearch: ({ searchId }) => [
      { kind: 'save', id: searchId, name: 'Mine now', query: '', isShared: false },
      { kind: 'rename', id: searchId, name: 'Mine now' },
      { kind: 'share', id: searchId, isShared: true },
      ...['delete', 'restore', 'seen'].map((kind) => ({ kind, id: searchId })),
    ],
    undo: () => [{ commandId: randomUUID(), scope: { kind: 'session', sessionId }, direction: 'undo' }],
    undoable: () => [{ scope: { kind: 'session', sessionId } }],
    session: () => [
      ...['take-lead', 'end', 'resume'].map((kind) => ({ sessionId, kind })),
      { sessionId, kind: 'hand-lead', userId: bob.userId },
      { sessionId, kind: 'set-mode', mode: 'together' },
      { sessionId, kind: 'set-votes', votesNeeded: 9 },
      { sessionId, kind: 'set-role', userId: bob.userId, role: 'reviewer' },
      { sessionId, kind: 'remove', userId: ann.userId },
    ],
    claim: () => [{ sessionId }],
    comment: ({ commentId }) => [
      { kind: 'add', id: randomUUID(), sessionId, videoId, parentId: null, startFrame: 0, endFrame: 9, body: 'Mine now' },
      { kind: 'edit', id: commentId, body: 'Not what Ann said' },
      { kind: 'delete', id: commentId },
      { kind: 'resolve', id: commentId, sessionId, isResolved: true },
    ],
    draw: () => [
      { kind: 'add', id: randomUUID(), sessionId, videoId, frame: 1, tool: 'arrow', color: '#ffffff', points: [0, 0, 1, 1] },
      { kind: 'clear', sessionId, videoId, frame: 1 },
    ],
    mark: ({ clipId }) => [
      { kind: 'tag', sessionId, clipId, tag: 'mine', isOn: true },
      { kind: 'rate', sessionId, clipId, stars: 1 },
    ],
    enter: () => [`session:${sessionId}`, `user:${ann.userId}`, 'queues', 'pool', 'system'].map((topic) => ({ topic })),
    playback: null,
    history: null,
    clock: null,
  };
  interface Mine {
    readonly clipId: number;
    readonly commentId: string;
    readonly searchId: string;
  }
  let mine: Mine;
  beforeAll(async () => {
    const [commentId, searchId] = [randomUUID(), randomUUID()];
    const socket = await open('Ann');
    const said = await ask(socket, 'comment', {
      kind: 'add',
      id: commentId,
      videoId,
      parentId: null,
      startFrame: 0,
      endFrame: 9,
      body: 'Ann’s own',
    });
    expect(said).toEqual({ kind: 'ok' });
    const own = { kind: 'save', id: searchId, name: 'Ann’s own', query: 'state=approved', isShared: false };
    expect(await ask(socket, 'savedSearch', own)).toEqual({ kind: 'ok' });
    const [clip] = await env.sql<
      { id: number }[]
    >`select id from clips where video_id = ${videoId} and superseded_at is null order by start_frame limit 1`;
    mine = { clipId: clip!.id, commentId, searchId };
  });

  it.each(Object.keys(foreign) as RequestName[])('gets nowhere with “%s”', async (name) => {
    const socket = await open('Bob');
    for (const request of foreign[name]?.(mine) ?? []) {
      expect(await ask(socket, name, request), JSON.stringify(request)).toMatchObject({ kind: 'refused' });
    }
  });

  it('can’t follow it, nor another person, nor what admins watch', async () => {
    const socket = await open('Bob');
    for (const topic of [`session:${sessionId}`, `user:${ann.userId}`, 'queues', 'pool', 'system']) {
      expect(await ask(socket, 'subscribe', { topic, afterSeq: 0 }), topic).toMatchObject({ kind: 'refused' });
    }
    expect(await inviteToSession(env.sql, bob, sessionId, { role: 'reviewer', validHours: 1 })).toMatchObject({ kind: 'refused' });
  });

  it('takes away no drawing of somebody else', async () => {
    const id = randomUUID();
    const [annsSocket, bobsSocket] = await Promise.all([open('Ann'), open('Bob')]);
    const drawing = { kind: 'add', id, videoId, frame: 5, tool: 'arrow', color: '#ffffff', points: [0, 0, 1, 1] };
    expect(await ask(annsSocket, 'draw', drawing)).toEqual({ kind: 'ok' });
    await ask(bobsSocket, 'draw', { kind: 'remove', id });
    await ask(bobsSocket, 'draw', { kind: 'clear', videoId, frame: 5 });
    expect(await env.sql`select from drawings where id = ${id}`).toHaveLength(1);
  });
});
