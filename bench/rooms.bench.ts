/**
 * Decisions in review sessions with many sockets, beside a bare Socket.IO broadcast of the same payload:
 *
 *   npm run bench -- rooms [--sockets 2000] [--decisions 100]
 *
 * Two real web nodes and one Postgres; the clients are real Socket.IO clients in processes of their own. With one
 * room every socket is in it, with 50 they are spread. What is measured is the way from the emit of a decision to its
 * receipt by the last socket of the room, on the clock that all processes of the machine share. On a small machine
 * the clients' own parsing bounds the large room, for the bare server as for ours; the database's commit and its
 * notification come on top of ours.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { io, type Socket } from 'socket.io-client';
import { createSession, sessionCookie } from '#lib/server/auth/lucia.ts';
import { clipsOfVideo } from '#lib/server/stores/clips.ts';
import { upsertMember } from '#lib/server/stores/review-sessions.ts';
import { createSession as createReviewSession } from '#lib/server/features/run-session.ts';
import type { ClientsOrder, ClientsReport } from './rooms/clients.ts';
import { percentile } from './support.ts';
import { openEnvironment, type TestEnvironment } from '../tests/support/environment.ts';

const CLIENT_PROCESSES = 2;
const SOCKETS_PER_PERSON = 20;
const CLIPS = 400;
const SATURATION_MS = 5_000;
const DECIDERS = 8;

interface Room {
  readonly sessionId: number;
  readonly videoId: number;
}

interface Person {
  readonly userId: number;
  readonly cookie: string;
}

interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly eventsPerSec: number;
}

/** Runs the bench; `args` are what follows its name on the command line. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { sockets: { type: 'string', default: '2000' }, decisions: { type: 'string', default: '100' } },
  });
  const [sockets, decisions] = [Number(values.sockets), Number(values.decisions)];
  const env = await openEnvironment();
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'heaters-rooms-'));
  const nodes = await Promise.all([startNode(dataDir), startNode(dataDir)]);
  try {
    const people = await addPeople(env, Math.max(DECIDERS, Math.ceil(sockets / SOCKETS_PER_PERSON)));
    const rows: Record<string, object> = {};
    const measured = new Map<number, { ours: Figures; bare: Figures; kbPerSocket: number }>();
    for (const roomCount of [1, 50]) {
      const ours = await measureOurs(env, nodes, people, roomCount, sockets, decisions);
      const bare = await measureBare(ours.payload, roomCount, sockets, decisions);
      measured.set(roomCount, { ours, bare, kbPerSocket: ours.kbPerSocket });
      rows[`${roomCount} room${roomCount === 1 ? '' : 's'}, ${sockets} sockets`] = {
        ...rounded(ours),
        bareP50Ms: round(bare.p50Ms),
        bareP99Ms: round(bare.p99Ms),
        bareEventsPerSec: Math.round(bare.eventsPerSec),
        kbPerSocket: round(ours.kbPerSocket),
      };
    }
    console.table(rows);
    const { ours, bare, kbPerSocket } = measured.get(1)!;
    const last = {
      ...rounded(ours),
      bareP99Ms: round(bare.p99Ms),
      bareEventsPerSec: Math.round(bare.eventsPerSec),
      kbPerSocket: round(kbPerSocket),
    };
    console.log(JSON.stringify(last));
  } finally {
    for (const node of nodes) node.process.kill('SIGKILL');
    await env.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function measureOurs(
  env: TestEnvironment,
  nodes: readonly WebNode[],
  people: readonly Person[],
  roomCount: number,
  sockets: number,
  decisions: number,
): Promise<Figures & { kbPerSocket: number; payload: object }> {
  const rooms = await addRooms(env, people, roomCount);
  const before = nodes.reduce((sum, node) => sum + rssKb(node.process), 0);
  const clients = startClients();
  const perGroup = Math.floor(sockets / roomCount / nodes.length / clients.processes.length) || 1;
  let made = 0;
  for (const { sessionId, videoId } of rooms) {
    await Promise.all(
      clients.processes.flatMap((process) =>
        nodes.map((node) => {
          const { cookie } = people[made++ % people.length]!;
          return clients.order(process, {
            kind: 'connect',
            url: node.url,
            cookie,
            topics: [`session:${sessionId}`, `video:${videoId}`],
            count: perGroup,
          });
        }),
      ),
    );
  }
  await sleep(1_000);
  const kbPerSocket =
    (nodes.reduce((sum, node) => sum + rssKb(node.process), 0) - before) / (perGroup * nodes.length * clients.processes.length * roomCount);
  const deciders = await Promise.all(
    people.slice(0, DECIDERS).map((person, index) => connectDecider(nodes[index % nodes.length]!.url, person)),
  );
  let payload: object = {};
  deciders[0]?.on('event', (event: { type: string }) => event.type === 'clips-changed' && (payload = event));
  await deciders[0]?.emitWithAck('subscribe', { topic: `video:${rooms[0]!.videoId}`, afterSeq: 0 });

  const clips = await Promise.all(rooms.map(({ videoId }) => clipsOfVideo(env.sql, videoId)));
  const decide = (decider: Socket, room: number, index: number) => {
    const clip = clips[room]![index % CLIPS]!;
    return decider.emitWithAck('review', {
      ...{ commandId: randomUUID(), clipId: clip.id, version: clip.version, sessionId: rooms[room]!.sessionId, kind: 'skip' },
    }) as Promise<{ kind: string }>;
  };
  const delaysMs: number[] = [];
  for (let index = 0; index < decisions; index += 1) {
    const room = index % roomCount;
    const all = clients.nextReceived(`video:${rooms[room]!.videoId}`);
    const sentAtMs = nowMs();
    const reply = await decide(deciders[index % deciders.length]!, room, Math.floor(index / roomCount));
    if (reply.kind !== 'ok') throw new Error(`A decision was not taken: ${JSON.stringify(reply)}`);
    delaysMs.push((await all) - sentAtMs);
  }
  const eventsPerSec = await saturate(clients, async (until) => {
    const perRoom = Math.ceil(decisions / roomCount);
    await Promise.all(
      deciders.map(async (decider, number) => {
        for (let index = number; nowMs() < until; index += deciders.length) {
          const room = index % roomCount;
          const reply = await decide(decider, room, perRoom + Math.floor(index / roomCount));
          // The limit of one person's commands a second is met: that is as fast as people may be.
          if (reply.kind === 'refused') await sleep(20);
        }
      }),
    );
  });
  for (const decider of deciders) decider.disconnect();
  await clients.close();
  return { p50Ms: percentile(delaysMs, 0.5), p99Ms: percentile(delaysMs, 0.99), eventsPerSec, kbPerSocket, payload };
}

async function measureBare(payload: object, roomCount: number, sockets: number, decisions: number): Promise<Figures> {
  const server = fork(path.join(import.meta.dirname, 'rooms/bare-server.ts'), { execArgv: [] });
  const [{ url }] = (await once(server, 'message')) as [{ url: string }];
  const clients = startClients();
  const topics = Array.from({ length: roomCount }, (_, index) => `video:${index + 1}`);
  const perGroup = Math.floor(sockets / roomCount / clients.processes.length) || 1;
  for (const topic of topics) {
    await Promise.all(
      clients.processes.map((process) =>
        clients.order(process, { kind: 'connect', url, cookie: '', topics: [topic], count: perGroup, query: { room: topic } }),
      ),
    );
  }
  const sender = io(url, { transports: ['websocket'], forceNew: true });
  await new Promise<void>((resolve) => sender.once('connect', () => resolve()));
  let seq = 0;
  const send = (topic: string) => sender.emit('send', { ...payload, topic, seq: (seq += 1) });
  const delaysMs: number[] = [];
  for (let index = 0; index < decisions; index += 1) {
    const topic = topics[index % roomCount]!;
    const all = clients.nextReceived(topic);
    const sentAtMs = nowMs();
    send(topic);
    delaysMs.push((await all) - sentAtMs);
  }
  const eventsPerSec = await saturate(clients, async (until) => {
    // Eight at a time, as the deciders do, each when the last has come everywhere.
    await Promise.all(
      Array.from({ length: DECIDERS }, async (_, number) => {
        for (let index = number; nowMs() < until; index += DECIDERS) {
          const all = clients.nextReceived(topics[index % roomCount]!);
          send(topics[index % roomCount]!);
          await Promise.race([all, sleep(2_000)]);
        }
      }),
    );
  });
  sender.disconnect();
  await clients.close();
  server.kill('SIGKILL');
  return { p50Ms: percentile(delaysMs, 0.5), p99Ms: percentile(delaysMs, 0.99), eventsPerSec };
}

/** Deliveries a second while `work` goes on, at all clients together. */
async function saturate(clients: Clients, work: (untilMs: number) => Promise<void>): Promise<number> {
  const [before, startedAtMs] = [await clients.deliveries(), nowMs()];
  await work(startedAtMs + SATURATION_MS);
  return ((await clients.deliveries()) - before) / ((nowMs() - startedAtMs) / 1000);
}

interface Clients {
  readonly processes: readonly ChildProcess[];
  order(process: ChildProcess, order: ClientsOrder): Promise<ClientsReport>;
  /** When the next event of a topic has reached the last follower, in every process that has some. */
  nextReceived(topic: string): Promise<number>;
  deliveries(): Promise<number>;
  close(): Promise<void>;
}

function startClients(): Clients {
  const processes = Array.from({ length: CLIENT_PROCESSES }, () =>
    fork(path.join(import.meta.dirname, 'rooms/clients.ts'), { execArgv: [] }),
  );
  const seen = new Map<string, number>();
  const waiting = new Map<string, ((lastAtMs: number) => void)[]>();
  for (const process of processes) {
    process.on('message', (message: ClientsReport) => {
      if (message.kind !== 'received') return;
      const count = (seen.get(message.key) ?? 0) + 1;
      seen.set(message.key, count);
      if (count < processes.length) return;
      seen.delete(message.key);
      const topic = message.key.split(' ', 1)[0] ?? '';
      const [first, ...others] = waiting.get(topic) ?? [];
      waiting.set(topic, others);
      first?.(message.lastAtMs);
    });
  }
  const order = async (process: ChildProcess, message: ClientsOrder): Promise<ClientsReport> => {
    const wanted = message.kind === 'connect' ? 'connected' : 'counted';
    const answer = new Promise<ClientsReport>((resolve) => {
      const hear = (reported: ClientsReport) => {
        if (reported.kind !== wanted) return;
        process.off('message', hear);
        resolve(reported);
      };
      process.on('message', hear);
    });
    process.send(message);
    return answer;
  };
  return {
    processes,
    order,
    nextReceived: (topic) => new Promise((resolve) => waiting.set(topic, [...(waiting.get(topic) ?? []), resolve])),
    async deliveries() {
      const counts = await Promise.all(processes.map((process) => order(process, { kind: 'count' })));
      return counts.reduce((sum, counted) => sum + (counted.kind === 'counted' ? counted.deliveries : 0), 0);
    },
    async close() {
      await Promise.all(
        processes.map((process) => {
          const ended = once(process, 'exit');
          process.send({ kind: 'close' } satisfies ClientsOrder);
          return ended;
        }),
      );
    },
  };
}

interface WebNode {
  readonly url: string;
  readonly process: ChildProcess;
}

async function startNode(dataDir: string): Promise<WebNode> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const url = `http://localhost:${port}`;
  const env = { ...process.env, DATA_DIR: dataDir, PORT: String(port), ORIGIN: url, APP_ENV: 'test', LOG_LEVEL: 'error' };
  const child = spawn(process.execPath, ['src/entries/web.ts'], { env, stdio: 'inherit' });
  while (!(await fetch(`${url}/readyz`).catch(() => null))?.ok) await sleep(100);
  return { url, process: child };
}

async function addPeople(env: TestEnvironment, count: number): Promise<Person[]> {
  const people: Person[] = [];
  for (let index = 0; index < count; index += 1) {
    const { userId } = await env.addPerson(`Person${index}`, 'reviewer');
    const cookie = sessionCookie(await createSession(env.sql, userId));
    people.push({ userId, cookie: `${cookie.name}=${cookie.value}` });
  }
  return people;
}

async function addRooms(env: TestEnvironment, people: readonly Person[], count: number): Promise<Room[]> {
  const host = { userId: people[0]!.userId, name: 'Person0', role: 'reviewer' } as const;
  const cutFrames = Array.from({ length: CLIPS - 1 }, (_, index) => (index + 1) * 10);
  const rooms: Room[] = [];
  for (let index = 0; index < count; index += 1) {
    const videoId = await env.addVideo(host, CLIPS * 10, cutFrames);
    const made = await createReviewSession(env.sql, host, {
      title: 'Bench',
      mode: 'together',
      votesNeeded: 1,
      source: { kind: 'videos', videoIds: [videoId] },
    });
    if (made.kind !== 'ok') throw new Error(made.message);
    await env.sql.begin(async (tx) => {
      for (const { userId } of people.slice(1)) await upsertMember(tx, made.sessionId, userId, 'reviewer', false);
    });
    rooms.push({ sessionId: made.sessionId, videoId });
  }
  return rooms;
}

async function connectDecider(url: string, { cookie }: Person): Promise<Socket> {
  const socket = io(url, { transports: ['websocket'], forceNew: true, extraHeaders: { cookie } });
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return socket;
}

function rssKb(child: ChildProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]);
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function rounded({ p50Ms, p99Ms, eventsPerSec }: Figures): { p50Ms: number; p99Ms: number; eventsPerSec: number } {
  return { p50Ms: round(p50Ms), p99Ms: round(p99Ms), eventsPerSec: Math.round(eventsPerSec) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
