import { randomUUID } from 'node:crypto';
import { connect, type Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { POOL_CHANNEL } from '#lib/server/stores/pools.ts';
import {
  ECHO_CHANNEL,
  EVENTS_CHANNEL,
  NODES_CHANNEL,
  SIGNALS_CHANNEL,
  eventsAfter,
  latestSeq,
  tellListeners,
} from '#lib/server/stores/outbox.ts';
import { gapFills } from '#lib/server/telemetry/metrics.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import { isTopic, type Topic } from '#lib/live/topics.ts';

/** Postgres channel on which accounts announce that a person's log-in or role has changed. */
export const ACCOUNTS_CHANNEL = 'heaters_accounts';

const FILL_PAGE = 500;

/** Where the listener hands what it hears. Calls are synchronous and in order. */
export interface ListenerSink {
  /** An event of a followed topic; each once, `seq` rising by exactly 1. */
  onEvent(event: LiveEvent): void;
  onSignal(signal: LiveSignal): void;
  /** What a web node, this one too, tells the others. */
  onNodeWords(text: string): void;
  /** The connection was lost and is back: what nodes told meanwhile was missed. */
  onListeningAgain(): void;
  /** A person to check again, or null for all: notifications may have been missed. */
  onAccountChanged(userId: number | null): void;
}

/** What the hub needs of a listener. */
export interface TopicSource {
  /** Counts a follower in; settles once events after the topic's present end will be heard. */
  follow(topic: Topic): Promise<void>;
  /** Counts a follower out. */
  unfollow(topic: Topic): void;
  /** The number of the last event handed on, 0 when the topic isn't followed. */
  lastSeq(topic: Topic): number;
}

interface Followed {
  followers: number;
  lastSeq: number;
  /** Work on this topic runs one piece after another: that is what keeps events in order. */
  chain: Promise<void>;
  ready: Promise<void>;
}

/**
 * One dedicated LISTEN connection. Notifications are only hints: what is missing, whether by a
 * lost connection or a payload that was too large, is read from the outbox.
 */
export class Listener implements TopicSource {
  readonly #databaseUrl: string;
  readonly #sql: Database;
  readonly #sink: ListenerSink;
  readonly #sweepMs: number;
  readonly #followed = new Map<Topic, Followed>();
  readonly #echoes = new Map<string, () => void>();
  #connection: Database | undefined;
  #hasListened = false;
  #isStopped = false;
  #sweepTimer: NodeJS.Timeout | undefined;
  #log = log.child({ part: 'listener' });

  /** `sql` reads the outbox; the LISTEN connection is opened beside it by `start`. */
  constructor(options: { databaseUrl: string; sql: Database; sink: ListenerSink; sweepMs?: number }) {
    this.#databaseUrl = options.databaseUrl;
    this.#sql = options.sql;
    this.#sink = options.sink;
    this.#sweepMs = options.sweepMs ?? 15_000;
  }

  /** Opens the connection and settles once it listens. Throws when Postgres can't be reached. */
  async start(): Promise<void> {
    await this.#open();
    this.#sweepTimer = setInterval(() => void this.#sweep(), this.#sweepMs);
    this.#sweepTimer.unref();
  }

  /** Closes the connection; nothing is handed on afterwards. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#sweepTimer);
    await this.#connection?.end({ timeout: 1 });
    await Promise.all([...this.#followed.values()].map((followed) => followed.chain));
  }

  /** How long a notification takes from here to here, in milliseconds. Throws when none comes within `patienceMs`. */
  async lagMs(patienceMs: number): Promise<number> {
    const sentMs = performance.now();
    const word = randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#echoes.set(word, resolve);
    const timer = setTimeout(() => reject(new Error(`No notification came within ${patienceMs / 1000} s.`)), patienceMs);
    try {
      await tellListeners(this.#sql, word);
      await promise;
      return performance.now() - sentMs;
    } finally {
      clearTimeout(timer);
      this.#echoes.delete(word);
    }
  }

  async follow(topic: Topic): Promise<void> {
    let followed = this.#followed.get(topic);
    if (followed === undefined) {
      followed = { followers: 0, lastSeq: 0, chain: Promise.resolve(), ready: Promise.resolve() };
      const added = followed;
      added.ready = latestSeq(this.#sql, topic).then((seq) => {
        added.lastSeq = seq;
      });
      // A failed start fails each waiting follower; the topic is forgotten, so the next tries anew.
      added.chain = added.ready.catch(() => {
        if (this.#followed.get(topic) === added) this.#followed.delete(topic);
      });
      this.#followed.set(topic, added);
    }
    followed.followers += 1;
    await followed.ready;
  }

  unfollow(topic: Topic): void {
    const followed = this.#followed.get(topic);
    if (followed === undefined) return;
    followed.followers -= 1;
    if (followed.followers <= 0) this.#followed.delete(topic);
  }

  lastSeq(topic: Topic): number {
    return this.#followed.get(topic)?.lastSeq ?? 0;
  }

  async #open(): Promise<void> {
    const connection = connect(this.#databaseUrl, 1);
    this.#connection = connection;
    const isCurrent = () => this.#connection === connection && !this.#isStopped;
    const heard = (handle: (text: string) => void) => (text: string) => {
      if (!isCurrent()) return;
      try {
        handle(text);
      } catch (error) {
        this.#log.error({ err: error }, 'a notification could not be read');
      }
    };
    await connection.listen(
      SIGNALS_CHANNEL,
      heard((text) => this.#sink.onSignal(JSON.parse(text) as LiveSignal)),
    );
    await connection.listen(
      ECHO_CHANNEL,
      heard((word) => this.#echoes.get(word)?.()),
    );
    // What moves in the pool is said there already: who watches it needs to be told no more.
    await connection.listen(
      POOL_CHANNEL,
      heard(() => this.#sink.onSignal({ topic: 'pool', type: 'moved', payload: {} })),
    );
    await connection.listen(
      NODES_CHANNEL,
      heard((text) => this.#sink.onNodeWords(text)),
    );
    await connection.listen(
      ACCOUNTS_CHANNEL,
      heard((text) => {
        const { userId } = JSON.parse(text) as { userId?: unknown };
        this.#sink.onAccountChanged(typeof userId === 'number' ? userId : null);
      }),
    );
    await connection.listen(
      EVENTS_CHANNEL,
      heard((text) => this.#onNotification(text)),
      () => {
        if (!isCurrent()) return;
        if (this.#hasListened) {
          this.#log.warn('the LISTEN connection was lost and is back; filling from the outbox');
          for (const topic of this.#followed.keys()) void this.#enqueue(topic, (followed) => this.#fill(topic, followed));
          this.#sink.onAccountChanged(null);
          this.#sink.onListeningAgain();
        }
        this.#hasListened = true;
      },
    );
  }

  #onNotification(text: string): void {
    const message = JSON.parse(text) as Partial<LiveEvent>;
    const { topic, seq } = message;
    if (topic === undefined || seq === undefined || !isTopic(topic)) return;
    void this.#enqueue(topic, async (followed) => {
      if (seq <= followed.lastSeq) return;
      if (seq === followed.lastSeq + 1 && message.payload !== undefined) {
        const event = { ...message, at: new Date(message.at ?? Date.now()).toISOString() } as LiveEvent;
        this.#handOn(topic, followed, event);
      } else {
        await this.#fill(topic, followed);
      }
    });
  }

  #enqueue(topic: Topic, work: (followed: Followed) => Promise<void>): Promise<void> {
    const followed = this.#followed.get(topic);
    if (followed === undefined) return Promise.resolve();
    followed.chain = followed.chain
      .then(() => (this.#followed.get(topic) === followed && !this.#isStopped ? work(followed) : undefined))
      .catch((error: unknown) => {
        // Nothing is lost: the next notification, reconnect or sweep sees the gap and fills it.
        this.#log.error({ err: error, topic }, 'events could not be read from the outbox');
      });
    return followed.chain;
  }

  async #fill(topic: Topic, followed: Followed): Promise<void> {
    gapFills.inc();
    for (;;) {
      const events = await eventsAfter(this.#sql, topic, followed.lastSeq, FILL_PAGE);
      for (const event of events) this.#handOn(topic, followed, event);
      if (events.length < FILL_PAGE) return;
    }
  }

  #handOn(topic: Topic, followed: Followed, event: LiveEvent): void {
    if (event.seq <= followed.lastSeq || this.#followed.get(topic) !== followed || this.#isStopped) return;
    followed.lastSeq = event.seq;
    try {
      this.#sink.onEvent(event);
    } catch (error) {
      this.#log.error({ err: error, topic, seq: event.seq }, 'an event could not be handed on');
    }
  }

  /**
   * The safety net under LISTEN: a connection that is dead without having been closed brings no
   * notifications, so events that a sweep finds and notifications didn't bring mean a new one.
   */
  async #sweep(): Promise<void> {
    const behind: [Topic, number][] = [];
    try {
      for (const topic of [...this.#followed.keys()]) {
        const latest = await latestSeq(this.#sql, topic);
        if (latest > this.lastSeq(topic)) behind.push([topic, latest]);
      }
    } catch (error) {
      this.#log.error({ err: error }, 'the outbox could not be checked for missed events');
      return;
    }
    // A commit and its notification are a moment apart: give the notification that moment.
    if (behind.length > 0) await new Promise((resolve) => setTimeout(resolve, 1_000));
    const isDeaf = behind.some(([topic, latest]) => this.#followed.has(topic) && this.lastSeq(topic) < latest);
    for (const [topic] of behind) await this.#enqueue(topic, (followed) => this.#fill(topic, followed));
    if (isDeaf) await this.#reopen();
  }

  async #reopen(): Promise<void> {
    if (this.#isStopped) return;
    this.#log.warn('the LISTEN connection brings no notifications; opening a new one');
    const old = this.#connection;
    try {
      await this.#open();
    } catch (error) {
      this.#log.error({ err: error }, 'the LISTEN connection could not be opened; trying again at the next sweep');
    }
    await old?.end({ timeout: 1 });
  }
}
