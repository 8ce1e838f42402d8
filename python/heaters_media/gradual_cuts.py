"""Dissolves and fades: changes that take a straight path from one picture to another.

In a dissolve each pixel goes once, monotonically, from shot A to shot B, so the distance
from A to B equals the sum of the distances between the steps on the way, whatever its
length. Motion visits pictures that are on no such line: its path is longer than the
way is wide. "Straightness" (the direct distance over the path's length) is thus the
signal, at several scales. A fade through black is two such paths with a picture without
contrast between them; it is found by the dip of contrast (after R. Lienhart, "Comparison
of automatic shot boundary detection algorithms", SPIE 1999).
"""

from __future__ import annotations

import numpy as np

from .candidates import Candidate, CutKind
from .frame_window import Floats, FrameWindow
from .picture_match import correlation, shift_gain, unmatched_share

GRADUAL_FEATURES = (
    "distance", "straightness4", "straightness2", "largestStep", "pathToDistance",
    "activityBefore", "activityAfter", "mixResidual", "mixOrder", "contrastDip",
    "contrastLowest", "brightnessMiddle", "unmatched", "lumaShift", "chromaShift",
    "shiftGain", "spanFrames", "returnsAfter", "returnsBefore", "sharpnessDip", "correlation",
    "distanceToNoise", "isFade",
)
"""The model's inputs, in order; `_features` says what each is."""

HALF_SPANS = (2, 3, 4, 6, 8, 12, 16, 24)
"""Half-lengths in frames of the spans tried; neighbours differ by at most 1.5 times."""

MIN_DISTANCE = 4.0
MIN_STRAIGHTNESS = 0.55
MAX_STEP_SHARE = 0.75
PEAK_FRAMES = 5
FADE_REACH_FRAMES = 32
FADE_CONTRAST_SHARE = 0.45
FADE_MIN_CONTRAST = 8.0


def find_gradual_candidates(window: FrameWindow, core_start: int, core_end: int) -> list[Candidate]:
    """Gives every possible dissolve and fade with `core_start` <= frame < `core_end`.

    The window should hold about 100 frames on either side, except at the film's ends.
    """
    if len(window.luma) < 4:
        return []
    step = window.lag_distance(1)
    step[0] = 0.0
    spans = _dissolve_spans(window, step, core_start, core_end)
    spans += _fade_spans(window, core_start, core_end)
    return [_candidate(window, step, kind, *span) for kind, span in spans]


Span = tuple[int, int, int]
"""Window indices: the last frame of the old shot, the middle, the first of the new one."""


def _dissolve_spans(window: FrameWindow, step: Floats, core_start: int, core_end: int) -> list[tuple[CutKind, Span]]:
    strength, half = _straight_paths(window, step)
    spans: list[tuple[CutKind, Span]] = []
    for at in range(max(core_start - window.first_frame, 1), core_end - window.first_frame):
        around = strength[max(at - PEAK_FRAMES, 0) : at + PEAK_FRAMES + 1]
        if strength[at] > 0 and strength[at] >= around.max() and strength[at] > strength[at - 1]:
            spans.append(("dissolve", _refine(window, at, int(half[at]))))
    return spans


def _straight_paths(window: FrameWindow, step: Floats) -> tuple[Floats, Floats]:
    """For each frame as the middle: how strong its best straight path is, and its half-span."""
    held = len(window.luma)
    indices = np.arange(held)
    best = np.zeros(held, np.float32)
    best_half = np.zeros(held, np.float32)
    lags: dict[int, Floats] = {}

    def between(start: Floats, lag: int) -> Floats:
        if lag not in lags:
            lags[lag] = window.lag_distance(lag)
        return lags[lag][np.clip(start + lag, 0, held - 1)]

    for half in HALF_SPANS:
        start = indices - half
        quarter = half // 2
        direct = between(start, 2 * half)
        path = (
            between(start, quarter) + between(start + quarter, half - quarter)
            + between(indices, half - quarter) + between(indices + half - quarter, quarter)
        )
        straightness = direct / np.maximum(path, 1e-3)
        largest_step = _sliding_max(step, half)
        straight = (direct >= MIN_DISTANCE) & (straightness >= MIN_STRAIGHTNESS)
        straight &= largest_step <= MAX_STEP_SHARE * direct
        strength = np.where(straight, direct * (straightness - 0.4), 0.0)
        # A longer span must earn its length: outside a dissolve it only adds motion.
        better = strength > best * 1.08
        best[better] = strength[better]
        best_half[better] = half
    return best, best_half


def _sliding_max(step: Floats, half: int) -> Floats:
    padded = np.pad(step, (half - 1, half), mode="constant")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * half).max(axis=1)


def _refine(window: FrameWindow, middle: int, half: int) -> Span:
    """Finds where the change begins and ends, from how far each frame is along it."""
    a, b = window.clamp(middle - half), window.clamp(middle + half)
    way = window.signature[b] - window.signature[a]
    length = float(way @ way)
    if length < 1e-3:
        return a, middle, b
    first, last = window.clamp(middle - 2 * half), window.clamp(middle + 2 * half)
    progress = (window.signature[first : last + 1] - window.signature[a]) @ way / length
    centre = middle - first
    start, end = centre, centre
    while start > max(a - first - half // 2, 0) and progress[start] > 0.06:
        start -= 1
    while end < min(b - first + half // 2, len(progress) - 1) and progress[end] < 0.94:
        end += 1
    crossing = start + int(np.argmin(np.abs(progress[start : end + 1] - 0.5)))
    return first + start, min(max(first + crossing, first + start + 1), first + end), first + end


def _fade_spans(window: FrameWindow, core_start: int, core_end: int) -> list[tuple[CutKind, Span]]:
    contrast = window.contrast
    spans: list[tuple[CutKind, Span]] = []
    at = max(core_start - window.first_frame, 1)
    end = core_end - window.first_frame
    while at < end:
        before = contrast[max(at - FADE_REACH_FRAMES, 0) : at]
        after = contrast[at + 1 : at + 1 + FADE_REACH_FRAMES]
        sides = min(float(before.max(initial=0)), float(after.max(initial=0)))
        lowest = contrast[max(at - PEAK_FRAMES, 0) : at + PEAK_FRAMES + 1].min()
        is_dip = sides >= FADE_MIN_CONTRAST and contrast[at] < FADE_CONTRAST_SHARE * sides
        if is_dip and contrast[at] <= lowest:
            spans.append(("fade", _dip_span(contrast, at, sides)))
            at += PEAK_FRAMES
        at += 1
    return spans


def _dip_span(contrast: Floats, at: int, sides: float) -> Span:
    """Walks out of the dip of contrast to where the pictures are whole again."""
    floor = float(contrast[at]) + 0.05 * sides
    low, high = at, at
    while high + 1 < len(contrast) and contrast[high + 1] <= floor:
        high += 1
    middle = (low + high) // 2
    while low > 0 and at - low < FADE_REACH_FRAMES and contrast[low] < 0.9 * sides:
        if contrast[low - 1] < contrast[low] - 0.5 and contrast[low] > 2 * floor:
            break
        low -= 1
    while high + 1 < len(contrast) and high - at < FADE_REACH_FRAMES and contrast[high] < 0.9 * sides:
        if contrast[high + 1] < contrast[high] - 0.5 and contrast[high] > 2 * floor:
            break
        high += 1
    return low, max(middle, 1), high


def _candidate(window: FrameWindow, step: Floats, kind: CutKind, start: int, middle: int, end: int) -> Candidate:
    first = window.first_frame
    features = _features(window, step, start, middle, end) + (float(kind == "fade"),)
    return Candidate(kind, first + middle, first + start, first + end, features)


def _features(window: FrameWindow, step: Floats, a: int, middle: int, b: int) -> tuple[float, ...]:
    """The features of a change from index `a` to `b`, ordered as GRADUAL_FEATURES."""
    quarters = (a, (a + middle) // 2, middle, (middle + b + 1) // 2, b)
    legs = [window.distance(x, y) for x, y in zip(quarters, quarters[1:])]
    distance = max(window.distance(a, b), 1e-3)
    inside = step[a + 1 : b + 1]
    side = min(max(b - a, 6), 24)
    contrast, sharpness, luma = window.contrast, window.sharpness, window.luma
    contrast_sides = float(contrast[a] + contrast[b]) / 2 + 1.0
    shares, residual = _mix_fit(window, quarters)
    reach = max((b - a) // 6, 1)
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
        float(np.diff(shares).min()),
        float(contrast[middle]) / contrast_sides,
        float(contrast[a : b + 1].min()) / (float(min(contrast[a], contrast[b])) + 1.0),
        float(window.brightness[middle]),
        unmatched_share(luma[a], luma[b]),
        float(np.abs(window.luma_cdf[a] - window.luma_cdf[b]).mean()),
        float(np.abs(window.chroma_cdf[a] - window.chroma_cdf[b]).mean()),
        shift_gain(luma[window.clamp(middle - reach)], luma[window.clamp(middle + reach)]),
        float(b - a),
        min(window.distance(a, window.clamp(b + j)) for j in (8, 16, 32, 48, 64)) / distance,
        min(window.distance(window.clamp(a - j), b) for j in (8, 16, 32, 48, 64)) / distance,
        float(sharpness[middle]) / (float(sharpness[a] + sharpness[b]) / 2 + 0.1),
        correlation(window.signature[a], window.signature[b]),
        distance / (float(np.median(quiet)) + 0.5 if len(quiet) else 0.5),
    )


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
