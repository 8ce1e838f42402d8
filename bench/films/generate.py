"""Makes annotated films by seed: NAME.mp4 with its exact truth in NAME.json.

    python bench/films/generate.py --out FOLDER --films 8 --seed 1 [--material FOLDER] [--disturb NAME …]

Shots (real ones from --material, drawn ones otherwise) are joined by hard cuts,
dissolves, fades and wipes, disturbed by what looks like a cut, and compressed; with
--disturb every shot is disturbed, by the named ones only. Needs numpy, OpenCV and ffmpeg.
The truth is in frames:
`{"file", "fps": "25/1", "frames", "cuts": [first frame of each new shot],
"transitions": [{"start", "end", "kind"}], "flashes": [frames]}`; in a transition,
`start` is the first mixed frame and `end` the first frame of the pure new shot.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from distractors import DISTRACTORS, HARSH, Distractor
from shots import (
    DECODE_HEIGHT,
    DECODE_WIDTH,
    Frame,
    MaterialSpan,
    Rng,
    Shot,
    list_material,
    read_span,
    real_shot,
    synthetic_shot,
)

FRAME_RATES = ("25/1", "24/1", "24000/1001", "30000/1001", "30/1", "50/1")
JOINTS = ("cut", "dissolve", "fade through black", "fade through white", "wipe")
JOINT_SHARES = (0.56, 0.25, 0.13, 0.03, 0.03)
GRADUAL_FRAMES = (6, 8, 10, 12, 16, 20, 24, 30, 36, 48)
MIN_JOINT_DIFFERENCE = 14.0
"""Grey levels between the blurred pictures at a joint: less would be a truth nobody sees."""

MIN_SHOT_CONTRAST = 10.0
"""Grey levels: a shot that opens or ends on less could not be told from a fade."""


@dataclass
class Film:
    """Frames with their truth, as they grow."""

    frames: list[Frame] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    transitions: list[dict[str, int | str]] = field(default_factory=list)
    flashes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Disturbance:
    """What to lay over shots, and the share 0 … 1 of shots that get it."""

    distractors: tuple[Distractor, ...] = DISTRACTORS
    share: float = 0.4

    @staticmethod
    def only(names: list[str]) -> Disturbance:
        """The named distractors alone, over every shot."""
        return Disturbance(tuple(d for d in dict.fromkeys(DISTRACTORS + HARSH) if d.__name__ in names), 1.0)


def make_film(
    rng: Rng, spans: list[MaterialSpan], disturbance: Disturbance, shot_count: int, ffmpeg_path: str
) -> Film:
    """Joins `shot_count` random shots, and gives the film with its truth."""
    film = Film()
    last_group = ""
    while shot_count > 0:
        shot = _random_shot(rng, spans, ffmpeg_path)
        if shot.group == last_group or len(shot.frames) < 12 or not _is_visible(shot):
            continue
        if film.frames and _difference(film.frames[-1], shot.frames[0]) < MIN_JOINT_DIFFERENCE:
            continue
        frames, flashes = shot.frames, list[int]()
        if rng.random() < disturbance.share and len(frames) >= 24:
            distractors = disturbance.distractors
            frames, flashes = distractors[int(rng.integers(len(distractors)))](frames, rng)
        _join(film, frames, flashes, rng)
        last_group = shot.group
        shot_count -= 1
    return _finish(film, rng)


def _random_shot(rng: Rng, spans: list[MaterialSpan], ffmpeg_path: str) -> Shot:
    length = int(rng.choice([rng.integers(14, 40), rng.integers(40, 110)], p=[0.35, 0.65]))
    if not spans or rng.random() < 0.25:
        return synthetic_shot(rng, length)
    span = spans[int(rng.integers(len(spans)))]
    return real_shot(_cached_span(span, ffmpeg_path), span.group, length, rng)


@lru_cache(maxsize=4)
def _cached_span(span: MaterialSpan, ffmpeg_path: str) -> list[Frame]:
    """A few of the last stretches stay decoded: each takes a hundred megabytes and more."""
    return read_span(span, ffmpeg_path)


def _is_visible(shot: Shot) -> bool:
    return all(float(shot.frames[i].std()) >= MIN_SHOT_CONTRAST for i in (0, len(shot.frames) // 2, -1))


def _difference(a: Frame, b: Frame) -> float:
    small = [cv2.resize(f, (16, 9), interpolation=cv2.INTER_AREA).astype(np.float32) for f in (a, b)]
    return float(np.abs(small[0] - small[1]).mean())


def _join(film: Film, frames: list[Frame], flashes: list[int], rng: Rng) -> None:
    """Appends a shot by a random joint; a gradual one overlaps the two shots."""
    kind = str(rng.choice(JOINTS, p=JOINT_SHARES))
    longest = min(len(film.frames) - _last_boundary(film), len(frames)) // 2 - 2
    possible = [n for n in GRADUAL_FRAMES if n <= longest]
    if not film.frames or kind == "cut" or not possible:
        base = len(film.frames)
        if base:
            film.cuts.append(base)
        film.frames += frames
    else:
        count = int(rng.choice(possible))
        base = len(film.frames) - count
        for index in range(count):
            share = (index + 1) / (count + 1)
            film.frames[base + index] = _mix(film.frames[base + index], frames[index], share, kind)
        film.frames += frames[count:]
        film.transitions.append({"start": base, "end": base + count, "kind": kind})
    film.flashes += [base + index for index in flashes]


def _last_boundary(film: Film) -> int:
    ends = [int(t["end"]) for t in film.transitions]
    return max([*film.cuts, *ends], default=0)


def _mix(a: Frame, b: Frame, share: float, kind: str) -> Frame:
    if kind == "dissolve":
        return cv2.addWeighted(a, 1 - share, b, share, 0)
    if kind == "wipe":
        edge = int(a.shape[1] * share)
        return np.hstack([b[:, :edge], a[:, edge:]])
    picture, level = (a, 1 - 2 * share) if share < 0.5 else (b, 2 * share - 1)
    ground = 255 if kind.endswith("white") else 0
    return cv2.addWeighted(picture, abs(level), np.full_like(picture, ground), 1 - abs(level), 0)


def _finish(film: Film, rng: Rng) -> Film:
    """Treats the film as a whole: opening and closing fades, darkness, grain, black and
    white, bars."""
    if rng.random() < 0.3:
        count = int(rng.choice([8, 16, 30]))
        for index in range(count):
            film.frames[index] = cv2.convertScaleAbs(film.frames[index], alpha=index / count)
    if rng.random() < 0.3:
        count = int(rng.choice([8, 16, 30]))
        for index in range(count):
            film.frames[-1 - index] = cv2.convertScaleAbs(film.frames[-1 - index], alpha=index / count)
    is_grey, has_bars = rng.random() < 0.1, rng.random() < 0.2
    grain = float(rng.choice([0, 0, 0, 4, 9]))
    light = float(rng.uniform(0.35, 0.7)) if rng.random() < 0.25 else 1.0
    for index, frame in enumerate(film.frames):
        changed = cv2.convertScaleAbs(frame, alpha=light)
        if is_grey:
            changed = cv2.cvtColor(cv2.cvtColor(changed, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if grain:
            noise = rng.normal(0, grain, changed.shape[:2])[..., None]
            changed = np.clip(changed + noise, 0, 255).astype(np.uint8)
        if has_bars:
            bar = DECODE_HEIGHT // 8
            changed[:bar] = 0
            changed[-bar:] = 0
        film.frames[index] = changed
    return film


def write_film(film: Film, path: Path, rng: Rng, ffmpeg_path: str) -> None:
    """Encodes the film at a random rate and quality and writes its truth beside it."""
    rate = str(rng.choice(FRAME_RATES))
    quality = int(rng.choice([18, 23, 28, 34, 38]))
    command = [
        ffmpeg_path, "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24",
        "-s", f"{DECODE_WIDTH}x{DECODE_HEIGHT}", "-r", rate, "-i", "-", "-c:v", "libx264",
        "-preset", "veryfast", "-crf", str(quality), "-pix_fmt", "yuv420p", str(path),
    ]
    subprocess.run(command, input=b"".join(f.tobytes() for f in film.frames), check=True)
    truth = {
        "file": path.name, "fps": rate, "frames": len(film.frames), "cuts": film.cuts,
        "transitions": film.transitions, "flashes": sorted(set(film.flashes)),
    }
    path.with_suffix(".json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Parses the command line and makes the films; film i depends on seed and i alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--shots", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--material", type=Path, help="a folder of videos; see list_material")
    names = sorted({distractor.__name__ for distractor in DISTRACTORS + HARSH})
    parser.add_argument("--disturb", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--ffmpeg", default="ffmpeg")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    spans = list_material(options.material) if options.material else []
    disturbance = Disturbance.only(options.disturb) if options.disturb else Disturbance()
    for index in range(options.films):
        rng = np.random.default_rng([options.seed, index])
        film = make_film(rng, spans, disturbance, options.shots, options.ffmpeg)
        path = options.out / f"film-{options.seed}-{index:02d}.mp4"
        write_film(film, path, rng, options.ffmpeg)
        print(f"{path.name}: {len(film.frames)} frames, {len(film.cuts)} cuts, {len(film.transitions)} transitions", flush=True)


if __name__ == "__main__":
    main()
