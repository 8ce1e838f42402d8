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

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .candidates import Candidate, CutKind
from .frame_window import Floats, FrameWindow
from .gradual_features import close_features, quick_features
from .motion import unexplained_mean

HALF_SPANS = (2, 3, 4, 6, 8, 12, 16, 24)
"""Half-lengths in frames of the spans tried; neighbours differ by at most 1.5 times."""

MIN_DISTANCE = 4.0
MIN_UNEXPLAINED = 7.0
MIN_UNEXPLAINED_TO_RAW = 0.45
"""What must be left between the ends once motion is taken out, in grey levels and as a
share of the plain difference: spares half of the costly looks, and no boundary seen."""

MIN_STRAIGHTNESS = 0.55
MAX_STEP_SHARE = 0.75
PEAK_FRAMES = 5
SAME_SPAN_OVERLAP = 0.7
FADE_REACH_FRAMES = 32
FADE_CONTRAST_SHARE = 0.45
FADE_MIN_CONTRAST = 8.0
LONG_BLANK_FRAMES = 64
"""Nobody flashes for this long: such a run parts two shots, whatever they show."""


FirstLook = Callable[[list[tuple[float, ...]]], Sequence[bool]]
"""Says of each list of QUICK_FEATURES whether a close look may find a boundary there."""


def find_gradual_candidates(
    window: FrameWindow, core_start: int, core_end: int, first_look: FirstLook | None
) -> list[Candidate]:
    """Gives every possible dissolve and fade with `core_start` <= frame < `core_end`.

    The window should hold about 100 frames on either side, except at the film's ends.
    Without `first_look` every one is looked at closely.
    """
    if len(window.luma) < 4:
        return []
    step, is_blank, contrast = window.lag_distance(1), window.is_blank(), window.contrast
    spans = [
        (kind, span)
        for kind, span in (
            *_dissolve_spans(window, core_start, core_end),
            *_dip_spans(contrast, is_blank, core_start - window.first_frame, core_end - window.first_frame),
        )
        # Half a fade is no cut: the run of blank frames that it leads to decides.
        if not _is_half_fade(contrast, is_blank, span) and _is_worth_a_look(window.luma[span[0]], window.luma[span[2]])
    ]
    quick = [quick_features(window, step, *span, kind == "fade") for kind, span in spans]
    is_likely = first_look(quick) if first_look is not None and quick else [True] * len(quick)
    candidates = [
        _candidate(window, kind, span, features)
        for (kind, span), features, likely in zip(spans, quick, is_likely)
        if likely
    ]
    return candidates + _blank_run_candidates(window, step, core_start, core_end)


Span = tuple[int, int, int]
"""Window indices: the last frame of the old shot, the middle, the first of the new one."""


def _dissolve_spans(window: FrameWindow, core_start: int, core_end: int) -> list[tuple[CutKind, Span]]:
    """The strongest straight paths of every scale, without those that tell the same twice."""
    first, end = max(core_start - window.first_frame, 1), core_end - window.first_frame
    found: list[tuple[float, Span]] = []
    for half in HALF_SPANS:
        reach = max(half // 2, 3)
        low = first - reach
        strength = _path_strength(window, half, low, end + reach)
        around = sliding_window_view(strength, 2 * reach + 1).max(axis=1)
        centre, before = strength[reach:-reach], strength[reach - 1 : -reach - 1]
        for offset in np.flatnonzero((centre > 0) & (centre >= around) & (centre > before)):
            found.append((float(centre[offset]), _refine(window, first + int(offset), half)))
    distinct: list[Span] = []
    for _, span in sorted(found, reverse=True):
        if all(_overlap(span, other) < SAME_SPAN_OVERLAP for other in distinct):
            distinct.append(span)
    return [("dissolve", span) for span in sorted(distinct)]


def _path_strength(window: FrameWindow, half: int, low: int, high: int) -> Floats:
    """How strong the straight path is that has its middle at each index of [low, high); 0 outside of the film."""
    last = len(window.luma) - 1
    middle = np.arange(low, high)

    def between(start: NDArray[np.int_], lag: int) -> Floats:
        return window.lag_distance(lag)[np.clip(start + lag, 0, last)]

    quarter = half // 2
    direct = between(middle - half, 2 * half)
    path = (
        between(middle - half, quarter) + between(middle - half + quarter, half - quarter)
        + between(middle, half - quarter) + between(middle + half - quarter, quarter)
    )
    straightness = direct / np.maximum(path, 1e-3)
    steps = window.lag_distance(1)[np.clip(np.arange(low - half + 1, high + half), 0, last)]
    is_straight = (direct >= MIN_DISTANCE) & (straightness >= MIN_STRAIGHTNESS)
    is_straight &= sliding_window_view(steps, 2 * half).max(axis=1) <= MAX_STEP_SHARE * direct
    is_straight &= (middle >= 0) & (middle <= last)
    return np.where(is_straight, direct * (straightness - 0.4), 0.0)


def _is_worth_a_look(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    raw = cv2.norm(a, b, cv2.NORM_L1) / a.size
    if raw < MIN_UNEXPLAINED / 2:
        return False
    return unexplained_mean(a, b) >= max(MIN_UNEXPLAINED, MIN_UNEXPLAINED_TO_RAW * raw)


def _overlap(a: Span, b: Span) -> float:
    """Intersection over union of two spans."""
    common = min(a[2], b[2]) - max(a[0], b[0])
    return max(common, 0) / max(max(a[2], b[2]) - min(a[0], b[0]), 1)


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


def _dip_spans(contrast: Floats, is_blank: NDArray[np.bool_], start: int, end: int) -> list[tuple[CutKind, Span]]:
    spans: list[tuple[CutKind, Span]] = []
    at = max(start, 1)
    is_lowest = contrast <= cv2.erode(np.ascontiguousarray(contrast), np.ones((2 * PEAK_FRAMES + 1, 1), np.uint8))[:, 0]
    while at < end:
        if is_lowest[at] and not is_blank[at]:
            before = contrast[max(at - FADE_REACH_FRAMES, 0) : at]
            after = contrast[at + 1 : at + 1 + FADE_REACH_FRAMES]
            sides = min(float(before.max(initial=0)), float(after.max(initial=0)))
            if sides >= FADE_MIN_CONTRAST and contrast[at] < FADE_CONTRAST_SHARE * sides:
                spans.append(("fade", _dip_span(contrast, at, sides)))
                at += PEAK_FRAMES
        at += 1
    return spans


def _is_half_fade(contrast: Floats, is_blank: NDArray[np.bool_], span: Span) -> bool:
    """Whether the span only comes out of blank frames, or only goes into them."""
    a, _, b = span
    low, high = a, b
    if contrast[a] < 0.6 * contrast[b]:
        while low > 0 and a - low < FADE_REACH_FRAMES and not is_blank[low] and contrast[low - 1] <= contrast[low] + 0.3:
            low -= 1
    if contrast[b] < 0.6 * contrast[a]:
        last = len(contrast) - 1
        while high < last and high - b < FADE_REACH_FRAMES and not is_blank[high] and contrast[high + 1] <= contrast[high] + 0.3:
            high += 1
    return bool(is_blank[low] or is_blank[high])


def _blank_run_candidates(window: FrameWindow, step: Floats, core_start: int, core_end: int) -> list[Candidate]:
    """Runs of blank frames between two contents: each is one boundary, or a flash.

    A run belongs to the core that its end is in. Blank frames that open or close the film
    part no two shots.
    """
    is_blank, first = window.is_blank(), window.first_frame
    candidates = []
    for end in range(max(core_start - first, 1), core_end - first):
        if is_blank[end] or not is_blank[end - 1]:
            continue
        start = end - 1
        while start > 0 and is_blank[start - 1]:
            start -= 1
        if start == 0 and not window.had_content_before:
            continue
        a = _whole_picture(window.contrast, max(start - 1, 0), -1)
        b = _whole_picture(window.contrast, end, 1)
        middle = _blank_cut(window.contrast, start, end, a, b)
        if end - start >= LONG_BLANK_FRAMES:
            candidates.append(Candidate("fade", first + middle, first + a, first + b, None))
        else:
            quick = quick_features(window, step, a, middle, b, True)
            candidates.append(_candidate(window, "fade", (a, middle, b), quick))
    return candidates


def _blank_cut(contrast: Floats, start: int, end: int, a: int, b: int) -> int:
    """Where to cut at the blank frames [start, end): on a hard edge if there is one, the
    new shot's before the old one's, else in the middle."""
    if b - end <= 1:
        return end
    if start - 1 - a <= 1:
        return max(start, 1)
    return (start + end) // 2


def _whole_picture(contrast: Floats, at: int, direction: int) -> int:
    """Walks out of a fade, from its edge to where the contrast grows no more."""
    for _ in range(FADE_REACH_FRAMES):
        ahead = [at + direction * k for k in (1, 2, 3) if 0 <= at + direction * k < len(contrast)]
        if not ahead or max(contrast[k] for k in ahead) <= contrast[at] * 1.03 + 0.2:
            break
        at += direction
    return at


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


def _candidate(window: FrameWindow, kind: CutKind, span: Span, quick: tuple[float, ...]) -> Candidate:
    first, (start, middle, end) = window.first_frame, span
    features = (*quick, *close_features(window, start, middle, end))
    return Candidate(kind, first + middle, first + start, first + end, features)
