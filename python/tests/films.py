"""Small films drawn in numpy, so that the tests need neither ffmpeg nor files.

Importing this first also puts the package on the path, so that
`python -m unittest discover -s python/tests` works from a bare checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from heaters_media.geometry import ANALYSIS_HEIGHT, ANALYSIS_WIDTH  # noqa: E402

Picture = NDArray[np.uint8]
WIDE_WIDTH = ANALYSIS_WIDTH * 6


def scene(seed: int, width: int = ANALYSIS_WIDTH) -> Picture:
    """A textured colour picture, another for every seed."""
    rng = np.random.default_rng(seed)
    field = np.zeros((ANALYSIS_HEIGHT, width, 3), np.float32)
    for cells in (3, 7, 15):
        noise = rng.normal(0, 1, (cells, cells * width // ANALYSIS_HEIGHT + 1, 3)).astype(np.float32)
        field += cv2.resize(noise, (width, ANALYSIS_HEIGHT), interpolation=cv2.INTER_CUBIC)
    base = rng.uniform(70, 180, 3)
    return np.clip(base + 38 * field, 0, 255).astype(np.uint8)


def still(seed: int, length: int) -> list[Picture]:
    """A static shot with a little sensor noise."""
    rng = np.random.default_rng(seed + 1000)
    picture = scene(seed).astype(np.float32)
    return [np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8) for _ in range(length)]


def mix(a: Picture, b: Picture, share: float) -> Picture:
    """`a` with that share of `b`."""
    return cv2.addWeighted(a, 1 - share, b, share, 0)


def dissolve(a: list[Picture], b: list[Picture], length: int) -> list[Picture]:
    """Joins two shots by a dissolve over the last frames of `a` and the first of `b`."""
    middle = [mix(a[i - length], b[i], (i + 1) / (length + 1)) for i in range(length)]
    return a[:-length] + middle + b[length:]


def fade_out(shot: list[Picture], length: int, colour: int = 0) -> list[Picture]:
    """The shot, its last frames fading to a plain colour."""
    plain = np.full_like(shot[0], colour)
    return shot[:-length] + [mix(f, plain, (i + 1) / length) for i, f in enumerate(shot[-length:])]


def fade_in(shot: list[Picture], length: int, colour: int = 0) -> list[Picture]:
    """The shot, its first frames coming out of a plain colour."""
    return fade_out(shot[::-1], length, colour)[::-1]


def pan(seed: int, length: int, pixels_per_frame: float) -> list[Picture]:
    """A camera that sweeps over a wide scene."""
    wide = scene(seed, WIDE_WIDTH)
    lefts = [int(i * pixels_per_frame) for i in range(length)]
    return [wide[:, left : left + ANALYSIS_WIDTH].copy() for left in lefts]


def as_batches(frames: list[Picture], batch_frames: int = 32) -> list[NDArray[np.uint8]]:
    """The film in the raw form and batches that the detector reads."""
    raw = np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).ravel() for frame in frames])
    return [raw[i : i + batch_frames] for i in range(0, len(raw), batch_frames)]
