import { describe, expect, it } from 'vitest';
import { machineUse, usdPerSecond } from '#lib/core/machine-cost.ts';

const guest = { cpuKind: 'performance', cpus: 2, memoryMb: 4096 } as const;

describe('a machine costs', () => {
  it('its price for each second, more with more memory', () => {
    expect(usdPerSecond(guest) * 30 * 24 * 3600).toBeCloseTo(66);
    expect(usdPerSecond({ ...guest, memoryMb: 8192 }) * 30 * 24 * 3600).toBeCloseTo(86);
    expect(usdPerSecond({ cpuKind: 'shared', cpus: 1, memoryMb: 256 }) * 30 * 24 * 3600).toBeCloseTo(1.94);
  });

  it('from start to end, split into boot, work and idling', () => {
    const times = { startedAtMs: 1_000, readyAtMs: 3_000, goneAtMs: 61_000, busyMs: 28_000 };
    const use = machineUse(times, guest, 99_000);
    expect(use).toMatchObject({ bootMs: 2_000, busyMs: 28_000, idleMs: 30_000 });
    expect(use.usd).toBeCloseTo(60 * usdPerSecond(guest));
  });

  it('up to now while it lives, all of it boot time before it is ready, and nothing before it runs', () => {
    const times = { startedAtMs: 1_000, readyAtMs: null, goneAtMs: null, busyMs: 0 };
    expect(machineUse(times, guest, 5_000)).toMatchObject({ bootMs: 4_000, busyMs: 0, idleMs: 0 });
    expect(machineUse({ ...times, startedAtMs: null }, guest, 5_000).usd).toBe(0);
    expect(machineUse({ ...times, readyAtMs: 2_000, busyMs: 9_999 }, null, 5_000)).toEqual({
      bootMs: 1_000,
      busyMs: 3_000,
      idleMs: 0,
      usd: 0,
    });
  });
});
