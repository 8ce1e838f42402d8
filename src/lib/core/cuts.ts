/** A half-open span of frames: `startFrame` is in it, `endFrame` is the first that is not. */
export interface FrameSpan {
  readonly startFrame: number;
  readonly endFrame: number;
}

/**
 * The spans between cuts: they partition `[0, frameCount)` without gap or overlap.
 *
 * `cutFrames` are the first frames of new shots in rising order, each inside the video;
 * anything else is a bug of the caller and throws.
 */
export function spansBetweenCuts(cutFrames: readonly number[], frameCount: number): FrameSpan[] {
  const edges = [0, ...cutFrames, frameCount];
  return edges.slice(1).map((endFrame, index) => {
    const startFrame = edges[index] ?? 0;
    if (!Number.isInteger(endFrame) || endFrame <= startFrame) {
      throw new RangeError(`Cuts must be rising whole frames in (0, ${frameCount}): ${cutFrames.join(', ')}`);
    }
    return { startFrame, endFrame };
  });
}

/** Number of frames in a span. */
export function spanLength(span: FrameSpan): number {
  return span.endFrame - span.startFrame;
}

/** Whether two spans share a frame. */
export function spansOverlap(one: FrameSpan, other: FrameSpan): boolean {
  return one.startFrame < other.endFrame && other.startFrame < one.endFrame;
}

/** Whether two spans are the same frames. */
export function isSameSpan(one: FrameSpan, other: FrameSpan): boolean {
  return one.startFrame === other.startFrame && one.endFrame === other.endFrame;
}

/** Those of `spans` that share a frame with any of `others`. Both rise and neither overlaps itself, so one walk along both is enough. */
export function spansTouching<Span extends FrameSpan>(spans: readonly Span[], others: readonly FrameSpan[]): Span[] {
  let at = 0;
  return spans.filter((span) => {
    while (at < others.length && (others[at]?.endFrame ?? 0) <= span.startFrame) at += 1;
    const other = others[at];
    return other !== undefined && spansOverlap(span, other);
  });
}

/** The same frames in as few spans as possible, in rising order: those that touch or overlap become one. */
export function joinSpans(spans: readonly FrameSpan[]): FrameSpan[] {
  const joined: FrameSpan[] = [];
  for (const span of [...spans].sort((one, other) => one.startFrame - other.startFrame)) {
    const last = joined.at(-1);
    if (last !== undefined && span.startFrame <= last.endFrame) {
      joined[joined.length - 1] = { startFrame: last.startFrame, endFrame: Math.max(last.endFrame, span.endFrame) };
    } else {
      joined.push({ startFrame: span.startFrame, endFrame: span.endFrame });
    }
  }
  return joined;
}
