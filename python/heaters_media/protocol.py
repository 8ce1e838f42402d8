"""The wire format between Node and this package: one JSON message a line, versioned.

A request comes as one line on stdin; messages leave as lines on stdout; stderr is log.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

from .geometry import ANALYSIS_HEIGHT, ANALYSIS_PIXEL_FORMAT, ANALYSIS_WIDTH

PROTOCOL_VERSION = 1

ErrorCode = Literal["truncated-frame", "bad-request", "no-frames", "internal"]


class ProtocolError(Exception):
    """An expected failure that the caller is told of by a typed message.

    `message` says what happened and what to do about it, in one or two sentences.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message


@dataclass(frozen=True)
class DetectScenesRequest:
    """A parsed `detect-scenes` request.

    `frames_path` is a file or FIFO, or `fd:N` for an inherited descriptor.
    `expected_frame_count` is only a hint for the log; `params` overrides detector
    parameters by name.
    """

    frames_path: str
    frame_rate_num: int
    frame_rate_den: int
    expected_frame_count: int | None = None
    params: dict[str, float] = field(default_factory=dict)


def parse_request(line: str) -> DetectScenesRequest:
    """Turns the request line into a `DetectScenesRequest`.

    Raises `ProtocolError('bad-request')` for anything that is not exactly one.
    """
    try:
        message = json.loads(line)
    except json.JSONDecodeError as error:
        raise _bad(f"The request is no JSON ({error}). Send one JSON object on one line.") from error
    if not isinstance(message, dict):
        raise _bad("The request must be one JSON object on one line.")
    if message.get("v") != PROTOCOL_VERSION:
        raise _bad(
            f"The request has protocol version {message.get('v')!r}, this side speaks "
            f"{PROTOCOL_VERSION}. Deploy Node and Python from the same commit."
        )
    if message.get("type") != "detect-scenes":
        raise _bad(f"Unknown request type {message.get('type')!r}. Known: 'detect-scenes'.")
    _check_geometry(message)
    num, den = _frame_rate(message.get("frameRate"))
    frames_path = message.get("framesPath")
    if not isinstance(frames_path, str) or not frames_path:
        raise _bad("'framesPath' must name a file, a FIFO or 'fd:N'.")
    expected = message.get("expectedFrames")
    if expected is not None and not _is_count(expected):
        raise _bad("'expectedFrames' must be null or a whole number of frames above 0.")
    return DetectScenesRequest(frames_path, num, den, expected, _params(message.get("params")))


def _check_geometry(message: dict[str, Any]) -> None:
    given = (message.get("width"), message.get("height"), message.get("pixelFormat"))
    wanted = (ANALYSIS_WIDTH, ANALYSIS_HEIGHT, ANALYSIS_PIXEL_FORMAT)
    if given != wanted:
        raise _bad(
            f"Frames must be {wanted[0]}x{wanted[1]} {wanted[2]}, the request says "
            f"{given[0]}x{given[1]} {given[2]}. Scale with the filter named in geometry.py."
        )


def _frame_rate(value: object) -> tuple[int, int]:
    if isinstance(value, dict) and _is_count(value.get("num")) and _is_count(value.get("den")):
        return value["num"], value["den"]
    raise _bad("'frameRate' must be {\"num\": …, \"den\": …}, two whole numbers above 0.")


def _params(value: object) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _bad("'params' must be an object of numbers by name.")
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise _bad(f"Parameter {name!r} must be a number.")
    return {str(name): float(number) for name, number in value.items()}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _bad(message: str) -> ProtocolError:
    return ProtocolError("bad-request", message)


class MessageWriter:
    """Writes versioned messages, one JSON object a line, each flushed at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout

    def progress(self, frame_count: int) -> None:
        """Says how many frames have been read so far."""
        self._write({"type": "progress", "frames": frame_count})

    def result(self, frame_count: int, cuts: list[dict[str, Any]], params: dict[str, Any]) -> None:
        """Gives the final answer: frames read, cuts found, parameters in force."""
        self._write({"type": "result", "frameCount": frame_count, "cuts": cuts, "params": params})

    def error(self, code: ErrorCode, message: str) -> None:
        """Gives the typed failure that ends the conversation."""
        self._write({"type": "error", "code": code, "message": message})

    def _write(self, message: dict[str, Any]) -> None:
        self._stream.write(json.dumps({"v": PROTOCOL_VERSION, **message}) + "\n")
        self._stream.flush()
