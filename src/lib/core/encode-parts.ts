import type { FrameSpan } from '#lib/core/cuts.ts';

/**
 * Frames before and after a part that its scene detection also sees: the detector's own context, and some
 * more, so that both sides of a boundary judge what lies near it by the same frames.
 */
export const PART_CONTEXT_FRAMES = 160;

/** Frames on either side of a boundary whose digests both parts must agree on. */
export const SEAM_FRAMES = 24;

/** A stretch of a source that one runner encodes; the last one has no end: it goes as far as there are frames. */
export interface PartPlan {
  readonly startFrame: number;
  readonly endFrame: number | null;
}

/** A cut that a part's scene detection saw; `startFrame` to `endFrame` is the transition. */
export interface SeenCut {
  readonly frame: number;
  readonly startFrame: number;
  readonly endFrame: number;
  readonly kind: 'cut' | 'dissolve' | 'fade';
  readonly score: number;
}

/**
 * Splits about `expectedFrames` frames into parts of `partFrames`. A rest of less than half a part goes
 * to the one before it. One part when there is too little to split.
 */
export function planParts(expectedFrames: number, partFrames: number): PartPlan[] {
  if (partFrames < 2 * SEAM_FRAMES) throw new RangeError(`A part must have at least ${2 * SEAM_FRAMES} frames.`);
  const count = Math.max(1, Math.round(expectedFrames / partFrames));
  return Array.from({ length: count }, (_, index) => ({
    startFrame: index * partFrames,
    endFrame: index === count - 1 ? null : (index + 1) * partFrames,
  }));
}

/** The frames that the detector of a part gets: its own and the context, as far as there is any. */
export function detectionWindow(part: PartPlan): PartPlan {
  return {
    startFrame: Math.max(0, part.startFrame - PART_CONTEXT_FRAMES),
    endFrame: part.endFrame === null ? null : part.endFrame + PART_CONTEXT_FRAMES,
  };
}

/**
 * What neighbouring parts saw as one list, in rising order. Each part tells of the cuts in its window; of a
 * transition that two of them saw, the one counts of the part in which its frame lies.
 */
export function mergeSeenCuts(parts: readonly { readonly span: FrameSpan; readonly cuts: readonly SeenCut[] }[]): SeenCut[] {
  const own = parts.flatMap(({ span, cuts }) => cuts.filter((cut) => cut.frame >= span.startFrame && cut.frame < span.endFrame));
  const spans = parts.map(({ span }) => span);
  const strays = parts.flatMap(({ span, cuts }) =>
    cuts.filter(
      (cut) =>
        (cut.frame < span.startFrame || cut.frame >= span.endFrame) &&
        // Only where the transition itself reaches into the part: what lies wholly elsewhere is for others to judge.
        touches(cut, span) &&
        spans.some((other) => cut.frame >= other.startFrame && cut.frame < other.endFrame),
    ),
  );
  const merged: SeenCut[] = [];
  for (const cut of [...own, ...strays]) {
    if (!merged.some((other) => touches(other, { startFrame: cut.startFrame, endFrame: cut.endFrame + 1 }))) merged.push(cut);
  }
  return merged.sort((one, other) => one.frame - other.frame);
}

function touches(cut: SeenCut, span: FrameSpan): boolean {
  return cut.startFrame < span.endFrame && span.startFrame <= cut.endFrame;
}

/**
 * How far a video can be cut into clips when only its first `endFrame` frames are encoded: to the last cut
 * that what comes next can't change any more. 0 when there is none.
 */
export function settledEnd(cuts: readonly SeenCut[], endFrame: number): number {
  return cuts.findLast((cut) => cut.endFrame + SEAM_FRAMES < endFrame)?.frame ?? 0;
}
