"""A sliding window of analysed frames: what bounds memory for a film of any length.

Per frame it holds the small luma picture and its signature; everything older than the
context that the candidates need is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .frame_batches import FrameBatch
from .geometry import (
    ANALYSIS_HEIGHT,
    ANALYSIS_WIDTH,
    CHROMA_BYTES,
    CHROMA_HEIGHT,
    CHROMA_WIDTH,
    FRAME_BYTES,
    LUMA_BYTES,
)
from .sliding_rows import SlidingRows

Floats = NDArray[np.float32]

CELL = 3
"""Side of a signature cell in luma pixels: large enough that hand tremor stays inside it."""

CHROMA_WEIGHT = 1.5
"""Colour differences span a smaller range than luma ones; this brings them level."""

LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Frames apart: the distances over these are kept for every frame."""

HISTOGRAM_BINS = 32
LUMA_BINS = np.arange(256) * HISTOGRAM_BINS // 256
CHROMA_BINS = (np.clip(np.arange(256), 64, 191) - 64) * HISTOGRAM_BINS // 128
"""The bin of each grey level; colour seldom leaves the middle half of its range."""

BLANK_CONTRAST = 4.0
"""Grey levels: a picture with less shows nothing; black or white at that, it is blank."""

UNCHANGED_LEVELS = 4.0
"""Grey levels that a cell may move by and still count as unchanged."""

BLACK_BRIGHTNESS = 34.0
WHITE_BRIGHTNESS = 214.0
"""Grey levels of video range (black 16, white 235); a plain colour between is a picture."""


class FrameWindow:
    """The frames [first_frame, end_frame) of a film, with their per-frame features.

    Arrays are indexed by `frame - first_frame`:
    - `luma` uint8 (n, height, width)
    - `signature` float32 (n, cells): cell means of Y, U and V, in grey levels
    - `contrast`, `brightness`, `sharpness` float32 (n): standard deviation, mean and mean
      absolute horizontal gradient of luma, in grey levels
    `had_content_before` tells whether any dropped frame was not blank.
    """

    def __init__(self) -> None:
        self.first_frame = 0
        self.had_content_before = False
        self._raw = SlidingRows((FRAME_BYTES,), np.uint8)
        self._signatures = SlidingRows((_signature_length(),), np.float32)
        self._figures = SlidingRows((3,), np.float32)
        self._lag_distances = SlidingRows((len(LAGS),), np.float32)
        self._cdfs: dict[int, tuple[Floats, Floats]] = {}
        self._show_rows()

    @property
    def end_frame(self) -> int:
        """The frame number after the last one held."""
        return self.first_frame + len(self._raw.rows)

    def append(self, batch: FrameBatch) -> None:
        """Analyses raw frames and adds them at the end."""
        luma, u, v = _planes(batch)
        self._raw.append(batch)
        self._figures.append(_figures(luma))
        self._signatures.append(_signature(luma, u, v))
        self._lag_distances.append(_lag_distances(self._signatures.rows, len(batch)))
        self._show_rows()

    def drop_before(self, frame: int) -> None:
        """Forgets frames before `frame`."""
        drop = min(max(frame - self.first_frame, 0), len(self._raw.rows))
        if not drop:
            return
        if not self.is_blank()[:drop].all():
            self.had_content_before = True
        for rows in (self._raw, self._signatures, self._figures, self._lag_distances):
            rows.drop(drop)
        self._show_rows()
        self.first_frame += drop
        self._cdfs = {frame: cdfs for frame, cdfs in self._cdfs.items() if frame >= self.first_frame}

    def _show_rows(self) -> None:
        self.luma: NDArray[np.uint8] = self._raw.rows[:, :LUMA_BYTES].reshape(-1, ANALYSIS_HEIGHT, ANALYSIS_WIDTH)
        self.signature: Floats = self._signatures.rows
        self.contrast, self.brightness, self.sharpness = self._figures.rows.T

    def is_blank(self) -> NDArray[np.bool_]:
        """For each frame, whether it is plainly black or white."""
        is_extreme = (self.brightness < BLACK_BRIGHTNESS) | (self.brightness > WHITE_BRIGHTNESS)
        return (self.contrast < BLANK_CONTRAST) & is_extreme

    def lag_distance(self, lag: int) -> Floats:
        """The signature distance of each frame to the one `lag` before it, in grey levels.

        `lag` is one of LAGS. Frames without such a predecessor are compared with the film's first.
        """
        return self._lag_distances.rows[:, LAGS.index(lag)]

    def _cdfs_at(self, index: int) -> tuple[Floats, Floats]:
        """The cumulative histograms of luma and of both chroma planes at a window index, in 0 … 1."""
        frame = self.first_frame + index
        if frame not in self._cdfs:
            luma, u, v = _planes(self._raw.rows[index : index + 1])
            self._cdfs[frame] = _cdf(luma, LUMA_BINS), np.concatenate([_cdf(u, CHROMA_BINS), _cdf(v, CHROMA_BINS)])
        return self._cdfs[frame]

    def histogram_shift(self, a: int, b: int) -> tuple[float, float]:
        """How far luma's and chroma's histograms are moved between two window indices, 0 … 1."""
        (luma_a, chroma_a), (luma_b, chroma_b) = self._cdfs_at(a), self._cdfs_at(b)
        return float(np.abs(luma_a - luma_b).mean()), float(np.abs(chroma_a - chroma_b).mean())

    def distance(self, a: int, b: int) -> float:
        """The signature distance of two window indices, in grey levels."""
        return cv2.norm(self.signature[a], self.signature[b], cv2.NORM_L1) / self.signature.shape[1]

    def unchanged_share(self, a: int, b: int) -> float:
        """The share of signature cells that are the same at two window indices, 0 … 1.

        A passing object leaves the rest of the picture as it was; another scene does not.
        """
        return float((np.abs(self.signature[a] - self.signature[b]) < UNCHANGED_LEVELS).mean())

    def change_spread(self, a: int, b: int) -> float:
        """How evenly the change between two window indices is spread over the picture.

        Gives the participation ratio of the cells, (Σ|d|)² / (n Σd²): 1 if all change
        alike, k/n if k cells carry all of it, as when something small passes.
        """
        change = np.abs(self.signature[a] - self.signature[b])
        total = float(change.sum())
        return total * total / (len(change) * float(change @ change) + 1e-3)

    def cells_return(self, at: int, others: Sequence[int]) -> float:
        """How far the cells of index `at` stay from what they are at the best of the others.

        Gives a mean in grey levels. Behind something that passes the old picture comes
        back, cell by cell, if not all at once.
        """
        nearest = np.abs(self.signature[list(others)] - self.signature[at]).min(axis=0)
        return float(nearest.mean())

    def clamp(self, index: int) -> int:
        """The nearest index that the window holds."""
        return min(max(index, 0), len(self.luma) - 1)


def _planes(batch: FrameBatch) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    count = len(batch)
    luma = batch[:, :LUMA_BYTES].reshape(count, ANALYSIS_HEIGHT, ANALYSIS_WIDTH)
    chroma = batch[:, LUMA_BYTES:].reshape(count, 2, CHROMA_BYTES)
    shape = (count, CHROMA_HEIGHT, CHROMA_WIDTH)
    return luma, chroma[:, 0].reshape(shape), chroma[:, 1].reshape(shape)


def _signature_length() -> int:
    luma_cells = (ANALYSIS_WIDTH // CELL) * (ANALYSIS_HEIGHT // CELL)
    return luma_cells + 2 * (CHROMA_WIDTH // CELL) * (CHROMA_HEIGHT // CELL)


def _figures(luma: NDArray[np.uint8]) -> Floats:
    """Contrast, brightness and sharpness of each picture."""
    rows = luma.reshape(-1, ANALYSIS_WIDTH)
    gradient = cv2.absdiff(rows[:, 1:], rows[:, :-1]).reshape(len(luma), -1)
    figures = np.empty((len(luma), 3), np.float32)
    for index, picture in enumerate(luma):
        mean, deviation = cv2.meanStdDev(picture)
        figures[index, :2] = deviation[0, 0], mean[0, 0]
    figures[:, 2:] = cv2.reduce(gradient, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F) / gradient.shape[1]
    return figures


def _signature(luma: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8]) -> Floats:
    return np.concatenate([_cells(luma), CHROMA_WEIGHT * _cells(u), CHROMA_WEIGHT * _cells(v)], axis=1)


def _cells(planes: NDArray[np.uint8]) -> Floats:
    """Cell means of each plane. All planes are averaged as one tall picture, since no cell lies across two."""
    count, height, width = planes.shape
    tall = planes.reshape(-1, width).astype(np.float32)
    size = (width // CELL, count * height // CELL)
    return cv2.resize(tall, size, interpolation=cv2.INTER_AREA).reshape(count, -1)  # type: ignore[return-value]


def _lag_distances(signature: Floats, fresh: int) -> Floats:
    """The distances of the last `fresh` frames to those before them, one column for each of LAGS."""
    first, end = len(signature) - fresh, len(signature)
    distances = np.empty((fresh, len(LAGS)), np.float32)
    for column, lag in enumerate(LAGS):
        has_all = first >= lag
        older = signature[first - lag : end - lag] if has_all else signature[np.maximum(np.arange(first, end) - lag, 0)]
        difference = signature[first:] - older
        distances[:, column] = np.abs(difference, out=difference).mean(axis=1)
    return distances


def _cdf(plane: NDArray[np.uint8], bins: NDArray[np.intp]) -> Floats:
    """A cumulative histogram: the mean absolute difference of two is the earth mover's distance
    in one dimension, which a small change of exposure moves only a little."""
    counts = np.bincount(bins[plane.ravel()], minlength=HISTOGRAM_BINS)
    return (np.cumsum(counts) / plane.size).astype(np.float32)
