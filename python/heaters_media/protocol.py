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

ErrorCode = Literal["truncated-frame", "bad-request", "no-frames", "bad-model", "bad-picture", "internal"]


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


@dataclass(frozen=True)
class ClipSpan:
    """A clip's frames, `end_frame` exclusive."""

    clip_id: int
    start_frame: int
    end_frame: int


@dataclass(frozen=True)
class StillsRequest:
    """A parsed `make-stills` request: yuv420p frames of this size from `first_frame` on, and the clips in them."""

    frames_path: str
    out_folder: str
    width: int
    height: int
    first_frame: int
    clips: list[ClipSpan]


@dataclass(frozen=True)
class EmbedClipsRequest:
    """The files of each clip's pictures; every clip has at least one."""

    clips: list[list[str]]


@dataclass(frozen=True)
class EmbedTextRequest:
    """A text to look for."""

    text: str


@dataclass(frozen=True)
class EmbedPictureRequest:
    """A picture to look for, and where to write a thumbnail of it."""

    path: str
    thumbnail_path: str


@dataclass(frozen=True)
class PalettesRequest:
    """The files of each clip's pictures, whose colours are asked for; every clip has at least one."""

    clips: list[list[str]]


def parse_palettes_request(line: str) -> PalettesRequest:
    """Turns the request line into a `PalettesRequest`.

    Raises `ProtocolError('bad-request')` for anything that is not exactly one.
    """
    return PalettesRequest(_pictures_of_clips(_parse(line, "palettes")))


def parse_embed_request(line: str) -> EmbedClipsRequest | EmbedPictureRequest | EmbedTextRequest:
    """Turns a line of the `embed` process into a request.

    Raises `ProtocolError('bad-request')` for anything that is not exactly one.
    """
    message = _parse(line, "embed-clips", "embed-picture", "embed-text")
    if message["type"] == "embed-text":
        text = message.get("text")
        if not isinstance(text, str) or not text.strip():
            raise _bad("'text' must have a word in it.")
        return EmbedTextRequest(text)
    if message["type"] == "embed-picture":
        path, thumbnail_path = message.get("path"), message.get("thumbnailPath")
        if not isinstance(path, str) or not isinstance(thumbnail_path, str):
            raise _bad("'path' and 'thumbnailPath' must be paths of files.")
        return EmbedPictureRequest(path, thumbnail_path)
    return EmbedClipsRequest(_pictures_of_clips(message))


def _pictures_of_clips(message: dict[str, Any]) -> list[list[str]]:
    clips = message.get("clips")
    if not isinstance(clips, list) or not clips or not all(isinstance(clip, list) and clip for clip in clips):
        raise _bad("'clips' must be a list of lists of at least one file each.")
    if not all(isinstance(path, str) for clip in clips for path in clip):
        raise _bad("A picture must be the path of a file.")
    return clips


def parse_stills_request(line: str) -> StillsRequest:
    """Turns the request line into a `StillsRequest`.

    Raises `ProtocolError('bad-request')` for anything that is not exactly one.
    """
    message = _parse(line, "make-stills")
    width, height, first_frame = message.get("width"), message.get("height"), message.get("firstFrame")
    if not (_is_count(width) and _is_count(height) and width % 2 == 0 and height % 2 == 0):
        raise _bad("'width' and 'height' must be even numbers above 0.")
    if not isinstance(first_frame, int) or first_frame < 0:
        raise _bad("'firstFrame' must be a whole number.")
    frames_path, out_folder, clips = _frames_path(message), message.get("outFolder"), message.get("clips")
    if not isinstance(out_folder, str) or not out_folder:
        raise _bad("'outFolder' must name a folder.")
    if not isinstance(clips, list) or not clips:
        raise _bad("'clips' must be a list of at least one clip.")
    spans = [_span(clip) for clip in clips]
    starts = [first_frame, *(span.end_frame for span in spans)]
    if any(span.start_frame < start for span, start in zip(spans, starts, strict=False)):
        raise _bad("'clips' must be in order, not overlap, and not begin before 'firstFrame'.")
    return StillsRequest(frames_path, out_folder, int(width), int(height), first_frame, spans)


def _span(clip: object) -> ClipSpan:
    if isinstance(clip, dict):
        clip_id, start, end = clip.get("id"), clip.get("startFrame"), clip.get("endFrame")
        if _is_count(clip_id) and isinstance(start, int) and _is_count(end) and 0 <= start < end:
            return ClipSpan(clip_id, start, end)
    raise _bad('A clip must be {"id": …, "startFrame": …, "endFrame": …} with at least one frame.')


def parse_request(line: str) -> DetectScenesRequest:
    """Turns the request line into a `DetectScenesRequest`.

    Raises `ProtocolError('bad-request')` for anything that is not exactly one.
    """
    message = _parse(line, "detect-scenes")
    _check_geometry(message)
    num, den = _frame_rate(message.get("frameRate"))
    frames_path = _frames_path(message)
    expected = message.get("expectedFrames")
    if expected is not None and not _is_count(expected):
        raise _bad("'expectedFrames' must be null or a whole number of frames above 0.")
    return DetectScenesRequest(frames_path, num, den, expected, _params(message.get("params")))


def _parse(line: str, *wanted: str) -> dict[str, Any]:
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
    if message.get("type") not in wanted:
        raise _bad(f"Unknown request type {message.get('type')!r}. Known: {', '.join(map(repr, wanted))}.")
    return message


def _check_geometry(message: dict[str, Any]) -> None:
    given = (message.get("width"), message.get("height"), message.get("pixelFormat"))
    wanted = (ANALYSIS_WIDTH, ANALYSIS_HEIGHT, ANALYSIS_PIXEL_FORMAT)
    if given != wanted:
        raise _bad(
            f"Frames must be {wanted[0]}x{wanted[1]} {wanted[2]}, the request says "
            f"{given[0]}x{given[1]} {given[2]}. Scale with the filter named in geometry.py."
        )


def _frames_path(message: dict[str, Any]) -> str:
    frames_path = message.get("framesPath")
    if not isinstance(frames_path, str) or not frames_path:
        raise _bad("'framesPath' must name a file, a FIFO or 'fd:N'.")
    return frames_path


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

    def stills(self, clip_id: int, frames: list[int], tile_count: int, blurhash: str) -> None:
        """Says that the pictures of a clip are written."""
        self._write({"type": "stills", "clipId": clip_id, "frames": frames, "tileCount": tile_count, "blurhash": blurhash})

    def palette(self, swatches: list[dict[str, Any]]) -> None:
        """Gives the colours of a clip, in the order in which clips were named."""
        self._write({"type": "palette", "swatches": swatches})

    def ready(self, name: str, version: str, dimensions: int) -> None:
        """Says that the model is loaded, and which it is."""
        self._write({"type": "ready", "name": name, "version": version, "dimensions": dimensions})

    def vectors(self, vectors: list[list[float]]) -> None:
        """Gives vectors in the order in which they were asked for."""
        self._write({"type": "vectors", "vectors": vectors})

    def error(self, code: ErrorCode, message: str) -> None:
        """Gives the typed failure that ends the conversation."""
        self._write({"type": "error", "code": code, "message": message})

    def _write(self, message: dict[str, Any]) -> None:
        self._stream.write(json.dumps({"v": PROTOCOL_VERSION, **message}) + "\n")
        self._stream.flush()
