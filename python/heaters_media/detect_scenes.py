"""The scene detector: a stream of small frames in, the film's cuts out, in one pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2

from .candidates import Candidate
from .cuts import CutParams, ScoredCandidate, select_cuts
from .frame_batches import FrameBatch
from .frame_window import FrameWindow
from .gradual_cuts import FirstLook, find_gradual_candidates
from .hard_cuts import find_hard_candidates
from .model import Ensembles, Model, load_model
from .protocol import ProtocolError

DETECTOR_NAME = "heaters-scenes"
CONTEXT_FRAMES = 128
"""Frames kept on either side of those being decided: the longest dissolve and its surroundings."""

CORE_FRAMES = 96
"""Frames decided at a time: enough for numpy to be quick, few enough that little is left to
do once the last frame is in."""

PROGRESS_INTERVAL_SECONDS = 0.25
LEAST_KEPT_SCORE = 0.02


@dataclass(frozen=True)
class Detection:
    """A film's cuts, the number of frames read, and every parameter that had a say."""

    frame_count: int
    cuts: list[ScoredCandidate]
    params: dict[str, Any]


def detect_scenes(
    batches: Iterable[FrameBatch],
    overrides: dict[str, float] | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Detection:
    """Finds the cuts of a film given as raw frames in the geometry of `geometry.py`.

    `on_progress` is told the frames read, at most four times a second. Raises
    `ProtocolError`: 'bad-request' for an unknown override, 'no-frames' for an empty
    stream, and whatever reading the batches raises.
    """
    try:
        params = CutParams.with_overrides(overrides or {})
    except KeyError as error:
        known = ", ".join(asdict(CutParams()))
        message = f"Unknown parameter {error.args[0]!r}. Known: {known}."
        raise ProtocolError("bad-request", message) from error
    # One film uses one core: the others belong to the encoder beside us.
    cv2.setNumThreads(1)
    model = load_model()
    counter = _ProgressCounter(on_progress)
    scored = [
        cut
        for candidates in find_candidates(counter.count(batches), _first_look(model))
        for cut in scored_by(model.ensembles, candidates)
        if cut.score >= LEAST_KEPT_SCORE
    ]
    if counter.frame_count == 0:
        raise ProtocolError("no-frames", "Not one frame arrived: the source has no picture, or ffmpeg failed before it.")
    cuts = select_cuts(scored, counter.frame_count, params)
    effective = {"detector": DETECTOR_NAME, "version": model.version, **asdict(params)}
    return Detection(counter.frame_count, cuts, effective)


def find_candidates(batches: Iterable[FrameBatch], first_look: FirstLook | None = None) -> Iterator[list[Candidate]]:
    """Yields every candidate of the film, a stretch at a time, in bounded memory.

    Without `first_look` none is left out for being unlikely: so the trainer sees them all.
    """
    window = FrameWindow()
    decided = 0
    for batch in batches:
        window.append(batch)
        while window.end_frame - decided >= CORE_FRAMES + CONTEXT_FRAMES:
            yield _candidates_in(window, decided, decided + CORE_FRAMES, first_look)
            decided += CORE_FRAMES
            window.drop_before(decided - CONTEXT_FRAMES)
    if window.end_frame > decided:
        yield _candidates_in(window, decided, window.end_frame, first_look)


def _candidates_in(window: FrameWindow, start: int, end: int, first_look: FirstLook | None) -> list[Candidate]:
    return find_hard_candidates(window, start, end) + find_gradual_candidates(window, start, end, first_look)


def _first_look(model: Model) -> FirstLook:
    return lambda rows: (model.ensembles["firstLook"].probabilities(rows) >= model.least_likely).tolist()


def scored_by(ensembles: Ensembles, candidates: Sequence[Candidate]) -> list[ScoredCandidate]:
    """Gives the candidates with the probabilities that the ensembles see, without their features."""
    scores = dict.fromkeys(range(len(candidates)), 1.0)
    for name, is_hard in (("hard", True), ("gradual", False)):
        asked = {
            index: candidate.features
            for index, candidate in enumerate(candidates)
            if candidate.features is not None and (candidate.kind == "cut") == is_hard
        }
        if asked:
            scores.update(zip(asked, ensembles[name].probabilities(list(asked.values())).tolist()))
    return [
        ScoredCandidate(candidate.kind, candidate.frame, candidate.start_frame, candidate.end_frame, scores[index])
        for index, candidate in enumerate(candidates)
    ]


class _ProgressCounter:
    """Counts frames as they pass and tells of them, throttled at the source."""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self.frame_count = 0
        self._on_progress = on_progress
        self._told_at_seconds = time.monotonic()

    def count(self, batches: Iterable[FrameBatch]) -> Iterator[FrameBatch]:
        for batch in batches:
            self.frame_count += len(batch)
            now_seconds = time.monotonic()
            if now_seconds - self._told_at_seconds >= PROGRESS_INTERVAL_SECONDS:
                self._told_at_seconds = now_seconds
                self._on_progress(self.frame_count)
            yield batch
