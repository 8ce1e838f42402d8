"""Annotated films: reading the truth, and scoring cuts against it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HARD_TOLERANCE_FRAMES = 1
GRADUAL_TOLERANCE_FRAMES = 2
VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".avi")


@dataclass(frozen=True)
class Truth:
    """A film's cuts and its gradual transitions as (start, end) frames."""

    cuts: tuple[int, ...]
    transitions: tuple[tuple[int, int], ...]

    def spans(self) -> list[tuple[int, int]]:
        """Gives, for each boundary, the frames (first, last) where a cut is right."""
        hard = [(c - HARD_TOLERANCE_FRAMES, c + HARD_TOLERANCE_FRAMES) for c in self.cuts]
        gradual = [(s - GRADUAL_TOLERANCE_FRAMES, e + GRADUAL_TOLERANCE_FRAMES) for s, e in self.transitions]
        return hard + gradual


@dataclass(frozen=True)
class Score:
    """Counts of boundaries: found, false alarms, missed."""

    hits: int = 0
    false_alarms: int = 0
    misses: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(self.hits + other.hits, self.false_alarms + other.false_alarms, self.misses + other.misses)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 when there was nothing to find or say."""
        whole = 2 * self.hits + self.false_alarms + self.misses
        return 2 * self.hits / whole if whole else 1.0


def read_truth(path: Path) -> Truth:
    """Reads NAME.json as the generator writes it."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Truth(
        tuple(stored.get("cuts", [])),
        tuple((t["start"], t["end"]) for t in stored.get("transitions", [])),
    )


def list_films(folder: Path) -> list[tuple[Path, Truth]]:
    """Gives every video of a folder that has a truth beside it."""
    films = []
    for path in sorted(folder.iterdir()):
        if path.suffix in VIDEO_SUFFIXES and path.with_suffix(".json").exists():
            films.append((path, read_truth(path.with_suffix(".json"))))
    return films


def score_cuts(found: Sequence[int], truth: Truth) -> tuple[Score, list[int], list[tuple[int, int]]]:
    """Scores found cuts: gives the score, the false frames and the missed spans.

    Each boundary takes at most one cut; narrow spans choose first, then the nearest to
    the middle. Every further cut is a false alarm.
    """
    left = sorted(found)
    missed = []
    for first, last in sorted(truth.spans(), key=lambda span: (span[1] - span[0], span)):
        inside = [frame for frame in left if first <= frame <= last]
        if inside:
            left.remove(min(inside, key=lambda frame: abs(2 * frame - first - last)))
        else:
            missed.append((first, last))
    hits = len(truth.spans()) - len(missed)
    return Score(hits, len(left), len(missed)), left, missed
