import type { Clock } from './clock.ts';
import type { Action, RateLimit } from './options.ts';

const DEFAULT_LIMIT: RateLimit = { perSecond: 1, burst: 3 };
const DEFAULT_LIMITS: Partial<Record<Action, RateLimit>> = { get: { perSecond: 5, burst: 10 } };

/** A token bucket for each action and identifier (a machine, or the app where there is none). */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #limits: Partial<Record<Action, RateLimit>> | false;
  readonly #buckets = new Map<string, { tokens: number; filledAtMs: number }>();

  constructor(clock: Clock, limits: Partial<Record<Action, RateLimit>> | false) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Takes a token; false when the bucket is empty. */
  take(action: Action, identifier: string): boolean {
    if (this.#limits === false) return true;
    const { perSecond, burst } = this.#limits[action] ?? DEFAULT_LIMITS[action] ?? DEFAULT_LIMIT;
    const nowMs = this.#clock.nowMs();
    const key = `${action} ${identifier}`;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAtMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.filledAtMs) / 1000) * perSecond);
    bucket.filledAtMs = nowMs;
    this.#buckets.set(key, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
