import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server } from 'socket.io';
import * as v from 'valibot';
import { isConnectionLost, type Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import type { Commands, Lead, PlainRequest } from '#lib/server/realtime/commands.ts';
import { DatabaseClock } from '#lib/server/realtime/database-clock.ts';
import { NodeLink } from '#lib/server/realtime/node-link.ts';
import { Presence } from '#lib/server/realtime/presence.ts';
import type { ListenerSink, TopicSource } from '#lib/server/realtime/listener.ts';
import { RateLimit } from '#lib/server/realtime/rate-limit.ts';
import { cutOff, Rooms, type LiveServer, type LiveServerSocket, type SocketUser } from '#lib/server/realtime/rooms.ts';
import { REQUEST_SCHEMAS, SayingSchema, SubscribeSchema, type EnterReply, type Refused, type Saying } from '#lib/live/commands.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import { isTopic, type Topic } from '#lib/live/topics.ts';

/** Who may come in, and who may stay; see `authenticate.ts`. */
export interface Door {
  /** The person behind a Cookie header, or null. */
  authenticateHandshake(cookieHeader: string | undefined): Promise<SocketUser | null>;
  /** The person behind a log-in session as they are now, or null when it has ended. */
  stillValid(sessionId: string): Promise<SocketUser | null>;
}

/** What the hub is wired to. `recheckMs` is how often sessions of open sockets are looked at. */
export interface HubOptions {
  readonly httpServer: HttpServer;
  readonly origin: string;
  readonly sql: Database;
  readonly source: TopicSource;
  readonly door: Door;
  readonly commands: Commands;
  readonly recheckMs?: number;
}

const MAX_MESSAGE_BYTES = 64 * 1024;
const FAREWELL_MS = 500;
const COMMANDS_PER_SECOND = 30;
const COMMANDS_BURST = 60;
/** Shorter than a client waits for its answer. */
const DATABASE_PATIENCE_MS = 6_000;
const DATABASE_RETRY_MS = 250;

/** A page asks for all of its topics at once, and again when it comes back. */
const SUBSCRIPTIONS_PER_SECOND = 60;
const SUBSCRIPTIONS_BURST = 300;
/** Pointers, playheads and strokes: more often than a screen is painted makes no sense. */
const SAYINGS_PER_SECOND = 60;
const SAYINGS_BURST = 120;
const NOT_IN = { kind: 'refused', message: 'You are not part of this: ask for a link.' } as const;

/** The Socket.IO end of a web node: lets people in, answers their commands, passes events on. */
export class Hub implements ListenerSink {
  readonly #io: LiveServer;
  readonly #rooms: Rooms;
  readonly #door: Door;
  readonly #commands: Commands;
  readonly #rateLimit = new RateLimit(COMMANDS_PER_SECOND, COMMANDS_BURST);
  readonly #subscriptionLimit = new RateLimit(SUBSCRIPTIONS_PER_SECOND, SUBSCRIPTIONS_BURST);
  readonly #sayingLimit = new RateLimit(SAYINGS_PER_SECOND, SAYINGS_BURST);
  readonly #presence: Presence;
  readonly #nodes: NodeLink;
  readonly #clock: DatabaseClock;
  /** Who leads the sessions that sockets here follow. */
  readonly #leads = new Map<Topic, Lead>();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #timer: NodeJS.Timeout;
  #isClosing = false;
  #log = log.child({ part: 'hub' });

  /** Attaches Socket.IO to the HTTP server, which must have its request handler already. */
  constructor(options: HubOptions) {
    this.#door = options.door;
    this.#commands = options.commands;
    this.#io = new Server(options.httpServer, {
      path: '/socket.io',
      transports: ['websocket'],
      serveClient: false,
      maxHttpBufferSize: MAX_MESSAGE_BYTES,
      pingInterval: 5_000,
      pingTimeout: 5_000,
      connectTimeout: 10_000,
      allowRequest: (request, callback) => {
        callback(null, !this.#isClosing && isAllowedOrigin(request, options.origin));
      },
    });
    this.#rooms = new Rooms(this.#io, options.sql, options.source);
    this.#clock = new DatabaseClock(options.sql);
    this.#presence = new Presence({
      toRoom: (signal, isVolatile) => this.#rooms.sendSignal(signal, isVolatile),
      toNodes: (word) => this.#nodes.tell(word),
      onLeft: (topic, userId) => void this.#onLeft(topic, userId),
    });
    this.#nodes = new NodeLink(options.sql, this.#presence);
    this.#io.use((socket, next) => {
      this.#door.authenticateHandshake(socket.handshake.headers.cookie).then(
        (user) => {
          if (user === null) return next(new Error('signed-out'));
          socket.data.user = user;
          next();
        },
        (error: unknown) => {
          this.#log.error({ err: error }, 'a socket could not be authenticated');
          next(new Error('unavailable'));
        },
      );
    });
    this.#io.on('connection', (socket) => this.#welcome(socket));
    this.#timer = setInterval(() => void this.#recheckAll(), options.recheckMs ?? 60_000);
    this.#timer.unref();
  }

  onEvent(event: LiveEvent): void {
    this.#rooms.sendEvent(event);
    if (event.type === 'session-changed') this.#noteLead(event.topic, { userId: event.payload.session.leadId, seq: event.seq });
    if (event.type === 'member-changed') void this.#askRightsAgain(event.topic, event.payload.member.userId);
    if (event.type === 'member-removed') this.#shutOut(event.topic, event.payload.userId);
  }

  onNodeWords(text: string): void {
    this.#nodes.hear(text);
  }

  onListeningAgain(): void {
    this.#nodes.hello();
  }

  /** Makes itself known to the other nodes; call it once the listener has started. */
  async start(): Promise<void> {
    await this.#clock.start();
    this.#nodes.hello();
  }

  onSignal(signal: LiveSignal): void {
    if (isTopic(signal.topic)) this.#rooms.sendSignal(signal);
  }

  onAccountChanged(userId: number | null): void {
    for (const socket of [...this.#io.sockets.sockets.values()]) {
      if (userId === null || socket.data.user.userId === userId) void this.#readmit(socket);
    }
  }

  /** The number of open sockets. */
  get socketCount(): number {
    return this.#io.sockets.sockets.size;
  }

  /** Lets commands under way finish, at most `graceMs`, then closes the sockets and the HTTP server. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#timer);
    this.#clock.close();
    this.#presence.close();
    const isGoodbyeSaid = this.#nodes.close();
    const grace = new Promise((resolve) => setTimeout(resolve, graceMs).unref());
    await Promise.race([Promise.allSettled([...this.#underWay]), grace]);
    const sockets = [...this.#io.sockets.sockets.values()];
    const isClosed = this.#io.close();
    const impatience = setTimeout(() => sockets.forEach(cutOff), FAREWELL_MS);
    await isClosed;
    clearTimeout(impatience);
    await isGoodbyeSaid;
  }

  #welcome(socket: LiveServerSocket): void {
    const on = socket.on.bind(socket) as unknown as (name: string, handle: (...args: unknown[]) => void) => void;
    const answer = <Schema extends v.GenericSchema, Reply>(
      name: string,
      schema: Schema,
      run: (request: v.InferOutput<Schema>, reply: (answer: Reply | Refused) => void) => Promise<Reply | Refused | undefined>,
    ) => {
      on(name, (request, acknowledge) => {
        if (typeof acknowledge !== 'function') return;
        const reply = (message: Reply | Refused) => void acknowledge(message);
        const work = this.#answer(socket, name, schema, request, run, reply);
        this.#underWay.add(work);
        void work.finally(() => this.#underWay.delete(work));
      });
    };
    answer('subscribe', SubscribeSchema, async (request, reply) => {
      if (!isTopic(request.topic)) return { kind: 'refused', message: 'There is no such topic to follow.' };
      const { topic, afterSeq } = request;
      if ((await this.#commands.standing(socket.data.user, topic)).right === null) return NOT_IN;
      if (!socket.connected) return undefined;
      await this.#rooms.subscribe(socket, topic, afterSeq, reply);
      // Someone removed in between was not there yet to be shut out; from now on a removal is heard.
      if ((await this.#commands.standing(socket.data.user, topic)).right === null) this.#shutOut(topic, socket.data.user.userId);
      return undefined;
    });
    for (const name of Object.keys(this.#commands.answers) as PlainRequest[]) {
      const run = this.#commands.answers[name] as (user: SocketUser, request: unknown) => Promise<unknown>;
      answer(name, REQUEST_SCHEMAS[name], (request) => run(socket.data.user, request));
    }
    answer('enter', REQUEST_SCHEMAS.enter, async ({ topic }) => this.#enter(socket, topic));
    answer('clock', REQUEST_SCHEMAS.clock, async () => ({ kind: 'ok', nowMs: this.#clock.nowMs() }));
    on('say', (saying) => this.#say(socket, saying));
    on('unsubscribe', (topic) => {
      if (typeof topic !== 'string' || !isTopic(topic)) return;
      this.#presence.leave(topic, socket.id);
      this.#rooms.unsubscribe(socket, topic);
    });
    socket.on('disconnect', () => this.#leave(socket));
  }

  /** Seats a socket in the room of a topic that it follows; it sits in one room at a time. */
  async #enter(socket: LiveServerSocket, topic: string): Promise<EnterReply> {
    if (!isTopic(topic) || !this.#rooms.isFollowing(socket, topic)) return NOT_IN;
    const { right, lead } = await this.#commands.standing(socket.data.user, topic);
    if (lead !== null) this.#noteLead(topic, lead);
    // While that was asked, the socket may have gone, or its person been removed.
    if (right === null || !socket.connected || !this.#rooms.isFollowing(socket, topic)) return NOT_IN;
    socket.data.mayDraw = right !== 'watch';
    const { seatedIn, user } = socket.data;
    if (seatedIn !== undefined && seatedIn !== topic) this.#presence.leave(seatedIn, socket.id);
    socket.data.seatedIn = topic;
    const { userId, name, role } = user;
    const state = { clipId: null, videoId: null, frame: null, cursorFrame: null, followingId: null, activity: 'active' as const };
    return { kind: 'ok', seatId: socket.id, ...this.#presence.enter(topic, { seatId: socket.id, userId, name, role, ...state }) };
  }

  /** Passes on what a window tells its room. What is not understood, not allowed or too much is left out: it will say more. */
  #say(socket: LiveServerSocket, saying: unknown): void {
    const { user, seatedIn } = socket.data;
    if (this.#isClosing || !this.#sayingLimit.take(user.userId, Date.now())) return;
    const parsed = v.safeParse(SayingSchema, saying);
    if (!parsed.success || parsed.output.topic !== seatedIn || !this.#presence.isSeated(seatedIn, socket.id)) return;
    this.#passOn(socket, seatedIn, parsed.output);
  }

  #passOn(socket: LiveServerSocket, topic: Topic, saying: Saying): void {
    const { userId, name, role } = socket.data.user;
    switch (saying.kind) {
      case 'here':
        return this.#presence.update(topic, socket.id, saying.seat);
      case 'playhead':
        if (this.#leads.get(topic)?.userId !== userId) return;
        return this.#presence.say(socket.id, { topic, type: 'playhead', payload: { ...saying.playhead, userId } });
      case 'stroke':
        if (role === 'viewer' || socket.data.mayDraw !== true) return;
        return this.#presence.say(socket.id, { topic, type: 'stroke', payload: { ...saying.stroke, userId, name } });
      case 'reaction':
        return this.#presence.say(socket.id, { topic, type: 'reaction', payload: { emoji: saying.emoji, userId, name } });
    }
  }

  /** Nobody need follow a session while its lead changes: what was read when someone entered counts until a later event. */
  #noteLead(topic: Topic, lead: Lead): void {
    if (lead.seq >= (this.#leads.get(topic)?.seq ?? 0)) this.#leads.set(topic, lead);
  }

  #shutOut(topic: Topic, userId: number): void {
    for (const socket of this.#rooms.shutOut(topic, userId)) this.#presence.leave(topic, socket.id);
  }

  /** A member's role has changed: their windows in the room may do more or less than before. */
  async #askRightsAgain(topic: Topic, userId: number): Promise<void> {
    const seated = [...this.#io.sockets.sockets.values()].filter(({ data }) => data.seatedIn === topic && data.user.userId === userId);
    try {
      for (const socket of seated) {
        const { right } = await this.#commands.standing(socket.data.user, topic);
        if (socket.data.seatedIn === topic) socket.data.mayDraw = right !== null && right !== 'watch';
      }
    } catch (error) {
      this.#log.warn({ err: error, topic, userId }, 'a member’s rights could not be read again');
    }
  }

  #leave(socket: LiveServerSocket): void {
    if (socket.data.seatedIn !== undefined) this.#presence.leave(socket.data.seatedIn, socket.id);
    this.#rooms.leave(socket);
  }

  async #onLeft(topic: Topic, userId: number): Promise<void> {
    try {
      await this.#commands.onLeft(topic, userId);
    } catch (error) {
      // What they hold lapses by itself, a little later.
      this.#log.warn({ err: error, topic, userId }, 'a leave could not be noted');
    }
  }

  /** Bounds, parses and runs one message; whatever happens, it is answered. */
  async #answer<Schema extends v.GenericSchema, Reply>(
    socket: LiveServerSocket,
    name: string,
    schema: Schema,
    request: unknown,
    run: (request: v.InferOutput<Schema>, reply: (answer: Reply | Refused) => void) => Promise<Reply | Refused | undefined>,
    reply: (answer: Reply | Refused) => void,
  ): Promise<void> {
    const { userId } = socket.data.user;
    if (this.#isClosing) return;
    const limit = name === 'subscribe' ? this.#subscriptionLimit : this.#rateLimit;
    if (!limit.take(userId, Date.now())) {
      reply({ kind: 'refused', message: 'That was too fast: wait a moment and try again.' });
      return;
    }
    const parsed = v.safeParse(schema, request);
    if (!parsed.success) {
      const [issue] = parsed.issues;
      const where = v.getDotPath(issue);
      reply({
        kind: 'refused',
        message: `The server does not understand this message${where === null ? '' : ` (${where})`}: reload the page.`,
      });
      return;
    }
    // Every command may run twice: while the database is away it is tried again, here and then by the client.
    for (const giveUpMs = Date.now() + DATABASE_PATIENCE_MS; ; await sleep(DATABASE_RETRY_MS)) {
      try {
        const result = await run(parsed.output, reply);
        if (result !== undefined) reply(result);
        return;
      } catch (error) {
        if (isConnectionLost(error)) {
          if (Date.now() < giveUpMs && !this.#isClosing) continue;
          // Without an answer the client asks again.
          this.#log.warn({ err: error, userId, command: name }, 'a command could not reach the database');
          return;
        }
        this.#log.error({ err: error, userId, command: name }, 'a command failed');
        reply({ kind: 'refused', message: 'Something broke on the server, and nothing was changed. Try again.' });
        return;
      }
    }
  }

  /** Looks again at who sits behind a socket: takes over a new role, or shows them out. */
  async #readmit(socket: LiveServerSocket): Promise<void> {
    try {
      const user = await this.#door.stillValid(socket.data.user.sessionId);
      if (user === null) this.#showOut(socket);
      else socket.data.user = user;
    } catch (error) {
      this.#log.error({ err: error }, 'a socket could not be checked again');
    }
  }

  /** One after another: sessions expire, and nothing announces it. */
  async #recheckAll(): Promise<void> {
    this.#rateLimit.prune(Date.now());
    this.#subscriptionLimit.prune(Date.now());
    this.#sayingLimit.prune(Date.now());
    for (const socket of [...this.#io.sockets.sockets.values()]) await this.#readmit(socket);
  }

  #showOut(socket: LiveServerSocket): void {
    this.#leave(socket);
    socket.emit('signed-out');
    socket.disconnect(true);
  }
}

/**
 * Browsers name the page's origin when they open a WebSocket and send cookies along whichever
 * page it is; only our own pages are let in. What sends no Origin is no browser and has no
 * cookies but its own.
 */
function isAllowedOrigin(request: IncomingMessage, ownOrigin: string): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  try {
    const from = new URL(origin);
    return from.origin === new URL(ownOrigin).origin || from.host === host;
  } catch {
    return false;
  }
}
