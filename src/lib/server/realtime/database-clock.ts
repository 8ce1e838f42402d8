import type { Database } from '#lib/server/db.ts';
import { log } from '#lib/server/log.ts';
import { clockOffsetMs, type ClockSample } from '#lib/core/playhead.ts';
import { databaseNowMs } from '#lib/server/stores/outbox.ts';

const SAMPLES = 4;
const RENEW_MS = 60_000;

/** The database's clock as this node reckons it: playheads told on one node must mean the same on another. */
export class DatabaseClock {
  readonly #sql: Database;
  #offsetMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(sql: Database) {
    this.#sql = sql;
  }

  /** Sets the clock, and goes on setting it each minute. Throws when the database can't be reached. */
  async start(): Promise<void> {
    await this.#set();
    this.#timer = setInterval(() => {
      this.#set().catch((error: unknown) => log.warn({ err: error }, 'the clock could not be compared with the database’s'));
    }, RENEW_MS);
    this.#timer.unref();
  }

  /** Milliseconds since 1970 by the database's clock. */
  nowMs(): number {
    return Date.now() + this.#offsetMs;
  }

  /** Stops setting the clock. */
  close(): void {
    clearInterval(this.#timer);
  }

  async #set(): Promise<void> {
    const samples: ClockSample[] = [];
    for (let index = 0; index < SAMPLES; index += 1) {
      const sentMs = Date.now();
      const serverMs = await databaseNowMs(this.#sql);
      samples.push({ sentMs, serverMs, receivedMs: Date.now() });
    }
    this.#offsetMs = clockOffsetMs(samples);
  }
}
