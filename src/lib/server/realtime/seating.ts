import * as v from 'valibot';
import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import type { Commands, Lead } from '#lib/server/realtime/commands.ts';
import { NodeLink } from '#lib/server/realtime/node-link.ts';
import { Presence } from '#lib/server/realtime/presence.ts';
import { RateLimit } from '#lib/server/realtime/rate-limit.ts';
import type { LiveServer, LiveServerSocket, Rooms } from '#lib/server/realtime/rooms.ts';
import { SayingSchema, type EnterReply, type Saying } from '#lib/live/commands.ts';
import type { LiveEvent } from '#lib/live/events.ts';
import { isTopic, type Topic } from '#lib/live/topics.ts';

/** Pointers, playheads and strokes: more often than a screen is painted makes no sense. */
const SAYINGS_PER_SECOND = 60;
const SAYINGS_BURST = 120;

/** What someone is told who asks for a topic that is not theirs. */
export const NOT_IN = { kind: 'refused', message: 'You are not part of this: ask for a link.' } as const;

/** Who sits in which room, and what each may tell the others there, on this node and by the line to the others. */
export class Seating {
  readonly #io: LiveServer;
  readonly #rooms: Rooms;
  readonly #commands: Commands;
  readonly #presence: Presence;
  readonly #nodes: NodeLink;
  readonly #limit = new RateLimit(SAYINGS_PER_SECOND, SAYINGS_BURST);
  /** Who leads the sessions that sockets here follow. */
  readonly #leads = new Map<Topic, Lead>();
  #log = log.child({ part: 'seating' });

  constructor(options: { readonly io: LiveServer; readonly sql: Database; readonly rooms: Rooms; readonly commands: Commands }) {
    this.#io = options.io;
    this.#rooms = options.rooms;
    this.#commands = options.commands;
    this.#presence = new Presence({
      toRoom: (signal, isVolatile) => this.#rooms.sendSignal(signal, isVolatile),
      toNodes: (word) => this.#nodes.tell(word),
      onLeft: (topic, userId) => void this.#onLeft(topic, userId),
    });
    this.#nodes = new NodeLink(options.sql, this.#presence);
  }

  /** Makes itself known to the other nodes, and asks them who is there. */
  hello(): void {
    this.#nodes.hello();
  }

  /** Takes in what another node says. */
  hear(text: string): void {
    this.#nodes.hear(text);
  }

  /** Says goodbye to the other nodes. */
  async close(): Promise<void> {
    this.#presence.close();
    await this.#nodes.close();
  }

  /** Follows who leads, who may do what, and who is out. */
  onEvent(event: LiveEvent): void {
    if (event.type === 'session-changed') this.#noteLead(event.topic, { userId: event.payload.session.leadId, seq: event.seq });
    if (event.type === 'member-changed') void this.#askRightsAgain(event.topic, event.payload.member.userId);
    if (event.type === 'member-removed') this.shutOut(event.topic, event.payload.userId);
  }

  /** Seats a socket in the room of a topic that it follows; it sits in one room at a time. */
  async enter(socket: LiveServerSocket, topic: string): Promise<EnterReply> {
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
  say(socket: LiveServerSocket, saying: unknown): void {
    const { user, seatedIn } = socket.data;
    if (!this.#limit.take(user.userId, Date.now())) return;
    const parsed = v.safeParse(SayingSchema, saying);
    if (!parsed.success || parsed.output.topic !== seatedIn || !this.#presence.isSeated(seatedIn, socket.id)) return;
    this.#passOn(socket, seatedIn, parsed.output);
  }

  /** A socket leaves a room; without a topic, the one that it sits in. */
  leave(socket: LiveServerSocket, topic: Topic | undefined = socket.data.seatedIn): void {
    if (topic !== undefined) this.#presence.leave(topic, socket.id);
  }

  /** Someone may no longer follow a topic: their windows are told and cut off from it. */
  shutOut(topic: Topic, userId: number): void {
    for (const socket of this.#rooms.shutOut(topic, userId)) this.#presence.leave(topic, socket.id);
  }

  /** Forgets limits that nobody is near. */
  prune(): void {
    this.#limit.prune(Date.now());
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

  async #onLeft(topic: Topic, userId: number): Promise<void> {
    try {
      await this.#commands.onLeft(topic, userId);
    } catch (error) {
      // What they hold lapses by itself, a little later.
      this.#log.warn({ err: error, topic, userId }, 'a leave could not be noted');
    }
  }
}
