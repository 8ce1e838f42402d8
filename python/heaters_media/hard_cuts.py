"""Hard cuts: places where one frame differs from the last more than its neighbours do."""

from __future__ import annotations

import numpy as np

from .candidates import Candidate
from .frame_window import Floats, FrameWindow
from .motion import unexplained_mean, unexplained_mean_and_correlation
from .picture_match import correlation, shift_gain, unmatched_share

HARD_FEATURES = (
    "step", "stepToBefore", "stepToAfter", "stepToMedian", "lumaShift", "chromaShift",
    "histogramToNeighbours", "returnsAfter", "returnsBefore", "crossDistance", "unmatched",
    "unmatchedBefore", "unmatchedAfter", "unmatchedAcross", "correlation", "sharpness",
    "shiftGain", "contrastBefore", "contrastAfter", "unexplained", "unexplainedToNeighbours",
    "unexplainedToStep", "unexplainedAcross", "unchangedShare",
    "changeSpread", "cellsReturnAfter", "cellsReturnBefore", "explainedCorrelation",
)
"""The model's inputs, in order; `_features` says what each is."""

MIN_STEP = 2.0
"""Grey levels: below this no cut of real material was ever seen, and noise begins."""

MIN_STEP_TO_MEDIAN = 1.8
MIN_UNEXPLAINED = 4.0
MIN_UNEXPLAINED_TO_NEIGHBOURS = 1.02
"""A step that motion explains, or as well as its neighbours, needs no closer look: this
spares nine of ten candidates that are none, and not one of 800 that were."""

NEIGHBOUR_FRAMES = 6
MEDIAN_FRAMES = 12
FLASH_FRAMES = 10
RETURN_FRAMES = (4, 8, 16, 32, 48)


def find_hard_candidates(window: FrameWindow, core_start: int, core_end: int) -> list[Candidate]:
    """Gives every possible hard cut with `core_start` <= frame < `core_end`.

    The window should hold some frames on either side, except at the film's ends.
    """
    step = window.lag_distance(1)
    first, end = max(core_start - window.first_frame, 1), core_end - window.first_frame
    if first >= end:
        return []
    median = _neighbour_median(step, first, end)
    is_blank = window.is_blank()
    candidates = []
    for at in first + np.flatnonzero(step[first:end] >= np.maximum(MIN_STEP, MIN_STEP_TO_MEDIAN * median)):
        # A step into or out of blank is half a fade: `blank_runs` decides on the whole.
        if is_blank[at] or is_blank[at - 1]:
            continue
        if step[at] < step[max(at - 1, 1) : at + 2].max():
            continue
        unexplained, alike = unexplained_mean_and_correlation(window.luma[at - 1], window.luma[at])
        if unexplained < MIN_UNEXPLAINED:
            continue
        usual = _usually_unexplained(window, at)
        if unexplained < MIN_UNEXPLAINED_TO_NEIGHBOURS * (usual + 1.0):
            continue
        features = _features(window, step, float(median[at - first]), int(at), (unexplained, usual, alike))
        frame = window.first_frame + int(at)
        candidates.append(Candidate("cut", frame, frame, frame, features))
    return candidates


def _neighbour_median(step: Floats, first: int, end: int) -> Floats:
    """The median of the steps around each index in [first, end)."""
    low, high = max(first - MEDIAN_FRAMES, 0), min(end + MEDIAN_FRAMES, len(step))
    missing = (MEDIAN_FRAMES - (first - low), MEDIAN_FRAMES - (high - end))
    padded = np.pad(step[low:high], missing, mode="reflect" if high - low > MEDIAN_FRAMES else "edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * MEDIAN_FRAMES + 1)
    return np.median(views, axis=1).astype(np.float32)


def _usually_unexplained(window: FrameWindow, at: int) -> float:
    """What motion leaves of the changes just before and after the step into `at`."""
    luma, early, late = window.luma, window.clamp(at - 3), window.clamp(at + 2)
    # Two frames apart, so that a repeated frame does not read as perfect calm.
    return max(unexplained_mean(luma[early], luma[at - 1]), unexplained_mean(luma[at], luma[late]))


def _features(
    window: FrameWindow, step: Floats, median: float, at: int, motion: tuple[float, float, float]
) -> tuple[float, ...]:
    """The hard-cut features of the step into window index `at`, ordered as HARD_FEATURES.

    `motion` is what it leaves of this step, what of the steps around, and the correlation
    of this one's picture with its prediction.
    """
    unexplained, usual, alike = motion
    size = float(step[at])
    before = step[max(at - NEIGHBOUR_FRAMES, 0) : at]
    after = step[at + 1 : at + 1 + NEIGHBOUR_FRAMES]
    luma_shift, chroma_shift = window.histogram_shift(at - 1, at)
    early, late = window.clamp(at - 3), window.clamp(at + 2)
    luma = window.luma
    around = window.sharpness[max(at - MEDIAN_FRAMES, 0) : at + MEDIAN_FRAMES]
    return (
        size,
        size / (float(before.max(initial=0.0)) + 1.0),
        size / (float(after.max(initial=0.0)) + 1.0),
        size / (median + 1.0),
        luma_shift,
        chroma_shift,
        (luma_shift + chroma_shift) / (_histogram_shift_around(window, at) + 0.005),
        # A flash comes back to the picture from before it.
        _nearest(window, at - 1, range(at + 1, at + 1 + FLASH_FRAMES)) / size,
        _nearest(window, at, range(at - 1 - FLASH_FRAMES, at - 1)) / size,
        min(_nearest(window, window.clamp(at - i), (at, at + 2, at + 5)) for i in (1, 3, 6)) / size,
        unmatched_share(luma[at - 1], luma[at]),
        unmatched_share(luma[early], luma[at - 1]),
        unmatched_share(luma[at], luma[late]),
        unmatched_share(luma[late], luma[early]),
        correlation(window.signature[at - 1], window.signature[at]),
        float(min(window.sharpness[at - 1], window.sharpness[at]) / (around.max() + 0.1)),
        shift_gain(luma[at - 1], luma[at]),
        float(window.contrast[at - 1]),
        float(window.contrast[at]),
        unexplained,
        unexplained / (usual + 1.0),
        unexplained / size,
        unexplained_mean(luma[early], luma[late]),
        window.unchanged_share(at - 1, at),
        window.change_spread(at - 1, at),
        window.cells_return(at - 1, [window.clamp(at + k) for k in RETURN_FRAMES]) / size,
        window.cells_return(at, [window.clamp(at - 1 - k) for k in RETURN_FRAMES]) / size,
        alike,
    )


def _histogram_shift_around(window: FrameWindow, at: int) -> float:
    """The largest histogram shift between neighbours near, but not at, index `at`."""
    largest = 0.0
    for other in range(max(at - NEIGHBOUR_FRAMES, 1), min(at + NEIGHBOUR_FRAMES + 1, window.end_frame - window.first_frame)):
        if other != at:
            largest = max(largest, sum(window.histogram_shift(other - 1, other)))
    return largest


def _nearest(window: FrameWindow, at: int, others: range | tuple[int, ...]) -> float:
    held = len(window.luma)
    distances = [window.distance(at, other) for other in others if 0 <= other < held]
    return min(distances, default=float(window.distance(at, window.clamp(at + 1))))

