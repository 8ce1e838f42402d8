import { io, type Socket } from 'socket.io-client';
import { createSubscriber } from 'svelte/reactivity';
import type {
  ClientToServerEvents,
  Replies,
  RequestName,
  Requests,
  Saying,
  ServerToClientEvents,
  SubscribeReply,
} from '#lib/live/commands.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { Topic } from '#lib/live/topics.ts';

type ClientSocket = Socket<ServerToClientEvents, ClientToServerEvents>;

/** No answer came in time. A command may yet have been carried out: its event will tell. */
export interface Unreachable {
  readonly kind: 'unreachable';
  readonly message: string;
}

/** What a follower of a topic is told. Events come in order, each once. */
export interface TopicHandlers {
  onEvent(event: LiveEvent): void;
  onSignal(signal: LiveSignal): void;
  /** The server sends the topic from now on: for the first time, or again after a lost connection. */
  onFollowing?(): void;
  /** The topic may no longer be followed. */
  onShutOut?(): void;
  /** Too much was missed: load the page's data again, then call `restart` with its number. */
  onReset(): void;
}

/** A page's hold on a topic. */
export interface Following {
  /** Goes on from the state after event `afterSeq`, e.g. when the page's data has been loaded again. */
  restart(afterSeq: number): void;
  stop(): void;
}

interface Follower {
  readonly handlers: TopicHandlers;
  lastSeq: number;
  isWaitingForRestart: boolean;
}

interface TopicState {
  readonly followers: Set<Follower>;
  /** Rises with each subscribe message, so that a superseded answer is recognised. */
  attempt: number;
}

const ATTEMPT_MS = 8_000;
const GIVE_UP_MS = 60_000;
const RETRY_MS = 1_000;

/** The connection of a tab: follows topics, sends commands, comes back by itself for ever. */
export class LiveSocket {
  readonly #socket: ClientSocket;
  readonly #topics = new Map<Topic, TopicState>();
  readonly #whenConnected = new Set<() => void>();
  readonly #track: () => void;
  #update: () => void = () => undefined;
  #offlineSinceMs: number | null = null;
  #isSignedOut = false;
  #isClosed = false;

  /** `open` makes the socket; `onSignedOut` is called once when the log-in session has ended. */
  constructor(open: () => ClientSocket, onSignedOut: () => void) {
    this.#track = createSubscriber((update) => {
      this.#update = update;
      return () => {
        this.#update = () => undefined;
      };
    });
    const socket = open();
    this.#socket = socket;
    const signOut = () => {
      if (this.#isSignedOut) return;
      this.#isSignedOut = true;
      this.#changed();
      socket.disconnect();
      onSignedOut();
    };
    socket.on('connect', () => {
      this.#offlineSinceMs = null;
      this.#changed();
      for (const topic of this.#topics.keys()) this.#subscribe(topic);
      for (const go of [...this.#whenConnected]) go();
    });
    socket.on('disconnect', () => {
      this.#offlineSinceMs ??= Date.now();
      this.#changed();
      this.#comeBack();
    });
    socket.on('connect_error', (error) => {
      if (error.message === 'signed-out') return signOut();
      this.#offlineSinceMs ??= Date.now();
      this.#changed();
      this.#comeBack();
    });
    socket.on('signed-out', signOut);
    socket.on('shut-out', (topic) => {
      const followers = [...(this.#topics.get(topic)?.followers ?? [])];
      this.#topics.delete(topic);
      for (const follower of followers) follower.handlers.onShutOut?.();
    });
    socket.on('event', (event) => this.#onEvent(event));
    socket.on('signal', (signal) => {
      for (const follower of this.#topics.get(signal.topic)?.followers ?? []) follower.handlers.onSignal(signal);
    });
  }

  /** Whether the server is reachable now; reactive. */
  get connected(): boolean {
    this.#track();
    return this.#socket.connected;
  }

  /** Since when it has not been (ms since 1970), or null; reactive. Null too before the first connect. */
  get offlineSinceMs(): number | null {
    this.#track();
    return this.#offlineSinceMs;
  }

  /** Whether the log-in session has ended; reactive. */
  get isSignedOut(): boolean {
    this.#track();
    return this.#isSignedOut;
  }

  /** Follows a topic from after event `afterSeq`. */
  follow(topic: Topic, afterSeq: number, handlers: TopicHandlers): Following {
    const follower: Follower = { handlers, lastSeq: afterSeq, isWaitingForRestart: false };
    const state: TopicState = this.#topics.get(topic) ?? { followers: new Set(), attempt: 0 };
    state.followers.add(follower);
    this.#topics.set(topic, state);
    this.#subscribe(topic);
    return {
      restart: (seq) => {
        const isBehind = seq < follower.lastSeq || follower.isWaitingForRestart;
        follower.lastSeq = seq;
        follower.isWaitingForRestart = false;
        if (isBehind) this.#subscribe(topic);
      },
      stop: () => {
        state.followers.delete(follower);
        if (state.followers.size > 0 || this.#topics.get(topic) !== state) return;
        this.#topics.delete(topic);
        if (this.#socket.connected) this.#socket.emit('unsubscribe', topic);
      },
    };
  }

  /**
   * Asks the server. All that can be asked is harmless to repeat, and is asked again after a lost
   * connection until `giveUpMs` has passed. Never throws.
   */
  async request<Name extends RequestName>(
    name: Name,
    request: Requests[Name],
    options: { readonly attemptMs?: number; readonly giveUpMs?: number } = {},
  ): Promise<Replies[Name] | Unreachable> {
    const attemptMs = options.attemptMs ?? ATTEMPT_MS;
    const deadlineMs = Date.now() + (options.giveUpMs ?? GIVE_UP_MS);
    const emit = (timeoutMs: number) =>
      (this.#socket.timeout(timeoutMs) as unknown as { emitWithAck(name: string, request: unknown): Promise<unknown> }).emitWithAck(
        name,
        request,
      ) as Promise<Replies[Name]>;
    for (;;) {
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0 || this.#isSignedOut || !(await this.#connectedWithin(leftMs))) break;
      try {
        return await emit(Math.max(1, Math.min(attemptMs, deadlineMs - Date.now())));
      } catch {
        // No answer in time: asked again below, as long as there is time.
      }
    }
    return { kind: 'unreachable', message: 'The server has not answered. What you see will be brought up to date once it does.' };
  }

  /** Tells the room something that is only true now; lost if the line is down or full. */
  say(saying: Saying): void {
    if (this.#socket.connected) this.#socket.volatile.emit('say', saying);
  }

  /** Ends the connection for good. */
  close(): void {
    this.#isClosed = true;
    this.#socket.disconnect();
  }

  #changed(): void {
    this.#update();
  }

  /** Socket.IO comes back from lost connections by itself, but not when the server ended or refused it. */
  #comeBack(): void {
    if (this.#socket.active || this.#isClosed || this.#isSignedOut) return;
    setTimeout(
      () => {
        if (!this.#socket.active && !this.#isClosed && !this.#isSignedOut) this.#socket.connect();
      },
      RETRY_MS * (1 + 2 * Math.random()),
    );
  }

  #connectedWithin(timeoutMs: number): Promise<boolean> {
    if (this.#socket.connected) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#whenConnected.delete(done);
        resolve(this.#socket.connected);
      };
      const timer = setTimeout(done, timeoutMs);
      this.#whenConnected.add(done);
    });
  }

  #subscribe(topic: Topic): void {
    const state = this.#topics.get(topic);
    if (state === undefined || !this.#socket.connected) return;
    const waiting = [...state.followers].filter((follower) => !follower.isWaitingForRestart);
    if (waiting.length === 0) return;
    const afterSeq = Math.min(...waiting.map((follower) => follower.lastSeq));
    state.attempt += 1;
    const { attempt } = state;
    const isCurrent = () => this.#topics.get(topic) === state && state.attempt === attempt;
    this.#socket.timeout(ATTEMPT_MS).emit('subscribe', { topic, afterSeq }, (error: Error | null, answer?: SubscribeReply) => {
      if (!isCurrent()) return;
      if (error !== null || answer === undefined || answer.kind === 'refused') {
        setTimeout(() => isCurrent() && this.#subscribe(topic), RETRY_MS * 2);
      } else if (answer.kind === 'reset') {
        for (const follower of waiting) {
          follower.isWaitingForRestart = true;
          follower.handlers.onReset();
        }
      } else {
        for (const event of answer.missed) this.#onEvent(event);
        for (const follower of waiting) follower.handlers.onFollowing?.();
      }
    });
  }

  #onEvent(event: LiveEvent): void {
    const state = this.#topics.get(event.topic);
    if (state === undefined) return;
    let hasGap = false;
    for (const follower of [...state.followers]) {
      if (follower.isWaitingForRestart || event.seq <= follower.lastSeq) continue;
      if (event.seq > follower.lastSeq + 1) {
        hasGap = true;
        continue;
      }
      follower.lastSeq = event.seq;
      follower.handlers.onEvent(event);
    }
    if (hasGap) this.#subscribe(event.topic);
  }
}

let tabSocket: LiveSocket | undefined;

/** The tab's connection, opened at the first call. For the browser only: call it in an effect or handler. */
export function liveSocket(): LiveSocket {
  tabSocket ??= new LiveSocket(
    () =>
      io({
        path: '/socket.io',
        transports: ['websocket'],
        reconnectionAttempts: Infinity,
        reconnectionDelay: 500,
        reconnectionDelayMax: 3_000,
      }),
    () => location.assign('/login'),
  );
  return tabSocket;
}
