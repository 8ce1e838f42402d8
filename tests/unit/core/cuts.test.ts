import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { joinSpans, spansBetweenCuts, spansOverlap, spansTouching } from '#lib/core/cuts.ts';

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

describe('spans', () => {
  const span = fc
    .record({ startFrame: fc.nat(60), length: fc.integer({ min: 1, max: 15 }) })
    .map(({ startFrame, length }) => ({ startFrame, endFrame: startFrame + length }));
  const framesOf = ({ startFrame, endFrame }: { startFrame: number; endFrame: number }) =>
    Array.from({ length: endFrame - startFrame }, (_, index) => startFrame + index);

  it('become one where they touch or overlap', () => {
    const joined = joinSpans([
      { startFrame: 30, endFrame: 40 },
      { startFrame: 0, endFrame: 10 },
      { startFrame: 10, endFrame: 20 },
      { startFrame: 15, endFrame: 18 },
    ]);
    expect(joined).toEqual([
      { startFrame: 0, endFrame: 20 },
      { startFrame: 30, endFrame: 40 },
    ]);
    expect(joinSpans([])).toEqual([]);
  });

  it('joined have the same frames, in rising order and apart from each other', () => {
    fc.assert(
      fc.property(fc.array(span, { maxLength: 8 }), (spans) => {
        const joined = joinSpans(spans);
        expect(joined.flatMap(framesOf)).toEqual([...new Set(spans.flatMap(framesOf))].toSorted((a, b) => a - b));
        joined.slice(1).forEach((next, index) => expect(next.startFrame).toBeGreaterThan(joined[index]!.endFrame));
      }),
    );
  });

  it('overlap when they share a frame, not when they touch', () => {
    expect(spansOverlap({ startFrame: 0, endFrame: 10 }, { startFrame: 10, endFrame: 20 })).toBe(false);
    fc.assert(
      fc.property(span, span, (one, other) => {
        const isShared = framesOf(one).some((frame) => framesOf(other).includes(frame));
        expect(spansOverlap(one, other)).toBe(isShared);
        expect(spansOverlap(other, one)).toBe(isShared);
      }),
    );
  });

  it('that touch others are those that overlap any of them', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 79 }), { maxLength: 20 });
    fc.assert(
      fc.property(cuts, fc.array(span, { maxLength: 8 }), (frames, wanted) => {
        const clips = spansBetweenCuts(
          frames.toSorted((a, b) => a - b),
          80,
        );
        const others = joinSpans(wanted);
        expect(spansTouching(clips, others)).toEqual(clips.filter((clip) => others.some((other) => spansOverlap(clip, other))));
      }),
    );
  });
});
