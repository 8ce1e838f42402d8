import { expect, it } from 'vitest';
import { nextAttemptSeconds, restSeconds } from '#lib/core/webhook-schedule.ts';

it('tries a delivery again for about a day, ever less often, then no more', () => {
  const waits: number[] = [];
  for (let failures = 1; ; failures += 1) {
    const wait = nextAttemptSeconds(failures, 0.5);
    if (wait === null) break;
    waits.push(wait);
  }
  const hours = waits.reduce((sum, wait) => sum + wait, 0) / 3600;
  expect(waits[0]).toBeLessThanOrEqual(10);
  expect(hours).toBeGreaterThan(22);
  expect(hours).toBeLessThan(30);
});

it('spreads what failed together', () => {
  expect(nextAttemptSeconds(5, 0)).toBeLessThan(nextAttemptSeconds(5, 1)!);
});

it('leaves an address alone after some failures in a row, for minutes at most', () => {
  expect([1, 2].map(restSeconds)).toEqual([0, 0]);
  expect(restSeconds(3)).toBeGreaterThan(0);
  expect(restSeconds(5)).toBeGreaterThan(restSeconds(4));
  expect(restSeconds(1000)).toBe(300);
});
