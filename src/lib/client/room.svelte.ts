import { SvelteMap } from 'svelte/reactivity';
import { liveSocket } from '#lib/client/socket.ts';
import type { LiveSignal } from '#lib/live/events.ts';
import type { Activity, PlayheadView, Seat, SeatState, StrokeInProgress } from '#lib/live/presence.ts';
import type { EMOJI } from '#lib/live/talk-views.ts';
import type { Topic } from '#lib/live/topics.ts';

/** A person in the room: the window of theirs that is most at work speaks for all. */
export interface PersonHere extends Seat {
  readonly windowCount: number;
}

/** An emoji on its way up the screen. */
export interface ThrownReaction {
  readonly id: number;
  readonly emoji: string;
  readonly name: string;
}

const TELL_EVERY_MS = 120;
const IDLE_AFTER_MS = 60_000;
const REACTION_MS = 2_600;
const STROKE_FADES_MS = 4_000;
const RANK: Readonly<Record<Activity, number>> = { active: 0, idle: 1, away: 2 };

/** Who else is on this page, what they do right now, and what we tell them of ourselves. */
export class Room {
  readonly topic: Topic;
  readonly #ownId: number;
  readonly #seats = new SvelteMap<string, Seat>();
  readonly #strokes = new SvelteMap<number, StrokeInProgress & { readonly userId: number; readonly name: string; readonly atMs: number }>();
  #seatId = $state<string | null>(null);
  #playhead = $state.raw<PlayheadView | null>(null);
  #seatCount = $state(0);
  #reactions = $state.raw<readonly ThrownReaction[]>([]);
  #reactionCount = 0;
  #state: SeatState = { clipId: null, videoId: null, frame: null, cursorFrame: null, followingId: null, activity: 'active' };
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  #lastInputMs = Date.now();

  constructor(topic: Topic, ownId: number) {
    this.topic = topic;
    this.#ownId = ownId;
  }

  /** Everybody here, oneself too, by name. */
  readonly people: readonly PersonHere[] = $derived.by(() => {
    const byUser = Map.groupBy(this.#seats.values(), (seat) => seat.userId);
    return [...byUser.values()]
      .map((seats) => {
        const [first] = [...seats].sort((one, other) => RANK[one.activity] - RANK[other.activity]);
        return { ...(first as Seat), windowCount: seats.length };
      })
      .sort((one, other) => one.name.localeCompare(other.name) || one.userId - other.userId);
  });

  /** How many windows are here that are not shown: a large room shows its first hundred. */
  get hiddenCount(): number {
    return Math.max(0, this.#seatCount - this.#seats.size);
  }

  /** The others. */
  get others(): readonly PersonHere[] {
    return this.people.filter((person) => person.userId !== this.#ownId);
  }

  /** Where the lead's playback stands; null before they played anything. */
  get playhead(): PlayheadView | null {
    return this.#playhead;
  }

  /** Drawings that others are at. */
  get strokes(): readonly StrokeInProgress[] {
    return [...this.#strokes.values()];
  }

  get reactions(): readonly ThrownReaction[] {
    return this.#reactions;
  }

  /** Whether someone has any window here. */
  isHere(userId: number): boolean {
    return this.people.some((person) => person.userId === userId);
  }

  /** When this window was last touched, in ms since 1970. */
  get lastInputMs(): number {
    return this.#lastInputMs;
  }

  /** Takes a seat; call it whenever the topic is followed anew. */
  async enter(): Promise<void> {
    const reply = await liveSocket().request('enter', { topic: this.topic }, { giveUpMs: 8_000 });
    if (reply.kind !== 'ok') return;
    this.#seatId = reply.seatId;
    this.#seatCount = reply.seatCount;
    this.#replaceSeats(reply.seats);
    if (reply.playhead !== null) this.#playhead = reply.playhead;
    this.#tellNow();
  }

  /** Hears the room's signals. */
  onSignal(signal: LiveSignal): void {
    if (signal.topic !== this.topic) return;
    switch (signal.type) {
      case 'presence':
        this.#seatCount = signal.payload.seatCount;
        if (signal.payload.isAll) this.#replaceSeats(signal.payload.seats);
        else for (const seat of signal.payload.seats) this.#seats.set(seat.seatId, seat);
        for (const seatId of signal.payload.goneSeatIds) this.#seats.delete(seatId);
        break;
      case 'playhead':
        // An older one may come late by way of another node.
        if (this.#playhead === null || this.#playhead.userId !== signal.payload.userId || signal.payload.atMs >= this.#playhead.atMs) {
          this.#playhead = signal.payload;
        }
        break;
      case 'stroke':
        if (signal.payload.userId !== this.#ownId) this.#strokes.set(signal.payload.userId, { ...signal.payload, atMs: Date.now() });
        break;
      case 'reaction':
        this.#show(signal.payload.emoji, signal.payload.name);
        break;
      default:
    }
  }

  /** A drawing is finished, and shown as such from now on. */
  endStroke(drawingId: string): void {
    for (const [userId, stroke] of this.#strokes) if (stroke.id === drawingId) this.#strokes.delete(userId);
  }

  /** Tells the room what is on this screen; soon, and only what is then true. */
  tell(change: Partial<SeatState>): void {
    const next = { ...this.#state, ...change };
    const isNews = (Object.keys(next) as (keyof SeatState)[]).some((key) => next[key] !== this.#state[key]);
    if (!isNews) return;
    this.#state = next;
    this.#tellTimer ??= setTimeout(() => this.#tellNow(), TELL_EVERY_MS);
  }

  /** Throws an emoji into the room. */
  react(emoji: (typeof EMOJI)[number]): void {
    liveSocket().say({ kind: 'reaction', topic: this.topic, emoji });
  }

  /** Notices whether anybody sits at this window; gives the function that ends it. For the browser. */
  start(): () => void {
    const touched = () => {
      this.#lastInputMs = Date.now();
      this.#noticeActivity();
    };
    const listeners = new AbortController();
    for (const name of ['pointerdown', 'pointermove', 'keydown', 'wheel'] as const) {
      addEventListener(name, touched, { passive: true, signal: listeners.signal });
    }
    document.addEventListener('visibilitychange', () => this.#noticeActivity(), { signal: listeners.signal });
    const timer = setInterval(() => {
      this.#noticeActivity();
      for (const [userId, stroke] of this.#strokes) if (Date.now() - stroke.atMs > STROKE_FADES_MS) this.#strokes.delete(userId);
    }, 1_000);
    return () => {
      listeners.abort();
      clearInterval(timer);
      clearTimeout(this.#tellTimer);
    };
  }

  #noticeActivity(): void {
    const isIdle = Date.now() - this.#lastInputMs > IDLE_AFTER_MS;
    this.tell({ activity: document.hidden ? 'away' : isIdle ? 'idle' : 'active' });
  }

  #replaceSeats(seats: readonly Seat[]): void {
    for (const seatId of [...this.#seats.keys()]) if (!seats.some((seat) => seat.seatId === seatId)) this.#seats.delete(seatId);
    for (const seat of seats) this.#seats.set(seat.seatId, seat);
  }

  #tellNow(): void {
    clearTimeout(this.#tellTimer);
    this.#tellTimer = undefined;
    if (this.#seatId !== null) liveSocket().say({ kind: 'here', topic: this.topic, seat: this.#state });
  }

  #show(emoji: string, name: string): void {
    const id = (this.#reactionCount += 1);
    this.#reactions = [...this.#reactions, { id, emoji, name }].slice(-30);
    setTimeout(() => (this.#reactions = this.#reactions.filter((reaction) => reaction.id !== id)), REACTION_MS);
  }
}

const COLORS = ['#e0563b', '#3f8fd2', '#c9872b', '#3fa36b', '#a065c9', '#d0558f', '#4aa3a3', '#8d8a3a'] as const;

/** A person's colour on every screen: of avatars, cursors and drawings. */
export function colorOf(userId: number): string {
  return COLORS[userId % COLORS.length] ?? COLORS[0];
}

/** The letters on a person's avatar. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters =
    words.length > 1 ? `${[...(words[0] ?? '')][0] ?? ''}${[...(words.at(-1) ?? '')][0] ?? ''}` : [...name].slice(0, 2).join('');
  return letters.toUpperCase();
}
