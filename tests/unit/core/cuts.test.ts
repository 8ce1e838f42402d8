import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { spansBetweenCuts } from '#lib/core/cuts.ts';

describe('spans between cuts', () => {
  it('are the whole video when there is no cut', () => {
    expect(spansBetweenCuts([], 10)).toEqual([{ startFrame: 0, endFrame: 10 }]);
  });

  it('partition the video', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 999 })), (frames) => {
        const cuts = frames.toSorted((a, b) => a - b);
        const spans = spansBetweenCuts(cuts, 1000);
        expect(spans).toHaveLength(cuts.length + 1);
        expect(spans.reduce((sum, span) => sum + span.endFrame - span.startFrame, 0)).toBe(1000);
        spans.slice(1).forEach((span, index) => expect(span.startFrame).toBe(spans[index]?.endFrame));
      }),
    );
  });

  it('refuse cuts outside the video or out of order', () => {
    expect(() => spansBetweenCuts([10], 10)).toThrow(RangeError);
    expect(() => spansBetweenCuts([0], 10)).toThrow(RangeError);
    expect(() => spansBetweenCuts([5, 5], 10)).toThrow(RangeError);
    expect(() => spansBetweenCuts([2.5], 10)).toThrow(RangeError);
  });
});
