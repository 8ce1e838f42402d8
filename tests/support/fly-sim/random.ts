import { createHash } from 'node:crypto';

/** Pseudo-random values that the same seed repeats: digests of the seed and a counter. */
export class SeededRandom {
  readonly #seed: string;
  #counter = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** `length` hexadecimal digits, at most 64. */
  hex(length: number): string {
    return createHash('sha256').update(`${this.#seed}/${this.#counter++}`).digest('hex').slice(0, length);
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + (Number.parseInt(this.hex(12), 16) % (high - low + 1));
  }
}
