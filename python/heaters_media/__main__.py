"""`python -m heaters_media detect-scenes`, `make-stills`, `palettes` and `embed`: the processes that Node starts."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO

from .cuts import as_message
from .frame_source import decode_video, open_frames
from .parent import end_with_parent
from .protocol import MessageWriter, ProtocolError, parse_palettes_request, parse_request, parse_stills_request

if TYPE_CHECKING:
    from .detect_scenes import Detection

log = logging.getLogger("heaters_media")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code, 0 only after a result message."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    end_with_parent()
    writer = MessageWriter()
    try:
        if options.command == "make-stills":
            _make_stills(writer)
        elif options.command == "palettes":
            _find_palettes(writer)
        elif options.command == "embed":
            from .embed import serve

            serve(sys.stdin, writer, options.model)
        elif options.video is None:
            _detect_requested(writer)
        else:
            _detect_video(writer, options.video, options.ffmpeg)
    except ProtocolError as error:
        writer.error(error.code, error.message)
        return 2
    except Exception as error:  # the boundary: a bug must still reach the caller, typed
        log.exception("%s failed", options.command)
        writer.error("internal", f"The media process broke ({type(error).__name__}: {error}). The log has the trace.")
        return 1
    return 0


def _detect_requested(writer: MessageWriter) -> None:
    request = parse_request(sys.stdin.readline())
    with open_frames(request.frames_path) as stream:
        detection = _detect(stream, request.params, writer)
    expected = request.expected_frame_count
    if expected is not None and expected != detection.frame_count:
        log.warning("expected %d frames, got %d", expected, detection.frame_count)
    writer.result(detection.frame_count, [as_message(cut) for cut in detection.cuts], detection.params)


def _make_stills(writer: MessageWriter) -> None:
    request = parse_stills_request(sys.stdin.readline())
    with open_frames(request.frames_path) as stream:
        from .stills import make_stills

        for stills in make_stills(stream, request):
            writer.stills(stills.clip_id, stills.frames, stills.tile_count, stills.blurhash)


def _find_palettes(writer: MessageWriter) -> None:
    request = parse_palettes_request(sys.stdin.readline())
    from .colors import palettes

    for swatches in palettes(request):
        writer.palette([asdict(swatch) for swatch in swatches])


def _detect_video(writer: MessageWriter, video_path: str, ffmpeg_path: str) -> None:
    with decode_video(video_path, ffmpeg_path) as stream:
        detection = _detect(stream, {}, writer)
    writer.result(detection.frame_count, [as_message(cut) for cut in detection.cuts], detection.params)


def _detect(stream: BinaryIO, params: dict[str, float], writer: MessageWriter) -> Detection:
    # One film uses one core; threads for algebra that is never asked for take a fifth of the start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Loading numpy and OpenCV takes a while: ffmpeg fills the pipe meanwhile.
    from .detect_scenes import detect_scenes
    from .frame_batches import read_batches

    return detect_scenes(read_batches(stream), params, writer.progress)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="heaters_media", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    detect = commands.add_parser("detect-scenes", help="find cuts, dissolves and fades")
    detect.add_argument("--video", help="decode this file instead of reading a request from stdin")
    detect.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg to decode with")
    commands.add_parser("make-stills", help="choose and write stills of clips, asked for on stdin")
    commands.add_parser("palettes", help="find the colours of pictures, asked for on stdin")
    embed = commands.add_parser("embed", help="turn pictures and texts, asked for on stdin, into vectors")
    embed.add_argument("--model", required=True, help="the folder of the model")
    return parser


if __name__ == "__main__":
    sys.exit(main())
