import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { detectionWindow, mergeSeenCuts, planParts, settledEnd, type SeenCut } from '#lib/core/encode-parts.ts';

const cut = (frame: number): SeenCut => ({ frame, startFrame: frame, endFrame: frame, kind: 'cut', score: 1 });
const dissolve = (frame: number, startFrame: number, endFrame: number): SeenCut => ({
  frame,
  startFrame,
  endFrame,
  kind: 'dissolve',
  score: 1,
});

describe('planning parts', () => {
  it('follows one another without gap, and the last has no end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 48, max: 5_000 }), (expectedFrames, partFrames) => {
        const parts = planParts(expectedFrames, partFrames);
        expect(parts[0]!.startFrame).toBe(0);
        expect(parts.at(-1)!.endFrame).toBeNull();
        parts.slice(1).forEach((part, index) => expect(part.startFrame).toBe(parts[index]!.endFrame));
        // The last one has at least half a part, when the expectation holds.
        expect(expectedFrames - parts.at(-1)!.startFrame).toBeGreaterThanOrEqual(Math.min(expectedFrames, Math.floor(partFrames / 2)));
      }),
    );
  });

  it('gives the detector context on both sides, where there is any', () => {
    expect(detectionWindow({ startFrame: 0, endFrame: 1_500 })).toEqual({ startFrame: 0, endFrame: 1_660 });
    expect(detectionWindow({ startFrame: 1_500, endFrame: null })).toEqual({ startFrame: 1_340, endFrame: null });
  });
});

describe('merging what parts saw', () => {
  const spans = [
    { startFrame: 0, endFrame: 100 },
    { startFrame: 100, endFrame: 200 },
  ];
  const merge = (first: SeenCut[], second: SeenCut[]) =>
    mergeSeenCuts([
      { span: spans[0]!, cuts: first },
      { span: spans[1]!, cuts: second },
    ]).map(({ frame }) => frame);

  it('takes each cut once, from the part in which it lies', () => {
    expect(merge([cut(50), cut(100), cut(120)], [cut(40), cut(100), cut(121)])).toEqual([50, 100, 121]);
  });

  it('knows one dissolve over the boundary, though its frame was placed differently', () => {
    // Each has it on its own side, or each on the other's: it is one all the same.
    expect(merge([dissolve(99, 90, 108)], [dissolve(101, 91, 109)])).toEqual([99]);
    expect(merge([dissolve(101, 92, 110)], [dissolve(98, 90, 108)])).toEqual([101]);
  });

  it('loses none and doubles none of the cuts that all parts agree on', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 199 }), { maxLength: 30 }), (frames) => {
        const sorted = frames.toSorted((a, b) => a - b);
        expect(merge(sorted.map(cut), sorted.map(cut))).toEqual(sorted);
      }),
    );
  });

  it('settles what lies well before the end of what is encoded', () => {
    const cuts = [cut(30), cut(60), cut(95)];
    expect(settledEnd(cuts, 100)).toBe(60);
    expect(settledEnd([cut(95)], 100)).toBe(0);
  });
});
