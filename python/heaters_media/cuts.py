"""From scored candidates to the film's cuts: pure decisions, no pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from .candidates import CutKind


@dataclass(frozen=True)
class ScoredCandidate:
    """A candidate without its features, and the model's probability that it is a boundary."""

    kind: CutKind
    frame: int
    start_frame: int
    end_frame: int
    score: float


@dataclass(frozen=True)
class CutParams:
    """What a request may override.

    `minHardScore`, `minGradualScore`: least probability accepted. `minShotFrames`: of two
    cuts closer than this, the likelier one stays. `edgeFrames`: no gradual cut is
    placed this near the film's ends, where fades in and out live.
    """

    minHardScore: float = 0.5
    minGradualScore: float = 0.5
    minShotFrames: float = 4
    edgeFrames: float = 4

    @staticmethod
    def with_overrides(overrides: dict[str, float]) -> CutParams:
        """Gives the defaults with named values replaced.

        Raises `KeyError` with the unknown name.
        """
        known = {field.name for field in fields(CutParams)}
        for name in overrides:
            if name not in known:
                raise KeyError(name)
        return CutParams(**overrides)


def select_cuts(
    candidates: Sequence[ScoredCandidate], frame_count: int, params: CutParams
) -> list[ScoredCandidate]:
    """Gives the accepted cuts: strictly increasing frames in (0, frame_count), one per change.

    The likeliest candidates go first; each silences those that describe the same change.
    A hard cut outranks a gradual one that spans it, since it is exact to the frame. Two
    parts of one dissolve are also one change where a silenced candidate spans them both.
    """
    accepted: list[ScoredCandidate] = []
    silenced: list[ScoredCandidate] = []
    for candidate in sorted(candidates, key=_rank):
        if not _is_acceptable(candidate, frame_count, params):
            continue
        if any(_is_same_change(candidate, other, params) for other in accepted):
            silenced.append(candidate)
        elif not any(
            _is_part(candidate, whole) and _is_part(other, whole) for whole in silenced for other in accepted
        ):
            accepted.append(candidate)
    return sorted(accepted, key=lambda cut: cut.frame)


def _rank(candidate: ScoredCandidate) -> tuple[bool, float, int]:
    return (candidate.kind != "cut", -candidate.score, candidate.frame)


def _is_acceptable(candidate: ScoredCandidate, frame_count: int, params: CutParams) -> bool:
    if not 0 < candidate.frame < frame_count:
        return False
    if candidate.kind == "cut":
        return candidate.score >= params.minHardScore
    is_inside = params.edgeFrames <= candidate.frame < frame_count - params.edgeFrames
    return is_inside and candidate.score >= params.minGradualScore


def _is_same_change(a: ScoredCandidate, b: ScoredCandidate, params: CutParams) -> bool:
    if abs(a.frame - b.frame) < params.minShotFrames:
        return True
    if a.kind == "cut" or b.kind == "cut":
        is_either_inside = a.start_frame <= b.frame <= a.end_frame or b.start_frame <= a.frame <= b.end_frame
        return a.kind != b.kind and is_either_inside
    return a.start_frame < b.end_frame and b.start_frame < a.end_frame


def _is_part(part: ScoredCandidate, whole: ScoredCandidate) -> bool:
    """Whether a gradual change has its middle within another."""
    return "cut" not in (part.kind, whole.kind) and whole.start_frame <= part.frame <= whole.end_frame


def as_message(cut: ScoredCandidate) -> dict[str, Any]:
    """Gives a cut in the form that the protocol sends."""
    return {
        "frame": cut.frame,
        "kind": cut.kind,
        "startFrame": cut.start_frame,
        "endFrame": cut.end_frame,
        "score": round(cut.score, 4),
    }
