import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server } from 'socket.io';
import * as v from 'valibot';
import { isConnectionLost, type Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import type { Commands, PlainRequest } from '#lib/server/realtime/commands.ts';
import { DatabaseClock } from '#lib/server/realtime/database-clock.ts';
import type { ListenerSink, TopicSource } from '#lib/server/realtime/listener.ts';
import { RateLimit } from '#lib/server/realtime/rate-limit.ts';
import { NOT_IN, Seating } from '#lib/server/realtime/seating.ts';
import { cutOff, Rooms, type LiveServer, type LiveServerSocket, type SocketUser } from '#lib/server/realtime/rooms.ts';
import { REQUEST_SCHEMAS, SubscribeSchema, type Refused } from '#lib/live/commands.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import { isTopic, parseTopic } from '#lib/live/topics.ts';
import { withLogFields } from '#lib/server/telemetry/log-fields.ts';
import { commandDuration, liveEvents, openSockets } from '#lib/server/telemetry/metrics.ts';
import { inSpan } from '#lib/server/telemetry/tracing.ts';

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

/** What became of a command, for the metrics. */
type CommandOutcome = 'done' | 'refused' | 'failed' | 'unanswered';

/** The Socket.IO end of a web node: lets people in, answers their commands, passes events on. */
export class Hub implements ListenerSink {
  readonly #io: LiveServer;
  readonly #rooms: Rooms;
  readonly #door: Door;
  readonly #commands: Commands;
  readonly #rateLimit = new RateLimit(COMMANDS_PER_SECOND, COMMANDS_BURST);
  readonly #subscriptionLimit = new RateLimit(SUBSCRIPTIONS_PER_SECOND, SUBSCRIPTIONS_BURST);
  readonly #seating: Seating;
  readonly #clock: DatabaseClock;
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
    this.#seating = new Seating({ io: this.#io, sql: options.sql, rooms: this.#rooms, commands: options.commands });
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
    liveEvents.inc({ topic: parseTopic(event.topic).kind });
    this.#rooms.sendEvent(event);
    this.#seating.onEvent(event);
  }

  onNodeWords(text: string): void {
    this.#seating.hear(text);
  }

  onListeningAgain(): void {
    this.#seating.hello();
  }

  /** Makes itself known to the other nodes; call it once the listener has started. */
  async start(): Promise<void> {
    await this.#clock.start();
    this.#seating.hello();
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
    const isGoodbyeSaid = this.#seating.close();
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
        const ids = { userId: socket.data.user.userId, command: name };
        const end = commandDuration.startTimer({ command: name });
        const work = withLogFields({ ...ids, commandId: randomUUID() }, () =>
          inSpan(`socket ${name}`, { kind: 'SERVER', attributes: ids }, () => this.#answer(socket, name, schema, request, run, reply)),
        ).then((outcome) => end({ outcome }));
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
      if ((await this.#commands.standing(socket.data.user, topic)).right === null) this.#seating.shutOut(topic, socket.data.user.userId);
      return undefined;
    });
    for (const name of Object.keys(this.#commands.answers) as PlainRequest[]) {
      const run = this.#commands.answers[name] as (user: SocketUser, request: unknown) => Promise<unknown>;
      answer(name, REQUEST_SCHEMAS[name], (request) => run(socket.data.user, request));
    }
    answer('enter', REQUEST_SCHEMAS.enter, ({ topic }) => this.#seating.enter(socket, topic));
    answer('clock', REQUEST_SCHEMAS.clock, async () => ({ kind: 'ok', nowMs: this.#clock.nowMs() }));
    on('say', (saying) => !this.#isClosing && this.#seating.say(socket, saying));
    on('unsubscribe', (topic) => {
      if (typeof topic !== 'string' || !isTopic(topic)) return;
      this.#seating.leave(socket, topic);
      this.#rooms.unsubscribe(socket, topic);
    });
    openSockets.inc();
    socket.on('disconnect', () => {
      openSockets.dec();
      this.#leave(socket);
    });
  }

  #leave(socket: LiveServerSocket): void {
    this.#seating.leave(socket);
    this.#rooms.leave(socket);
  }

  /** Bounds, parses and runs one message; whatever happens, it is answered. */
  async #answer<Schema extends v.GenericSchema, Reply>(
    socket: LiveServerSocket,
    name: string,
    schema: Schema,
    request: unknown,
    run: (request: v.InferOutput<Schema>, reply: (answer: Reply | Refused) => void) => Promise<Reply | Refused | undefined>,
    reply: (answer: Reply | Refused) => void,
  ): Promise<CommandOutcome> {
    const { userId } = socket.data.user;
    if (this.#isClosing) return 'unanswered';
    const limit = name === 'subscribe' ? this.#subscriptionLimit : this.#rateLimit;
    if (!limit.take(userId, Date.now())) {
      reply({ kind: 'refused', message: 'That was too fast: wait a moment and try again.' });
      return 'refused';
    }
    const parsed = v.safeParse(schema, request);
    if (!parsed.success) {
      const [issue] = parsed.issues;
      const where = v.getDotPath(issue);
      reply({
        kind: 'refused',
        message: `The server does not understand this message${where === null ? '' : ` (${where})`}: reload the page.`,
      });
      return 'refused';
    }
    // Every command may run twice: while the database is away it is tried again, here and then by the client.
    for (const giveUpMs = Date.now() + DATABASE_PATIENCE_MS; ; await sleep(DATABASE_RETRY_MS)) {
      try {
        const result = await run(parsed.output, reply);
        if (result !== undefined) reply(result);
        return isRefused(result) ? 'refused' : 'done';
      } catch (error) {
        if (isConnectionLost(error)) {
          if (Date.now() < giveUpMs && !this.#isClosing) continue;
          // Without an answer the client asks again.
          this.#log.warn({ err: error }, 'a command could not reach the database');
          return 'unanswered';
        }
        this.#log.error({ err: error }, 'a command failed');
        reply({ kind: 'refused', message: 'Something broke on the server, and nothing was changed. Try again.' });
        return 'failed';
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
    this.#seating.prune();
    for (const socket of [...this.#io.sockets.sockets.values()]) await this.#readmit(socket);
  }

  #showOut(socket: LiveServerSocket): void {
    this.#leave(socket);
    socket.emit('signed-out');
    socket.disconnect(true);
  }
}

const isRefused = (answer: unknown) => (answer as { kind?: unknown } | null)?.kind === 'refused';

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
