import { randomUUID } from 'node:crypto';
import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import type { RoomSignal } from '#lib/live/events.ts';
import type { Seat } from '#lib/live/presence.ts';
import type { Topic } from '#lib/live/topics.ts';
import { tellNodes } from '#lib/server/stores/outbox.ts';

/** What web nodes tell each other. Nothing of it is stored: a node that is new asks with `hello`. */
export type NodeWord =
  | { readonly kind: 'hello' }
  | { readonly kind: 'bye' }
  | { readonly kind: 'seats'; readonly topic: Topic; readonly seats: readonly Seat[]; readonly goneSeatIds: readonly string[] }
  /** Between the two, all seats of the node are named: others that are remembered have been left. */
  | { readonly kind: 'roll'; readonly part: 'begin' | 'end' }
  | { readonly kind: 'signal'; readonly signal: RoomSignal };

/** Who is told of other nodes. */
export interface NodeLinkSink {
  onWord(nodeId: string, word: NodeWord): void;
  /** A node has gone silent, or said goodbye: nobody sits there any more. */
  onNodeGone(nodeId: string): void;
}

interface Envelope {
  readonly from: string;
  readonly words: readonly NodeWord[];
}

/** A beat goes out this often; a node not heard for `SILENT_MS` is gone. */
const BEAT_MS = 600;
const SILENT_MS = 1_900;
/** What is said within this time goes out in one transaction: NOTIFY takes a lock of the whole database. */
const GATHER_MS = 40;
/** NOTIFY allows 7 999 bytes. */
const MAX_BYTES = 7_900;
/** With the database away nothing goes out; what would pile up is old news. */
const MAX_WAITING = 2_000;

/** The line between web nodes, over Postgres. With one node only, its beats are all that is sent. */
export class NodeLink {
  readonly nodeId = randomUUID().slice(0, 8);
  readonly #sql: Database;
  readonly #sink: NodeLinkSink;
  readonly #heardAtMs = new Map<string, number>();
  /** Nodes that were asked and have not told all yet: they may not have heard the question. */
  readonly #unanswered = new Set<string>();
  /** Words could not be sent: others must be told all again. */
  #owesAll = false;
  #waiting: NodeWord[] = [];
  #isSending = false;
  #sending = Promise.resolve();
  #isClosed = false;
  #gatherTimer: NodeJS.Timeout | undefined;
  readonly #beatTimer: NodeJS.Timeout;
  #log = log.child({ part: 'node-link', nodeId: this.nodeId });

  constructor(sql: Database, sink: NodeLinkSink) {
    this.#sql = sql;
    this.#sink = sink;
    this.#beatTimer = setInterval(() => this.#beat(), BEAT_MS);
    this.#beatTimer.unref();
  }

  /** Asks all nodes for what they know; call it once LISTEN is up, and whenever words may have been missed. */
  hello(): void {
    if (this.#isClosed) return;
    for (const nodeId of this.#heardAtMs.keys()) this.#unanswered.add(nodeId);
    this.#waiting.push({ kind: 'hello' });
    this.#sendSoon();
  }

  /** Tells the other nodes, soon. Nothing is sent while there are none. */
  tell(word: NodeWord): void {
    if (this.#heardAtMs.size === 0 || this.#isClosed) return;
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.splice(0, MAX_WAITING / 2);
    this.#waiting.push(word);
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined;
      this.#sendSoon();
    }, GATHER_MS);
  }

  /** Takes in what came over the channel. */
  hear(text: string): void {
    const { from, words } = JSON.parse(text) as Envelope;
    if (from === this.nodeId) return;
    const isNew = !this.#heardAtMs.has(from);
    this.#heardAtMs.set(from, Date.now());
    for (const word of words) {
      if (word.kind === 'bye') this.#forget(from);
      else this.#sink.onWord(from, word);
      if (word.kind === 'roll' && word.part === 'end') this.#unanswered.delete(from);
    }
    // One that comes out of nowhere may have been thought gone: what it said before is unknown here,
    // and what was said here meanwhile is unknown there.
    if (isNew && !words.some((word) => word.kind === 'bye')) {
      this.hello();
      if (!words.some((word) => word.kind === 'hello')) this.#sink.onWord(from, { kind: 'hello' });
    }
  }

  /** Says goodbye and falls silent. */
  async close(): Promise<void> {
    clearInterval(this.#beatTimer);
    clearTimeout(this.#gatherTimer);
    this.#isClosed = true;
    this.#waiting = [{ kind: 'bye' }];
    await this.#sending;
    await this.#send();
  }

  #beat(): void {
    const nowMs = Date.now();
    for (const [nodeId, heardAtMs] of this.#heardAtMs) if (nowMs - heardAtMs > SILENT_MS) this.#forget(nodeId);
    if (this.#owesAll) {
      this.#owesAll = false;
      this.#sink.onWord(this.nodeId, { kind: 'hello' });
    }
    if (this.#unanswered.size > 0) this.hello();
    else this.#sendSoon(true);
  }

  #forget(nodeId: string): void {
    this.#unanswered.delete(nodeId);
    if (this.#heardAtMs.delete(nodeId)) this.#sink.onNodeGone(nodeId);
  }

  #sendSoon(isBeat = false): void {
    if (!this.#isSending) this.#sending = this.#send(isBeat);
  }

  /** One transaction at a time: while the database is slow, words gather instead of filling its connections. */
  async #send(isBeat = false): Promise<void> {
    if (this.#isSending || (this.#waiting.length === 0 && !isBeat)) return;
    this.#isSending = true;
    const words = this.#waiting;
    this.#waiting = [];
    try {
      await tellNodes(this.#sql, packed(this.nodeId, words));
    } catch (error) {
      if (words.length > 0) this.#owesAll = true;
      this.#log.debug({ err: error }, 'other nodes could not be told');
    } finally {
      this.#isSending = false;
    }
    if (this.#waiting.length > 0) await this.#send();
  }
}

/** Words in as few texts as their size allows; without words one empty text, a beat. */
function packed(from: string, words: readonly NodeWord[]): string[] {
  const texts: string[] = [];
  const overheadBytes = Buffer.byteLength(JSON.stringify({ from, words: [] }));
  let batch: string[] = [];
  let sizeBytes = overheadBytes;
  const close = () => {
    texts.push(`{"from":${JSON.stringify(from)},"words":[${batch.join(',')}]}`);
    batch = [];
    sizeBytes = overheadBytes;
  };
  for (const word of words) {
    const text = JSON.stringify(word);
    const bytes = Buffer.byteLength(text) + 1;
    if (overheadBytes + bytes > MAX_BYTES) continue;
    if (sizeBytes + bytes > MAX_BYTES) close();
    batch.push(text);
    sizeBytes += bytes;
  }
  if (batch.length > 0 || texts.length === 0) close();
  return texts;
}
