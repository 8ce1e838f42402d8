import { clockOffsetMs, type ClockSample } from '#lib/core/playhead.ts';
import type { LiveSocket } from '#lib/client/socket.ts';

const SAMPLES = 5;
const SAMPLE_GAP_MS = 60;
const RENEW_MS = 20_000;
const KEPT = 10;

/** This machine's time in ms since 1970, which never jumps. */
function localNowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** The server's clock as this window reckons it, corrected for the way there and back. */
export class ServerClock {
  #samples: ClockSample[] = [];
  #offsetMs = 0;

  /** Begins to compare clocks; gives the function that ends it. */
  start(socket: LiveSocket): () => void {
    let isStopped = false;
    const take = async () => {
      const sentMs = localNowMs();
      const reply = await socket.request('clock', {}, { attemptMs: 2_000, giveUpMs: 2_000 });
      const receivedMs = localNowMs();
      if (isStopped || reply.kind !== 'ok') return;
      this.#samples = [...this.#samples, { sentMs, serverMs: reply.nowMs, receivedMs }].slice(-KEPT);
      this.#offsetMs = clockOffsetMs(this.#samples);
    };
    const renew = async () => {
      for (let index = 0; index < SAMPLES && !isStopped; index += 1) {
        await take();
        await new Promise((resolve) => setTimeout(resolve, SAMPLE_GAP_MS));
      }
    };
    void renew();
    const timer = setInterval(() => void renew(), RENEW_MS);
    return () => {
      isStopped = true;
      clearInterval(timer);
    };
  }

  /** Milliseconds since 1970 by the server's clock. */
  nowMs(): number {
    return localNowMs() + this.#offsetMs;
  }
}
