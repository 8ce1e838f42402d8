import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LiveSocket, type Following } from '#lib/client/socket.ts';
import { spansBetweenCuts } from '#lib/core/cuts.ts';
import { applyReply, applyToVideo, type VideoSnapshot } from '#lib/live/apply-event.ts';
import { applyToSession, type SessionSnapshot } from '#lib/live/apply-session.ts';
import type { RequestName, Requests } from '#lib/live/commands.ts';
import { sessionTopic, videoTopic } from '#lib/live/topics.ts';
import type { SessionData } from '#lib/live/apply-session.ts';
import { sessionPage } from '#lib/server/features/browse-library.ts';
import { addMember } from '#lib/server/features/join-session.ts';
import type { Actor } from '#lib/server/features/rights.ts';
import { createSession } from '#lib/server/features/run-session.ts';
import type { SocketUser } from '#lib/server/realtime/rooms.ts';
import { cutFramesInside } from '#lib/server/stores/cuts.ts';
import { eventsAfter } from '#lib/server/stores/outbox.ts';
import { openEnvironment, type TestEnvironment } from '../../support/environment.ts';
import { startWebNode, type WebNode } from '../../support/web-node.ts';

const FRAME_COUNT = 80;
const PEOPLE = 4;
let env: TestEnvironment;
let nodes: WebNode[];
let host: Actor;
let actors: Actor[];
let clients: Client[] = [];
/** Decisions taken in all runs. */
let taken = 0;
const people = new Map<string, SocketUser>();

beforeAll(async () => {
  env = await openEnvironment();
  actors = [];
  for (const name of ['Ann', 'Bob', 'Cleo', 'Dan']) actors.push(await env.addPerson(name, 'reviewer'));
  host = actors[0]!;
  for (const actor of actors) people.set(actor.name, { ...actor, sessionId: `s-${actor.name}` });
  const start = () => startWebNode({ databaseUrl: process.env.DATABASE_URL!, sql: env.sql, people });
  nodes = [await start(), await start()];
});
afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await env.close();
});

async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`Waited in vain: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A command that was answered: what the database must hold of it. */
interface Acknowledged {
  readonly commandId: string;
  readonly kind: string;
}

/** A session page without the browser: the app's socket and reducers. */
class Client {
  readonly actor: Actor;
  readonly acknowledged: Acknowledged[] = [];
  session!: SessionSnapshot;
  readonly videos = new Map<number, VideoSnapshot>();
  readonly #sessionId: number;
  #socket!: Socket;
  #live: LiveSocket | undefined;
  #followings: Following[] = [];
  #leave: () => void = () => undefined;
  #isLeft: Promise<void> = Promise.resolve();

  constructor(actor: Actor, sessionId: number) {
    this.actor = actor;
    this.#sessionId = sessionId;
  }

  /** Opens the page on a node, as after a reload. */
  async open(node: WebNode): Promise<void> {
    this.close();
    const page = (await sessionPage(env.sql, this.#sessionId))!;
    this.#take(page);
    this.#isLeft = new Promise((resolve) => (this.#leave = resolve));
    this.#socket = io(node.url, {
      ...{ transports: ['websocket'], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 60 },
      extraHeaders: { cookie: this.actor.name },
    });
    const socket = this.#socket;
    this.#live = new LiveSocket(
      () => socket as never,
      () => undefined,
    );
    const onReset = () => void this.#reload();
    this.#followings = [
      this.#live.follow(sessionTopic(this.#sessionId), page.seq, {
        onEvent: (event) => (this.session = applyToSession(this.session, event)),
        onSignal: () => undefined,
        onReset,
      }),
      ...page.videos.map(({ video, seq }) =>
        this.#live!.follow(videoTopic(video.id), seq, {
          onEvent: (event) => this.videos.set(video.id, applyToVideo(this.videos.get(video.id)!, event)),
          onSignal: () => undefined,
          onReset,
        }),
      ),
    ];
  }

  /** Breaks the connection off; the socket comes back by itself. */
  breakOff(): void {
    // An engine that is told to close while it still opens is waited for in vain: no network does that.
    if (this.#socket.connected) this.#socket.io.engine.close();
  }

  close(): void {
    this.#leave();
    this.#live?.close();
  }

  /** Asks the server; a page that is left before the answer never learns it. */
  #ask<Name extends RequestName>(name: Name, request: Requests[Name]) {
    return Promise.race([this.#live!.request(name, request), this.#isLeft.then(() => ({ kind: 'lost' }) as const)]);
  }

  /** Does one thing with what is on the screen now. */
  async act(step: Step): Promise<void> {
    const clips = [...this.videos.values()].flatMap((video) => video.clips);
    const clip = clips[step.index % clips.length]!;
    const sessionId = this.#sessionId;
    const command = { commandId: randomUUID(), clipId: clip.id, version: clip.version, sessionId };
    switch (step.kind) {
      case 'split':
        return this.#review({
          ...command,
          kind: 'split',
          atFrame: clip.startFrame + 1 + (step.amount % (clip.endFrame - clip.startFrame)),
        });
      case 'move-cut':
        return this.#review({ ...command, kind: 'move-cut', byFrames: (step.amount % 9) - 4 });
      case 'undo':
      case 'redo': {
        const request = { commandId: randomUUID(), scope: { kind: 'session', sessionId }, direction: step.kind } as const;
        const reply = await this.#ask('undo', request);
        return this.#note(request.commandId, reply);
      }
      case 'tag':
        return void (await this.#ask('mark', {
          kind: 'tag',
          sessionId,
          clipId: clip.id,
          tag: `t${step.amount % 3}`,
          isOn: step.index % 3 > 0,
        }));
      case 'rate':
        return void (await this.#ask('mark', { kind: 'rate', sessionId, clipId: clip.id, stars: step.amount % 6 }));
      case 'comment': {
        const { videoId, startFrame, endFrame } = clip;
        const body = `@${actors[step.amount % PEOPLE]!.name} and @${actors[step.index % PEOPLE]!.name}`;
        const add = { kind: 'add', id: randomUUID(), sessionId, videoId, parentId: null, startFrame, endFrame, body } as const;
        return void (await this.#ask('comment', add));
      }
      case 'talk': {
        const comments = [...this.videos.values()].flatMap((video) => video.comments);
        const about = comments[step.index % Math.max(1, comments.length)];
        if (about === undefined) return;
        const { id, videoId, startFrame, endFrame } = about;
        const requests: Requests['comment'][] = [
          { kind: 'delete', id, sessionId },
          { kind: 'edit', id, sessionId, body: `changed ${step.amount}` },
          { kind: 'resolve', id, sessionId, isResolved: step.amount % 2 > 0 },
          { kind: 'react', id, sessionId, emoji: '👍', isOn: step.amount % 3 > 0 },
          { kind: 'add', id: randomUUID(), sessionId, videoId, parentId: id, startFrame, endFrame, body: 'Yes' },
        ];
        return void (await this.#ask('comment', requests[step.amount % requests.length]!));
      }
      case 'claim':
        return void (await this.#ask('claim', { sessionId }));
      case 'set-mode':
        return void (await this.#ask('session', {
          kind: 'set-mode',
          sessionId,
          mode: step.amount % 2 > 0 ? 'divide' : 'together',
        }));
      case 'set-votes':
        return void (await this.#ask('session', { kind: 'set-votes', sessionId, votesNeeded: 1 + (step.amount % 2) }));
      case 'take-lead':
        return void (await this.#ask('session', { kind: 'take-lead', sessionId }));
      case 'break-off':
        return this.breakOff();
      case 'reopen-page':
        return this.open(nodes[step.amount % nodes.length]!);
      case 'kill-listener':
        return void (await env.sql`
          select pg_terminate_backend(pid) from (select pid from pg_stat_activity
            where datname = current_database() and query ilike 'listen %' order by pid offset ${step.amount % 2} limit 1) one`);
      default:
        return this.#review({ ...command, kind: step.kind });
    }
  }

  async #review(request: Requests['review']): Promise<void> {
    const reply = await this.#ask('review', request);
    this.#note(request.commandId, reply);
  }

  #note(commandId: string, reply: { readonly kind: string }): void {
    this.acknowledged.push({ commandId, kind: reply.kind });
    if (reply.kind !== 'ok') return;
    for (const [id, video] of this.videos) this.videos.set(id, applyReply(video, reply as never));
  }

  #take(page: SessionData): void {
    const { session, members, claims, votes, seq } = page;
    this.session = { session, members, claims, votes, seq };
    for (const video of page.videos) this.videos.set(video.video.id, { ...video, replaced: new Map(), isRemoved: false });
  }

  async #reload(): Promise<void> {
    const page = (await sessionPage(env.sql, this.#sessionId))!;
    this.#take(page);
    [page.seq, ...page.videos.map((video) => video.seq)].forEach((seq, index) => this.#followings[index]?.restart(seq));
  }

  /** How far it has come in each topic. */
  seqs(): number[] {
    return [this.session.seq, ...[...this.videos.values()].map((video) => video.seq)];
  }
}

const KINDS = [
  ...['approve', 'approve', 'skip', 'archive', 'reopen', 'split', 'split', 'merge', 'move-cut', 'group', 'undo', 'undo', 'redo'],
  ...['tag', 'rate', 'comment', 'comment', 'talk', 'talk', 'claim', 'claim', 'set-mode', 'set-votes', 'take-lead'],
  ...['break-off', 'break-off', 'reopen-page', 'kill-listener'],
] as const;
interface Step {
  readonly who: number;
  readonly kind: (typeof KINDS)[number];
  readonly index: number;
  readonly amount: number;
}

/** What a screen shows of a session: votes on clips as they were no longer count. */
function shown(session: Omit<SessionSnapshot, 'seq'>, videos: readonly Pick<VideoSnapshot, 'video' | 'clips' | 'comments'>[]) {
  const clips = videos.flatMap((video) => video.clips);
  const isCurrent = (vote: { clipId: number; version: number }) =>
    clips.some((clip) => clip.id === vote.clipId && clip.version === vote.version);
  return {
    session: session.session,
    members: session.members,
    claims: session.claims,
    votes: session.votes.filter(isCurrent).toSorted((one, other) => one.clipId - other.clipId || one.userId - other.userId),
    clips,
    comments: videos.map((video) => video.comments),
    counts: videos.map((video) => video.video.clipCounts),
  };
}

async function play(batches: readonly (readonly Step[])[], videoCount: number): Promise<void> {
  const videoIds: number[] = [];
  for (let index = 0; index < videoCount; index += 1) videoIds.push(await env.addVideo(host, FRAME_COUNT, [20, 50]));
  const made = await createSession(env.sql, host, {
    ...{ title: 'Model', mode: 'divide', votesNeeded: 1 },
    source: { kind: 'videos', videoIds },
  });
  if (made.kind !== 'ok') throw new Error(made.message);
  const { sessionId } = made;
  for (const { userId } of actors.slice(1)) await addMember(env.sql, host, sessionId, userId, 'reviewer');
  clients = actors.map((actor) => new Client(actor, sessionId));
  await Promise.all(clients.map((client, index) => client.open(nodes[index % nodes.length]!)));

  for (const batch of batches) await Promise.all(batch.map((step) => clients[step.who]!.act(step)));

  // What has expired leaves the page by itself, and the screens only with the next claim: here it does not expire.
  await env.sql`update clip_claims set expires_at = now() + interval '1 hour' where session_id = ${sessionId}`;
  let page = (await sessionPage(env.sql, sessionId))!;
  const seqs = () => [page.seq, ...page.videos.map((video) => video.seq)].join();
  await until(
    async () => {
      // A command whose page was left may still be under way.
      page = (await sessionPage(env.sql, sessionId))!;
      return clients.every((client) => client.seqs().join() === seqs());
    },
    () => `the screens are at ${clients.map((client) => client.seqs().join()).join('; ')} of ${seqs()}`,
  );
  for (const client of clients) {
    expect(shown(client.session, [...client.videos.values()]), client.actor.name).toEqual(shown(page, page.videos));
  }

  for (const [index, { clips }] of page.videos.entries()) {
    const edges = clips.slice(1).map((clip) => clip.startFrame);
    expect(spansBetweenCuts(edges, FRAME_COUNT)).toEqual(clips.map(({ startFrame, endFrame }) => ({ startFrame, endFrame })));
    expect(await cutFramesInside(env.sql, videoIds[index]!, { startFrame: 0, endFrame: FRAME_COUNT })).toEqual(edges);
  }
  for (const topic of [sessionTopic(sessionId), ...videoIds.map(videoTopic)]) {
    const events = await eventsAfter(env.sql, topic, 0, 10_000);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, position) => position + 1));
  }
  const rows = await env.sql<{ id: string }[]>`select command_id as id from decisions where session_id = ${sessionId}`;
  const stored = rows.map((row) => row.id);
  const acknowledged = clients.flatMap((client) => client.acknowledged);
  expect(acknowledged.filter(({ kind }) => kind === 'unreachable')).toEqual([]);
  const idsOf = (wanted: string) => acknowledged.flatMap(({ kind, commandId }) => (kind === wanted ? [commandId] : []));
  expect(stored.filter((id) => !idsOf('lost').includes(id)).toSorted()).toEqual(idsOf('ok').toSorted());
  for (const client of clients) client.close();
  taken += idsOf('ok').length;
}

describe('whatever four people on two nodes do at once, with connections lost', () => {
  test('each screen shows what the database holds, and each decision is taken once', async () => {
    const step: fc.Arbitrary<Step> = fc.record({
      who: fc.nat(PEOPLE - 1),
      kind: fc.constantFrom(...KINDS),
      index: fc.nat(11),
      amount: fc.nat(59),
    });
    const batches = fc.array(fc.array(step, { minLength: 3, maxLength: 8 }), { minLength: 6, maxLength: 12 });
    await fc.assert(fc.asyncProperty(batches, fc.constantFrom(1, 2), play), {
      numRuns: Number(process.env.MODEL_RUNS ?? 40),
      endOnFailure: true,
    });
    expect(taken).toBeGreaterThan(50);
  }, 300_000);
});
