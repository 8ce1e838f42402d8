import type { Server, Socket } from 'socket.io';
import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { eventsAfter, latestSeq } from '#lib/server/stores/outbox.ts';
import type { TopicSource } from '#lib/server/realtime/listener.ts';
import type { ClientToServerEvents, ServerToClientEvents, SubscribeReply } from '#lib/live/commands.ts';
import { catchUps } from '#lib/server/telemetry/metrics.ts';
import type { LiveEvent, LiveSignal } from '#lib/live/events.ts';
import type { Topic } from '#lib/live/topics.ts';
import type { Role } from '#lib/live/views.ts';

/** Who sits behind a socket. */
export interface SocketUser {
  readonly userId: number;
  readonly name: string;
  readonly role: Role;
  readonly sessionId: string;
}

/** What the hub knows of a socket: who sits behind it, and in which room it has a seat. */
interface SocketData {
  user: SocketUser;
  seatedIn?: Topic;
  /** Whether more than watching is allowed there. */
  mayDraw?: boolean;
}

/** The hub's Socket.IO server. */
export type LiveServer = Server<ClientToServerEvents, ServerToClientEvents, Record<string, never>, SocketData>;
/** One of its sockets. */
export type LiveServerSocket = Socket<ClientToServerEvents, ServerToClientEvents, Record<string, never>, SocketData>;

/** A client further behind than this many events loads its page again instead. */
export const MAX_CATCH_UP = 500;
/** A session's page follows each of its videos. */
const MAX_TOPICS_PER_SOCKET = 120;
const MAX_BUFFERED_BYTES = 4_000_000;
const MAX_BUFFERED_PACKETS = 500;
/** A socket for which more than this waits goes without volatile signals. */
const BUSY_BYTES = 64_000;
const BUSY_PACKETS = 32;

interface Subscription {
  readonly socket: LiveServerSocket;
  readonly topic: Topic;
  /** Events that came during the catch-up; null once it is over. */
  buffer: LiveEvent[] | null;
  /** The last event that this socket has been sent. */
  lastSeq: number;
  isEnded: boolean;
}

/**
 * Which socket follows which topic. A new subscription first takes part beside the room: what
 * comes is buffered while the outbox is read, and then filtered until the listener has passed
 * what the outbox gave. Only then it joins the room, where one encoding serves all.
 */
export class Rooms {
  readonly #io: LiveServer;
  readonly #sql: Database;
  readonly #source: TopicSource;
  readonly #subscriptions = new Map<LiveServerSocket, Map<Topic, Subscription>>();
  readonly #settling = new Map<Topic, Set<Subscription>>();
  /** Subscriptions whose catch-up is over: these hold a count at the source. */
  readonly #caughtUp = new Set<Subscription>();

  constructor(io: LiveServer, sql: Database, source: TopicSource) {
    this.#io = io;
    this.#sql = sql;
    this.#source = source;
  }

  /** Subscribes a socket, replacing its earlier subscription to the topic; answers before the first event. */
  async subscribe(socket: LiveServerSocket, topic: Topic, afterSeq: number, reply: (answer: SubscribeReply) => void): Promise<void> {
    this.unsubscribe(socket, topic);
    const own = this.#subscriptions.get(socket) ?? new Map<Topic, Subscription>();
    if (own.size >= MAX_TOPICS_PER_SOCKET) {
      reply({ kind: 'refused', message: `One page can follow at most ${MAX_TOPICS_PER_SOCKET} topics.` });
      return;
    }
    const subscription: Subscription = { socket, topic, buffer: [], lastSeq: afterSeq, isEnded: false };
    own.set(topic, subscription);
    this.#subscriptions.set(socket, own);
    this.#settlingOf(topic).add(subscription);
    try {
      await this.#source.follow(topic);
    } catch (error) {
      this.#forget(subscription);
      throw error;
    }
    // Ended while it waited: the follower counted in just now is counted out again.
    if (subscription.isEnded) {
      this.#source.unfollow(topic);
      reply({ kind: 'ok', missed: [] });
      return;
    }
    let missed: LiveEvent[];
    let isAhead = false;
    try {
      missed = await eventsAfter(this.#sql, topic, afterSeq, MAX_CATCH_UP + 1);
      // A number that the topic has not reached comes from another life of the database.
      isAhead = missed.length === 0 && afterSeq > (await latestSeq(this.#sql, topic));
    } catch (error) {
      this.#endFollowed(subscription);
      throw error;
    }
    if (missed.length > MAX_CATCH_UP || isAhead) {
      this.#endFollowed(subscription);
      catchUps.inc({ outcome: 'reset' });
      reply({ kind: 'reset' });
      return;
    }
    catchUps.inc({ outcome: missed.length === 0 ? 'up-to-date' : 'caught-up' });
    reply({ kind: 'ok', missed });
    if (subscription.isEnded) {
      this.#source.unfollow(topic);
      return;
    }
    const buffered = subscription.buffer ?? [];
    subscription.buffer = null;
    subscription.lastSeq = missed.at(-1)?.seq ?? afterSeq;
    this.#caughtUp.add(subscription);
    for (const event of buffered) this.#sendBeside(subscription, event);
    this.#settle(subscription);
  }

  /** Ends a socket's subscription to a topic, if it has one. */
  unsubscribe(socket: LiveServerSocket, topic: Topic): void {
    const subscription = this.#subscriptions.get(socket)?.get(topic);
    if (subscription === undefined) return;
    this.#forget(subscription);
    if (this.#caughtUp.delete(subscription)) this.#source.unfollow(topic);
    void socket.leave(topic);
  }

  /** Whether a socket follows a topic. */
  isFollowing(socket: LiveServerSocket, topic: Topic): boolean {
    return this.#subscriptions.get(socket)?.has(topic) ?? false;
  }

  /** Ends a person's subscriptions to a topic that they may no longer follow, and tells them. */
  shutOut(topic: Topic, userId: number): LiveServerSocket[] {
    const out = [...this.#subscriptions.keys()].filter((socket) => socket.data.user.userId === userId && this.isFollowing(socket, topic));
    for (const socket of out) {
      this.unsubscribe(socket, topic);
      socket.emit('shut-out', topic);
    }
    return out;
  }

  /** Ends all subscriptions of a socket. */
  leave(socket: LiveServerSocket): void {
    for (const topic of [...(this.#subscriptions.get(socket)?.keys() ?? [])]) this.unsubscribe(socket, topic);
  }

  /** Sends an event to all who follow its topic. */
  sendEvent(event: LiveEvent): void {
    this.#dropSlow(event.topic);
    this.#io.to(event.topic).emit('event', event);
    for (const subscription of [...(this.#settling.get(event.topic) ?? [])]) {
      if (subscription.buffer !== null) {
        subscription.buffer.push(event);
      } else {
        this.#sendBeside(subscription, event);
        this.#settle(subscription);
      }
    }
  }

  /** Sends a signal to all who follow its topic; a volatile one only to those who read what comes. */
  sendSignal(signal: LiveSignal, isVolatile = true): void {
    if (isVolatile) {
      // Socket.IO's own `volatile` would let through only one message at a time: of two who draw, always the same one.
      this.#io.to(signal.topic).except(this.#busyIds(signal.topic)).emit('signal', signal);
    } else {
      this.#dropSlow(signal.topic);
      this.#io.to(signal.topic).emit('signal', signal);
    }
  }

  /** Sockets with so much under way that what soon comes anew is better left out. */
  #busyIds(topic: Topic): string[] {
    return [...(this.#io.sockets.adapter.rooms.get(topic) ?? [])].filter((id) => {
      const socket = this.#io.sockets.sockets.get(id);
      return socket !== undefined && isBehind(socket, BUSY_PACKETS, BUSY_BYTES);
    });
  }

  #dropSlow(topic: Topic): void {
    for (const id of this.#io.sockets.adapter.rooms.get(topic) ?? []) {
      const socket = this.#io.sockets.sockets.get(id);
      if (socket !== undefined && isBehind(socket, MAX_BUFFERED_PACKETS, MAX_BUFFERED_BYTES)) this.#drop(socket);
    }
  }

  #settlingOf(topic: Topic): Set<Subscription> {
    const settling = this.#settling.get(topic) ?? new Set();
    this.#settling.set(topic, settling);
    return settling;
  }

  #sendBeside(subscription: Subscription, event: LiveEvent): void {
    if (event.seq <= subscription.lastSeq) return;
    subscription.lastSeq = event.seq;
    subscription.socket.emit('event', event);
  }

  #settle(subscription: Subscription): void {
    if (this.#source.lastSeq(subscription.topic) < subscription.lastSeq) return;
    this.#unsettle(subscription);
    void subscription.socket.join(subscription.topic);
  }

  #unsettle(subscription: Subscription): void {
    const settling = this.#settling.get(subscription.topic);
    settling?.delete(subscription);
    if (settling?.size === 0) this.#settling.delete(subscription.topic);
  }

  #forget(subscription: Subscription): void {
    subscription.isEnded = true;
    this.#unsettle(subscription);
    const own = this.#subscriptions.get(subscription.socket);
    if (own?.get(subscription.topic) === subscription) own.delete(subscription.topic);
    if (own?.size === 0) this.#subscriptions.delete(subscription.socket);
  }

  #endFollowed(subscription: Subscription): void {
    this.#forget(subscription);
    this.#source.unfollow(subscription.topic);
  }

  /** Cuts off a socket that doesn't read; it comes back and catches up, or is told to reset. */
  #drop(socket: LiveServerSocket): void {
    log.warn({ part: 'hub', userId: socket.data.user.userId }, 'a socket reads too slowly and is cut off');
    this.leave(socket);
    cutOff(socket);
  }
}

/** Whether more than this waits to be sent to a socket. */
function isBehind(socket: LiveServerSocket, maxPackets: number, maxBytes: number): boolean {
  const { writeBuffer = [] } = socket.conn as unknown as { writeBuffer?: readonly { readonly data?: unknown }[] };
  if (writeBuffer.length > maxPackets) return true;
  let waitingBytes = webSocketOf(socket)?.bufferedAmount ?? 0;
  for (const packet of writeBuffer) if (typeof packet.data === 'string') waitingBytes += packet.data.length;
  return waitingBytes > maxBytes;
}

/** Ends a socket's connection at once, without the farewell that a stalled one would never answer. */
export function cutOff(socket: LiveServerSocket): void {
  socket.conn.close(true);
  webSocketOf(socket)?.terminate?.();
}

/** The WebSocket under a socket, as far as it is needed: Socket.IO's types keep it private. */
function webSocketOf(socket: LiveServerSocket): { bufferedAmount?: number; terminate?: () => void } | undefined {
  return (socket.conn.transport as unknown as { socket?: { bufferedAmount?: number; terminate?: () => void } }).socket;
}
