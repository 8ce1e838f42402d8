"""The colours of a clip: what k-means finds in its stills, in CIELAB, with the share of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .pictures import Picture, read_picture
from .protocol import PalettesRequest

COLOURS = 8
LEAST_SHARE = 0.01
"""What has less of the picture is left out."""

SAMPLE_WIDTH = 64
ROUNDS, TRIES, STEP = 20, 2, 0.5
"""k-means ends after so many rounds, or when no centre moves by more than `STEP` (about a just noticeable difference)."""


@dataclass(frozen=True)
class Swatch:
    """A colour, `#rrggbb`, and the share of the pictures that has it."""

    color: str
    share: float


def palettes(request: PalettesRequest) -> Iterator[list[Swatch]]:
    """The palette of each clip, in the order of the request."""
    for paths in request.clips:
        yield palette([read_picture(path) for path in paths])


def palette(pictures: Sequence[Picture]) -> list[Swatch]:
    """The colours of pictures together, the one with the largest share first. The same pictures give the same ones."""
    pixels = np.concatenate([_sample(picture) for picture in pictures])
    count = min(COLOURS, len(np.unique(pixels, axis=0)))
    cv2.setRNGSeed(1)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, ROUNDS, STEP)
    _, labels, centres = cv2.kmeans(pixels, count, np.empty(0, np.int32), criteria, TRIES, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(labels.ravel(), minlength=count) / len(pixels)
    rgb = cv2.cvtColor(centres[np.newaxis].astype(np.float32), cv2.COLOR_Lab2RGB)[0]
    found = [
        Swatch("#" + "".join(f"{round(float(np.clip(value, 0, 1)) * 255):02x}" for value in colour), round(float(share), 4))
        for colour, share in zip(rgb, shares, strict=True)
        if share >= LEAST_SHARE
    ]
    return sorted(found, key=lambda one: -one.share)


def _sample(picture: Picture) -> NDArray[np.float32]:
    height = max(1, round(picture.shape[0] * SAMPLE_WIDTH / picture.shape[1]))
    small = cv2.resize(picture, (SAMPLE_WIDTH, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2Lab).reshape(-1, 3)  # type: ignore[return-value]
