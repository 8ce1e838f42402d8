import { describe, expect, it } from 'vitest';
import { bootPhases, stepsOf } from '#lib/core/pool-history.ts';

describe('machines over time', () => {
  it('counts those that were there at the begin, and each that comes and goes', () => {
    const spans = [
      { startMs: -50, endMs: 30 },
      { startMs: 10, endMs: null },
      { startMs: 20, endMs: 30 },
      { startMs: -90, endMs: -10 },
      { startMs: 200, endMs: null },
    ];
    expect(stepsOf(spans, 0, 100)).toEqual([
      { atMs: 0, count: 1 },
      { atMs: 10, count: 2 },
      { atMs: 20, count: 3 },
      { atMs: 30, count: 1 },
    ]);
  });

  it('is one step of none where there was nothing', () => {
    expect(stepsOf([], 5, 10)).toEqual([{ atMs: 5, count: 0 }]);
  });
});

describe('the phases of a boot', () => {
  const times = { reservedAtMs: 0, requestedAtMs: 100, madeAtMs: 500, startedAtMs: 1_500, readyAtMs: 2_000 };

  it('add up to the time until it was ready', () => {
    const phases = bootPhases(times, 9_000);
    expect(phases.map(({ name, ms }) => [name, ms])).toEqual([
      ['decided', 100],
      ['asked', 400],
      ['started', 1_000],
      ['ready', 500],
    ]);
    expect(phases.every(({ isOver }) => isOver)).toBe(true);
  });

  it('end with the one that goes on', () => {
    expect(bootPhases({ ...times, madeAtMs: null, startedAtMs: null, readyAtMs: null }, 61_100).at(-1)).toEqual({
      ...{ name: 'asked', ms: 61_000, isOver: false },
    });
    // That a process has begun is known only once its runner has registered.
    expect(bootPhases({ ...times, readyAtMs: null }, 10_500).at(-1)).toEqual({ name: 'started', ms: 10_000, isOver: false });
  });

  it('never take less than no time, when a process was faster than its provider’s answer', () => {
    const phases = bootPhases({ ...times, madeAtMs: 1_800 }, 9_000);
    expect(phases.map(({ ms }) => ms)).toEqual([100, 1_700, 0, 200]);
  });
});
