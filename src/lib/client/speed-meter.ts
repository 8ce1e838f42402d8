const WINDOW_MS = 5_000;
const MIN_SPAN_MS = 500;

/** Measures a transfer's speed over its last seconds, so that a change of the network soon shows. */
export class SpeedMeter {
  #samples: { readonly bytes: number; readonly atMs: number }[] = [];

  /** Forgets what it knows, as after a pause. */
  reset(): void {
    this.#samples = [];
  }

  /** Takes a reading of all bytes so far; gives bytes per second, or null while there is too little to tell. */
  measure(bytes: number, atMs: number): number | null {
    this.#samples.push({ bytes, atMs });
    while (this.#samples.length > 2 && atMs - this.#samples[0]!.atMs > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    const spanMs = atMs - first.atMs;
    return spanMs < MIN_SPAN_MS ? null : Math.max(0, (1000 * (bytes - first.bytes)) / spanMs);
  }
}
