import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { filesToEvict, type CacheLimits } from '#lib/core/cache-eviction.ts';

const limits: CacheLimits = { maxAgeMs: 1_000, maxBytes: 100, minFreeBytes: 50, inUseMs: 100 };
const at = (key: string, usedAtMs: number, sizeBytes = 30) => ({ key, usedAtMs, sizeBytes });
const keysOf = (files: readonly { key: string }[]) => files.map((file) => file.key);

describe('what leaves the cache', () => {
  it('is what nobody has asked for in a while', () => {
    const files = [at('old', 0), at('new', 4_500)];
    expect(keysOf(filesToEvict(files, limits, { nowMs: 5_000, freeBytes: 1_000 }))).toEqual(['old']);
  });

  it('is the least recently used as far as the cache is too large', () => {
    const files = [at('c', 4_300), at('a', 4_100), at('b', 4_200), at('d', 4_400)];
    expect(keysOf(filesToEvict(files, limits, { nowMs: 5_000, freeBytes: 1_000 }))).toEqual(['a']);
  });

  it('is as much as the disk lacks', () => {
    const files = [at('a', 4_100), at('b', 4_200), at('c', 4_300)];
    expect(keysOf(filesToEvict(files, limits, { nowMs: 5_000, freeBytes: 10 }))).toEqual(['a', 'b']);
  });

  it('is never what may be playing, and leaves no more than must be', () => {
    const file = fc.record({ key: fc.string(), usedAtMs: fc.integer({ min: 0, max: 5_000 }), sizeBytes: fc.integer({ min: 1, max: 60 }) });
    fc.assert(
      fc.property(fc.array(file, { maxLength: 20 }), fc.integer({ min: 0, max: 200 }), (files, freeBytes) => {
        const gone = filesToEvict(files, limits, { nowMs: 5_000, freeBytes });
        expect(gone.every((one) => 5_000 - one.usedAtMs > limits.inUseMs)).toBe(true);
        const stay = files.filter((one) => !gone.includes(one));
        const idle = stay.filter((one) => 5_000 - one.usedAtMs > limits.inUseMs);
        const size = stay.reduce((sum, one) => sum + one.sizeBytes, 0);
        const freed = gone.reduce((sum, one) => sum + one.sizeBytes, 0);
        // Within its limits, unless all that is left may be playing.
        if (idle.length > 0) {
          expect(size).toBeLessThanOrEqual(limits.maxBytes);
          expect(freeBytes + freed).toBeGreaterThanOrEqual(limits.minFreeBytes);
          expect(idle.every((one) => 5_000 - one.usedAtMs <= limits.maxAgeMs)).toBe(true);
        }
      }),
    );
  });
});
