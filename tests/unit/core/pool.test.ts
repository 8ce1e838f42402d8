import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPool, type PoolState, type SlotHolder } from '#lib/core/pool.ts';

const limits = { minMachines: 0, maxMachines: 5, concurrency: 1, memoryMb: 4096, isPaused: false, spendCapUsd: null };
const state = (changes: Partial<PoolState> = {}): PoolState => ({
  ...{ limits, holders: [], queuedMemoryMb: [], isWarm: false, isBackingOff: false, spentUsd: 0 },
  ...changes,
});
const holder = (slot: number, changes: Partial<SlotHolder> = {}): SlotHolder => ({
  ...{ id: slot, slot, state: 'ready', memoryMb: 4096, runningCount: 0 },
  ...changes,
});
const calls = (count: number) => Array.from({ length: count }, () => 0);

describe('a pool grows', () => {
  it.each<[string, PoolState, number[]]>([
    ['not when there is nothing to do', state(), []],
    ['by one machine for one call', state({ queuedMemoryMb: calls(1) }), [1]],
    ['by one machine for each call, up to the maximum', state({ queuedMemoryMb: calls(50) }), [1, 2, 3, 4, 5]],
    ['not for a call that an idle machine takes', state({ holders: [holder(1)], queuedMemoryMb: calls(1) }), []],
    [
      'not for a call that a booting machine will take',
      state({ holders: [holder(1, { state: 'booting' })], queuedMemoryMb: calls(1) }),
      [],
    ],
    ['beside busy machines, into free slots', state({ holders: [holder(2, { runningCount: 1 })], queuedMemoryMb: calls(2) }), [1, 3]],
    [
      'beside draining machines, whose slots stay taken',
      state({ holders: [holder(1, { state: 'draining' })], queuedMemoryMb: calls(1) }),
      [2],
    ],
    ['to its minimum', state({ limits: { ...limits, minMachines: 2 }, holders: [holder(1)] }), [2]],
    ['to one when an upload is expected', state({ isWarm: true }), [1]],
    ['not beyond what the minimum is counted in', state({ limits: { ...limits, minMachines: 2 }, queuedMemoryMb: calls(1) }), [1, 2]],
    [
      'by half as many machines that run two calls each',
      state({ limits: { ...limits, concurrency: 2 }, queuedMemoryMb: calls(5) }),
      [1, 2, 3],
    ],
  ])('%s', (_name, given, slots) => {
    expect(planPool(given).grow.map((each) => each.slot)).toEqual(slots);
  });

  it('to a larger guest for a call that ran out of memory', () => {
    const plan = planPool(state({ holders: [holder(1)], queuedMemoryMb: [8192] }));
    expect(plan.grow).toEqual([{ slot: 2, memoryMb: 8192 }]);
  });

  it('by draining an idle machine that is too small, when all slots are taken', () => {
    const holders = [1, 2, 3, 4].map((slot) => holder(slot, { runningCount: 1 })).concat(holder(5));
    const plan = planPool(state({ holders, queuedMemoryMb: [8192] }));
    expect(plan.grow).toEqual([]);
    expect(plan.drain).toEqual([{ runnerId: 5, reason: 'Its 4096 MB are too few for a call that needs 8192 MB.' }]);
  });

  it.each<[string, Partial<PoolState>, string]>([
    ['paused', { limits: { ...limits, isPaused: true } }, 'The pool is paused.'],
    ['at its spend cap', { limits: { ...limits, spendCapUsd: 10 }, spentUsd: 10 }, 'has reached the cap of $10.00.'],
    ['backing off', { isBackingOff: true }, 'could not be booted'],
  ])('not while %s, and says why', (_name, changes, reason) => {
    const plan = planPool(state({ queuedMemoryMb: calls(1), ...changes }));
    expect(plan.grow).toEqual([]);
    expect(plan.explanation).toContain(reason);
  });
});

it('machines above a lowered maximum drain', () => {
  const plan = planPool(state({ limits: { ...limits, maxMachines: 1 }, holders: [holder(1), holder(3)] }));
  expect(plan.drain.map((each) => each.runnerId)).toEqual([3]);
});

it('whatever happens, slots are taken once and stay within the maximum, and no call waits beside a free place', () => {
  const anyHolders = fc.uniqueArray(
    fc.record({
      slot: fc.integer({ min: 1, max: 8 }),
      state: fc.constantFrom('reserved', 'booting', 'ready', 'draining' as const),
      memoryMb: fc.constantFrom(4096, 8192),
      runningCount: fc.integer({ min: 0, max: 2 }),
    }),
    { selector: (each) => each.slot },
  );
  fc.assert(
    fc.property(
      anyHolders,
      fc.array(fc.constantFrom(0, 4096, 8192)),
      fc.nat(5),
      fc.nat(3),
      (drawn, queuedMemoryMb, maxMachines, concurrency) => {
        const holders = drawn.map((each) => ({ ...each, id: each.slot })) as SlotHolder[];
        const given = state({ limits: { ...limits, maxMachines, concurrency: concurrency + 1 }, holders, queuedMemoryMb });
        const { grow } = planPool(given);
        const slots = grow.map((each) => each.slot);
        expect(new Set([...slots, ...holders.map((each) => each.slot)]).size).toBe(slots.length + holders.length);
        expect(slots.every((slot) => slot >= 1 && slot <= maxMachines)).toBe(true);
        const inMaximum = holders.filter((each) => each.slot <= maxMachines).length;
        if (grow.length < maxMachines - inMaximum) {
          const places = holders
            .filter((each) => each.state !== 'draining')
            .reduce((sum, each) => sum + Math.max(0, concurrency + 1 - each.runningCount), grow.length * (concurrency + 1));
          expect(places).toBeGreaterThanOrEqual(queuedMemoryMb.length);
        }
      },
    ),
  );
});
