import type { LiveSignal, RoomSignal } from '#lib/live/events.ts';
import type { PlayheadView, Seat, SeatState } from '#lib/live/presence.ts';
import type { Topic } from '#lib/live/topics.ts';
import type { NodeWord } from '#lib/server/realtime/node-link.ts';

/** Where presence goes: to the sockets of this node, and to the other nodes. */
export interface PresenceSink {
  toRoom(signal: LiveSignal, isVolatile: boolean): void;
  toNodes(word: NodeWord): void;
  /** The last window that a person had on a topic, on any node, has closed. */
  onLeft(topic: Topic, userId: number): void;
}

/** Movements within this time go out as one. Joins and leaves wait no longer. */
const FLUSH_MS = 60;
/** Now and then the whole list goes out: it mends what a lost message broke. */
const REFRESH_MS = 8_000;
/** So many seats of a room are shown: with more, the traffic of who is where would grow by the square. */
const SHOWN_SEATS = 100;
/** Seats that fit into one word between nodes. */
const SEATS_PER_WORD = 20;

interface Room {
  /** Seats by id; `nodeId` is null for those of this node. */
  readonly seats: Map<string, { readonly nodeId: string | null; readonly seat: Seat }>;
  readonly joined: Set<string>;
  readonly moved: Set<string>;
  readonly gone: Set<string>;
  playhead: PlayheadView | null;
  /** Latest values that wait to go out: one a window and kind. */
  readonly waiting: Map<string, RoomSignal>;
}

/** Who is in which room, at which frame, following whom; and the rooms' playheads. In memory only. */
export class Presence {
  readonly #sink: PresenceSink;
  readonly #rooms = new Map<Topic, Room>();
  /** Seats of other nodes that a roll under way has not named yet, as `topic seatId`. */
  readonly #unnamed = new Map<string, Set<string>>();
  readonly #timers: NodeJS.Timeout[];

  constructor(sink: PresenceSink) {
    this.#sink = sink;
    this.#timers = [setInterval(() => this.#flush(), FLUSH_MS), setInterval(() => this.#refresh(), REFRESH_MS)];
    for (const timer of this.#timers) timer.unref();
  }

  /** Seats a window of this node; one that sits there already stays as it is. Gives who is there, of many the first. */
  enter(topic: Topic, seat: Seat): { seats: Seat[]; seatCount: number; playhead: PlayheadView | null } {
    const room = this.#roomOf(topic);
    if (!room.seats.has(seat.seatId)) {
      room.seats.set(seat.seatId, { nodeId: null, seat });
      room.joined.add(seat.seatId);
    }
    return { seats: shownOf(room), seatCount: room.seats.size, playhead: room.playhead };
  }

  /** Takes in what a window of this node tells of itself; one that has not entered is ignored. */
  update(topic: Topic, seatId: string, state: SeatState): void {
    const room = this.#rooms.get(topic);
    const entry = room?.seats.get(seatId);
    if (room === undefined || entry === undefined) return;
    room.seats.set(seatId, { nodeId: null, seat: { ...entry.seat, ...state } });
    room.moved.add(seatId);
  }

  /** A window of this node has left a room. */
  leave(topic: Topic, seatId: string): void {
    this.#drop(topic, seatId);
  }

  /** Whether a window sits in a room. */
  isSeated(topic: Topic, seatId: string): boolean {
    return this.#rooms.get(topic)?.seats.has(seatId) ?? false;
  }

  /** Passes on the latest value of a kind from one window of this node. */
  say(seatId: string, signal: RoomSignal): void {
    const room = this.#rooms.get(signal.topic);
    if (room === undefined) return;
    if (signal.type === 'playhead') room.playhead = signal.payload;
    // Each reaction counts; of the others only the latest does.
    const key = signal.type === 'reaction' ? `${seatId}:${signal.type}:${room.waiting.size}` : `${seatId}:${signal.type}`;
    room.waiting.set(key, signal);
  }

  /** Takes in what another node says. */
  onWord(nodeId: string, word: NodeWord): void {
    if (word.kind === 'hello') return this.#tellAll();
    if (word.kind === 'signal') {
      const room = this.#rooms.get(word.signal.topic);
      if (word.signal.type === 'playhead') this.#roomOf(word.signal.topic).playhead = word.signal.payload;
      if (room !== undefined) this.#sink.toRoom(word.signal, isVolatile(word.signal));
      return;
    }
    if (word.kind === 'roll') return word.part === 'begin' ? this.#beginRoll(nodeId) : this.#endRoll(nodeId);
    if (word.kind !== 'seats') return;
    const room = this.#roomOf(word.topic);
    for (const seat of word.seats) {
      (room.seats.has(seat.seatId) ? room.moved : room.joined).add(seat.seatId);
      room.seats.set(seat.seatId, { nodeId, seat });
      this.#unnamed.get(nodeId)?.delete(`${word.topic} ${seat.seatId}`);
    }
    for (const seatId of word.goneSeatIds) if (room.seats.get(seatId)?.nodeId === nodeId) this.#drop(word.topic, seatId);
  }

  /** Nobody sits on a node any more. */
  onNodeGone(nodeId: string): void {
    this.#unnamed.delete(nodeId);
    for (const [topic, room] of this.#rooms) {
      for (const [seatId, entry] of room.seats) if (entry.nodeId === nodeId) this.#drop(topic, seatId);
    }
  }

  /** Ends the timers. */
  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #beginRoll(nodeId: string): void {
    const known = [...this.#rooms].flatMap(([topic, room]) =>
      [...room.seats.values()].flatMap((entry) => (entry.nodeId === nodeId ? `${topic} ${entry.seat.seatId}` : [])),
    );
    this.#unnamed.set(nodeId, new Set(known));
  }

  /** What a node did not name has been left there, unheard. */
  #endRoll(nodeId: string): void {
    for (const place of this.#unnamed.get(nodeId) ?? []) {
      const [topic, seatId] = place.split(' ') as [Topic, string];
      if (this.#rooms.get(topic)?.seats.get(seatId)?.nodeId === nodeId) this.#drop(topic, seatId);
    }
    this.#unnamed.delete(nodeId);
  }

  #roomOf(topic: Topic): Room {
    const room = this.#rooms.get(topic) ?? {
      seats: new Map(),
      joined: new Set<string>(),
      moved: new Set<string>(),
      gone: new Set<string>(),
      playhead: null,
      waiting: new Map(),
    };
    this.#rooms.set(topic, room);
    return room;
  }

  #drop(topic: Topic, seatId: string): void {
    const room = this.#rooms.get(topic);
    const entry = room?.seats.get(seatId);
    if (room === undefined || entry === undefined) return;
    room.seats.delete(seatId);
    room.joined.delete(seatId);
    room.moved.delete(seatId);
    room.gone.add(seatId);
    if (entry.nodeId === null) this.#sink.toNodes({ kind: 'seats', topic, seats: [], goneSeatIds: [seatId] });
    const { userId } = entry.seat;
    // A presenter who is gone plays nothing any more: the others stay where they are.
    if (room.playhead?.userId === userId && room.playhead.isPlaying && !this.#isThere(room, userId)) room.playhead = null;
    if (!this.#isThere(room, userId)) this.#sink.onLeft(topic, userId);
  }

  #isThere(room: Room, userId: number): boolean {
    return [...room.seats.values()].some((entry) => entry.seat.userId === userId);
  }

  #flush(): void {
    for (const [topic, room] of this.#rooms) {
      for (const signal of room.waiting.values()) {
        this.#sink.toRoom(signal, isVolatile(signal));
        this.#sink.toNodes({ kind: 'signal', signal });
      }
      room.waiting.clear();
      const changed = [...room.joined, ...room.moved].flatMap((seatId) => room.seats.get(seatId) ?? []);
      if (changed.length + room.gone.size > 0) {
        const goneSeatIds = [...room.gone];
        const areMovements = room.joined.size + room.gone.size === 0;
        const shown = new Set(shownOf(room));
        const seats = changed.map((entry) => entry.seat).filter((seat) => shown.has(seat));
        if (seats.length + goneSeatIds.length > 0) {
          const payload = { seats, goneSeatIds, isAll: false, seatCount: room.seats.size };
          this.#sink.toRoom({ topic, type: 'presence', payload }, areMovements);
        }
        this.#tellSeats(
          topic,
          changed.filter((entry) => entry.nodeId === null).map((entry) => entry.seat),
        );
        room.joined.clear();
        room.moved.clear();
        room.gone.clear();
      }
      if (room.seats.size === 0) this.#rooms.delete(topic);
    }
  }

  #refresh(): void {
    for (const [topic, room] of this.#rooms) {
      const payload = { seats: shownOf(room), goneSeatIds: [], isAll: true, seatCount: room.seats.size };
      this.#sink.toRoom({ topic, type: 'presence', payload }, true);
    }
  }

  /** A node asks who is here. */
  #tellAll(): void {
    this.#sink.toNodes({ kind: 'roll', part: 'begin' });
    for (const [topic, room] of this.#rooms) {
      const own = [...room.seats.values()].filter((entry) => entry.nodeId === null).map((entry) => entry.seat);
      this.#tellSeats(topic, own);
      const { playhead } = room;
      if (playhead !== null && own.some((seat) => seat.userId === playhead.userId)) {
        this.#sink.toNodes({ kind: 'signal', signal: { topic, type: 'playhead', payload: playhead } });
      }
    }
    this.#sink.toNodes({ kind: 'roll', part: 'end' });
  }

  #tellSeats(topic: Topic, seats: readonly Seat[]): void {
    for (let from = 0; from < seats.length; from += SEATS_PER_WORD) {
      this.#sink.toNodes({ kind: 'seats', topic, seats: seats.slice(from, from + SEATS_PER_WORD), goneSeatIds: [] });
    }
  }
}

/** The seats of a room that its windows are told of: those taken first, and in any case those of whom the others follow. */
function shownOf({ seats, playhead }: Room): Seat[] {
  const all = [...seats.values()].map((entry) => entry.seat);
  return all.length <= SHOWN_SEATS ? all : all.filter((seat, place) => place < SHOWN_SEATS || seat.userId === playhead?.userId);
}

/** Of a stroke under way more is to come; a reaction, or a playhead that stands still, is told only once. */
function isVolatile(signal: RoomSignal): boolean {
  return signal.type === 'stroke';
}
