/** How long to wait after each failed attempt, in seconds: a day and a bit in all. */
const WAITS = [5, 30, 120, 300, 900, 1800, 3600, 7200, 14_400, 21_600, 28_800, 14_400];
const TRIES_BEFORE_REST = 3;
const LONGEST_REST_SECONDS = 300;

/** When a delivery that has failed this many times is tried again, in seconds from now; null for never. `jitter` is 0 to 1. */
export function nextAttemptSeconds(failures: number, jitter: number): number | null {
  const wait = WAITS[failures - 1];
  // Spread, so that what failed together does not come back together.
  return wait === undefined ? null : Math.round(wait * (0.9 + 0.2 * jitter));
}

/** How long an address is left alone after this many failures in a row, in seconds; 0 for not at all. */
export function restSeconds(failuresInARow: number): number {
  if (failuresInARow < TRIES_BEFORE_REST) return 0;
  return Math.min(LONGEST_REST_SECONDS, 5 * 2 ** Math.min(10, failuresInARow - TRIES_BEFORE_REST));
}
