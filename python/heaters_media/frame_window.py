"""A sliding window of analysed frames: what bounds memory for a film of any length.

Per frame it holds the small luma picture and its signature; everything older than the
context that the candidates need is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .frame_source import FrameBatch
from .geometry import (
    ANALYSIS_HEIGHT,
    ANALYSIS_WIDTH,
    CHROMA_BYTES,
    CHROMA_HEIGHT,
    CHROMA_WIDTH,
    LUMA_BYTES,
)

Floats = NDArray[np.float32]

CELL = 3
"""Side of a signature cell in luma pixels: large enough that hand tremor stays inside it."""

CHROMA_WEIGHT = 1.5
"""Colour differences span a smaller range than luma ones; this brings them level."""

HISTOGRAM_BINS = 32

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
    - `luma_cdf`, `chroma_cdf` float32 (n, bins): cumulative histograms in 0…1
    - `contrast`, `brightness`, `sharpness` float32 (n): standard deviation, mean and mean
      absolute horizontal gradient of luma, in grey levels
    `had_content_before` tells whether any dropped frame was not blank.
    """

    def __init__(self) -> None:
        self.first_frame = 0
        self.had_content_before = False
        self.luma = np.empty((0, ANALYSIS_HEIGHT, ANALYSIS_WIDTH), np.uint8)
        self.signature: Floats = np.empty((0, _signature_length()), np.float32)
        self.luma_cdf: Floats = np.empty((0, HISTOGRAM_BINS), np.float32)
        self.chroma_cdf: Floats = np.empty((0, 2 * HISTOGRAM_BINS), np.float32)
        self.contrast: Floats = np.empty(0, np.float32)
        self.brightness: Floats = np.empty(0, np.float32)
        self.sharpness: Floats = np.empty(0, np.float32)

    @property
    def end_frame(self) -> int:
        """The frame number after the last one held."""
        return self.first_frame + len(self.luma)

    def append(self, batch: FrameBatch) -> None:
        """Analyses raw frames and adds them at the end."""
        luma, u, v = _planes(batch)
        luma_f = luma.astype(np.float32)
        self.luma = np.concatenate([self.luma, luma])
        self.signature = np.concatenate([self.signature, _signatures(luma_f, u, v)])
        self.luma_cdf = np.concatenate([self.luma_cdf, _cdfs(luma)])
        chroma_cdf = np.concatenate([_cdfs(u, 64, 192), _cdfs(v, 64, 192)], axis=1)
        self.chroma_cdf = np.concatenate([self.chroma_cdf, chroma_cdf])
        self.contrast = np.concatenate([self.contrast, luma_f.std(axis=(1, 2))])
        self.brightness = np.concatenate([self.brightness, luma_f.mean(axis=(1, 2))])
        gradient = np.abs(luma_f[:, :, 1:] - luma_f[:, :, :-1]).mean(axis=(1, 2))
        self.sharpness = np.concatenate([self.sharpness, gradient])

    def drop_before(self, frame: int) -> None:
        """Forgets frames before `frame`."""
        drop = min(max(frame - self.first_frame, 0), len(self.luma))
        if not drop:
            return
        if not self.is_blank()[:drop].all():
            self.had_content_before = True
        for name in ("luma", "signature", "luma_cdf", "chroma_cdf", "contrast", "brightness", "sharpness"):
            setattr(self, name, getattr(self, name)[drop:].copy())
        self.first_frame += drop

    def is_blank(self) -> NDArray[np.bool_]:
        """For each frame, whether it is plainly black or white."""
        is_extreme = (self.brightness < BLACK_BRIGHTNESS) | (self.brightness > WHITE_BRIGHTNESS)
        return (self.contrast < BLANK_CONTRAST) & is_extreme

    def lag_distance(self, lag: int) -> Floats:
        """The signature distance of each frame to the one `lag` before it.

        Gives the mean absolute difference in grey levels; frames without such a
        predecessor are compared with the oldest frame held.
        """
        length = len(self.signature)
        distance = np.empty(length, np.float32)
        head = min(lag, length)
        if head:
            distance[:head] = _mean_abs(self.signature[:head] - self.signature[:1])
        if length > lag:
            distance[lag:] = _mean_abs(self.signature[lag:] - self.signature[:-lag])
        return distance

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


def _signatures(luma: Floats, u: NDArray[np.uint8], v: NDArray[np.uint8]) -> Floats:
    parts = [_cells(luma), CHROMA_WEIGHT * _cells(u), CHROMA_WEIGHT * _cells(v)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _cells(planes: NDArray[np.uint8] | Floats) -> Floats:
    """Cell means, by OpenCV's area averaging: much faster than a reshaped numpy mean."""
    count, height, width = planes.shape
    size = (width // CELL, height // CELL)
    cells = np.empty((count, size[1], size[0]), np.float32)
    for index in range(count):
        plane = planes[index].astype(np.float32, copy=False)
        cv2.resize(plane, size, dst=cells[index], interpolation=cv2.INTER_AREA)
    return cells.reshape(count, -1)


def _cdfs(planes: NDArray[np.uint8], low: int = 0, high: int = 256) -> Floats:
    """Cumulative histograms: their mean absolute difference is the earth mover's distance
    in one dimension, which a small change of exposure moves only a little."""
    count = len(planes)
    span = np.clip(planes.reshape(count, -1), low, high - 1).astype(np.int32) - low
    bins = span * HISTOGRAM_BINS // (high - low)
    bins += np.arange(count, dtype=np.int32)[:, None] * HISTOGRAM_BINS
    counts = np.bincount(bins.ravel(), minlength=count * HISTOGRAM_BINS)
    shares = counts.reshape(count, HISTOGRAM_BINS) / span.shape[1]
    return np.cumsum(shares, axis=1).astype(np.float32)


def _mean_abs(difference: Floats) -> Floats:
    return np.abs(difference).mean(axis=1)
