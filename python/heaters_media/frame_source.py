"""Where raw frames come from: a FIFO or descriptor that ffmpeg fills, or an ffmpeg of our own.

Nothing here needs numpy, so that ffmpeg decodes already while that is loaded.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from .geometry import ANALYSIS_FILTER
from .protocol import ProtocolError

PIPE_BYTES = 1 << 20
"""Room for 134 frames: ffmpeg decodes on while numpy is loaded or a core is decided."""


def read_fully(stream: BinaryIO, size_bytes: int) -> bytearray:
    """Reads `size_bytes`, less only at end of file (pipes give short reads)."""
    block = bytearray(size_bytes)
    view = memoryview(block)
    filled = 0
    while filled < size_bytes:
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            break
        filled += got
    view.release()
    return block[:filled]


@contextmanager
def open_frames(frames_path: str) -> Iterator[BinaryIO]:
    """Opens a file, a FIFO, or the inherited descriptor `fd:N` for reading.

    Raises `ProtocolError('bad-request')` if it cannot be opened.
    """
    try:
        if frames_path.startswith("fd:"):
            stream = os.fdopen(int(frames_path[3:]), "rb", buffering=0)
        else:
            stream = open(frames_path, "rb", buffering=0)
    except (OSError, ValueError) as error:
        raise ProtocolError(
            "bad-request", f"The frames at {frames_path!r} cannot be opened: {error}."
        ) from error
    with stream:
        _widen_pipe(stream.fileno())
        yield stream  # type: ignore[misc]


def _widen_pipe(descriptor: int) -> None:
    """Asks for a larger pipe; where the system will not, the default does as well, slower."""
    with suppress(OSError, ImportError):
        import fcntl

        fcntl.fcntl(descriptor, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)


@contextmanager
def decode_video(video_path: str, ffmpeg_path: str) -> Iterator[BinaryIO]:
    """Runs ffmpeg on a video and gives the pipe of its analysis frames.

    Frames come as decoded, none repeated or dropped. Raises `ProtocolError('no-frames')`
    if ffmpeg fails, with the last line that it said.
    """
    command = [
        ffmpeg_path, "-nostdin", "-v", "error", "-i", video_path, "-map", "0:v:0",
        "-fps_mode", "passthrough", "-vf", ANALYSIS_FILTER, "-f", "rawvideo", "pipe:1",
    ]
    # A file, not a pipe, takes stderr: a chatty decoder must never block on us.
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, bufsize=0)
        except OSError as error:
            raise ProtocolError(
                "bad-request", f"ffmpeg cannot be started ({error}). Install it or pass --ffmpeg."
            ) from error
        assert process.stdout is not None
        _widen_pipe(process.stdout.fileno())
        try:
            yield process.stdout  # type: ignore[misc]
        finally:
            process.stdout.close()
            exit_code = process.wait()
        if exit_code != 0:
            log.seek(0)
            last_line = log.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise ProtocolError("no-frames", f"ffmpeg could not decode {video_path}: {last_line}")
