"""Raw analysis frames out of a stream, many at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .frame_source import read_fully
from .geometry import FRAME_BYTES
from .protocol import ProtocolError

BATCH_FRAMES = 32

FrameBatch = NDArray[np.uint8]
"""Raw frames, shape (frames, FRAME_BYTES)."""


def read_batches(stream: BinaryIO) -> Iterator[FrameBatch]:
    """Yields raw frames in order, up to `BATCH_FRAMES` at a time, until end of file.

    Raises `ProtocolError('truncated-frame')` if the stream ends inside a frame.
    """
    frame_count = 0
    while True:
        block = read_fully(stream, BATCH_FRAMES * FRAME_BYTES)
        whole, rest = divmod(len(block), FRAME_BYTES)
        if whole:
            frame_count += whole
            yield np.frombuffer(block, np.uint8, whole * FRAME_BYTES).reshape(whole, FRAME_BYTES)
        if rest:
            raise ProtocolError(
                "truncated-frame",
                f"The frames end {rest} bytes into frame {frame_count} (a frame has "
                f"{FRAME_BYTES}). ffmpeg was stopped or scaled to another size: run the step again.",
            )
        if len(block) < BATCH_FRAMES * FRAME_BYTES:
            return
