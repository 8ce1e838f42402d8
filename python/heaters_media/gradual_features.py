"""What the model is told of a gradual change: how straight it goes, what motion leaves of it,
and whether the old picture comes back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .frame_window import Floats, FrameWindow
from .motion import drift, unexplained_mean, unexplained_mean_and_correlation
from .picture_match import correlation, shift_gain, unmatched_share

QUICK_FEATURES = (
    "distance", "straightness4", "straightness2", "largestStep", "pathToDistance",
    "activityBefore", "activityAfter", "mixResidual", "mixOrder", "contrastDip",
    "contrastLowest", "brightnessMiddle", "spanFrames", "returnsAfter", "returnsBefore",
    "sharpnessDip", "correlation", "distanceToNoise", "isFade",
)
"""What the first look takes in: distances of signatures, and figures that every frame has."""

CLOSE_FEATURES = (
    "unmatched", "lumaShift", "chromaShift", "shiftGain", "unexplained", "unexplainedToRaw",
    "explainedCorrelation", "unexplainedBefore", "unexplainedAfter",
    "unexplainedMiddle", "drift", "driftCoherence", "driftBefore", "driftAfter", "unchangedShare",
    "changeSpread", "cellsReturnAfter", "cellsReturnBefore", "returnsAcross", "cellsReturnAcross",
)
"""What a close look adds; it costs twenty times as much."""

GRADUAL_FEATURES = QUICK_FEATURES + CLOSE_FEATURES
"""The model's inputs, in order; the functions below say what each is."""

RETURN_FRAMES = (8, 16, 32, 48, 64)
ACROSS_FRAMES = (6, 12, 20, 32)
DRIFT_STEPS = 6


def quick_features(window: FrameWindow, step: Floats, a: int, middle: int, b: int, is_fade: bool) -> tuple[float, ...]:
    """The features of a change from index `a` to `b`, ordered as QUICK_FEATURES."""
    quarters = (a, (a + middle) // 2, middle, (middle + b + 1) // 2, b)
    legs = [window.distance(x, y) for x, y in zip(quarters, quarters[1:])]
    distance = max(window.distance(a, b), 1e-3)
    inside = step[a + 1 : b + 1]
    side = min(max(b - a, 6), 24)
    contrast, sharpness = window.contrast, window.sharpness
    contrast_sides = float(contrast[a] + contrast[b]) / 2 + 1.0
    shares, residual = _mix_fit(window, quarters)
    quiet = np.concatenate([step[max(a - 12, 1) : a + 1], step[b + 1 : b + 13]])
    return (
        distance,
        distance / max(sum(legs), 1e-3),
        distance / max(window.distance(a, middle) + window.distance(middle, b), 1e-3),
        float(inside.max(initial=0.0)) / distance,
        float(inside.sum()) / distance,
        window.distance(window.clamp(a - side), a) / distance,
        window.distance(b, window.clamp(b + side)) / distance,
        residual,
        min(y - x for x, y in zip(shares, shares[1:])),
        float(contrast[middle]) / contrast_sides,
        float(contrast[a : b + 1].min()) / (float(min(contrast[a], contrast[b])) + 1.0),
        float(window.brightness[middle]),
        float(b - a),
        min(window.distance(a, window.clamp(b + j)) for j in RETURN_FRAMES) / distance,
        min(window.distance(window.clamp(a - j), b) for j in RETURN_FRAMES) / distance,
        float(sharpness[middle]) / (float(sharpness[a] + sharpness[b]) / 2 + 0.1),
        correlation(window.signature[a], window.signature[b]),
        distance / (float(np.median(quiet)) + 0.5 if len(quiet) else 0.5),
        float(is_fade),
    )


def close_features(window: FrameWindow, a: int, middle: int, b: int) -> tuple[float, ...]:
    """The features of a change from index `a` to `b`, ordered as CLOSE_FEATURES."""
    luma, distance = window.luma, max(window.distance(a, b), 1e-3)
    reach = max((b - a) // 6, 1)
    return (
        unmatched_share(luma[a], luma[b]),
        *window.histogram_shift(a, b),
        shift_gain(luma[window.clamp(middle - reach)], luma[window.clamp(middle + reach)]),
        *_motion_features(window, a, middle, b),
        window.unchanged_share(a, b),
        window.change_spread(a, b),
        window.cells_return(a, [window.clamp(b + k) for k in RETURN_FRAMES]) / distance,
        window.cells_return(b, [window.clamp(a - k) for k in RETURN_FRAMES]) / distance,
        *_returns_across(window, a, b, distance),
    )


def _motion_features(window: FrameWindow, a: int, middle: int, b: int) -> tuple[float, ...]:
    """What motion does not explain of the change, and of as long a time on either side:
    `unexplained` to `driftAfter`."""
    luma, side = window.luma, min(max(b - a, 6), 24)
    before, after = window.clamp(a - side), window.clamp(b + side)
    quarter = max((b - a) // 4, 1)
    early, late = window.clamp(middle - quarter), window.clamp(middle + quarter)
    unexplained, alike = unexplained_mean_and_correlation(luma[a], luma[b])
    raw = cv2.norm(luma[a], luma[b], cv2.NORM_L1) / luma[a].size
    size, coherence = drift(_steps(window, a, b))
    scale = unexplained + 1.0
    return (
        unexplained,
        unexplained / (raw + 1.0),
        alike,
        unexplained_mean(luma[before], luma[a]) / scale,
        unexplained_mean(luma[b], luma[after]) / scale,
        unexplained_mean(luma[early], luma[late]) / scale,
        size,
        coherence,
        drift(_steps(window, before, a))[0] / (size + 1.0),
        drift(_steps(window, b, after))[0] / (size + 1.0),
    )


def _returns_across(window: FrameWindow, a: int, b: int, distance: float) -> tuple[float, float]:
    """How far the pictures after the change stay from those well before it.

    Gives the least distance of two whole pictures, and the least cell by cell, relative
    to `distance`. Something that passes may already be in the picture at `a` and still
    at `b`; the old picture shows only before and behind both.
    """
    before = [window.clamp(a - k) for k in ACROSS_FRAMES]
    after = [window.clamp(b + k) for k in ACROSS_FRAMES]
    nearest = min(window.distance(early, late) for early in before for late in after)
    return nearest / distance, min(window.cells_return(early, after) for early in before) / distance


def _steps(window: FrameWindow, first: int, last: int) -> list[NDArray[np.uint8]]:
    """The pictures from `first` to `last`, both in, at most DRIFT_STEPS apart."""
    count = min(last - first, DRIFT_STEPS)
    return [window.luma[int(i)] for i in np.linspace(first, last, count + 1).round()]


def _mix_fit(window: FrameWindow, quarters: tuple[int, ...]) -> tuple[list[float], float]:
    """Fits each picture on the way as a mix of the two ends, by least squares.

    Gives B's shares (0 at `a`, 1 at `b`), and the mean of what no mix explains, relative
    to the distance of the ends.
    """
    start, end = window.signature[quarters[0]], window.signature[quarters[-1]]
    way = end - start
    length = max(float(way @ way), 1e-3)
    shares, residuals = [0.0], []
    for index in quarters[1:-1]:
        offset = window.signature[index] - start
        share = float(offset @ way) / length
        shares.append(share)
        residuals.append(float(np.linalg.norm(offset - share * way)) / length**0.5)
    return [*shares, 1.0], float(np.mean(residuals))
