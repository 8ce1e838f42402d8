"""Stills of clips: sharp frames near fixed places, in two sizes, a strip to scrub through, a blurhash.

No black, white or plain frame represents a clip that has any other, and of the frames near a
place the one with the strongest detail is taken: motion blur and dissolves have little of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import blurhash
import cv2
import numpy as np

from .frame_source import read_fully
from .pictures import Picture, resized, write_webp
from .protocol import ClipSpan, ProtocolError, StillsRequest

PLACES = (0.25, 0.5, 0.75)
"""Where in a clip its stills are, as shares of its length."""

REACH_SHARE = 0.1
REACH_FRAMES = 12
"""How far from its place a still may lie: a tenth of the clip, at most half a second of film."""

SMALL_WIDTH = 320
TILE_WIDTH = 160
MOST_TILES = 12
BLURHASH_COMPONENTS = (4, 3)
BLURHASH_WIDTH = 32

DARKEST_MEAN, BRIGHTEST_MEAN, PLAINEST_DEVIATION = 22.0, 236.0, 6.0
"""Luma of 8 bits beyond which a frame shows nothing."""


@dataclass(frozen=True)
class Stills:
    """What was made of a clip: the frames of its stills, the strip's tiles, and a blurhash of the middle one."""

    clip_id: int
    frames: list[int]
    tile_count: int
    blurhash: str


@dataclass(frozen=True)
class Candidate:
    """A frame that could represent a clip; a greater `rank` is better."""

    frame: int
    rank: tuple[bool, float]
    raw: bytearray


class ClipPlan:
    """Which frames of one clip to look at, and the best seen so far."""

    def __init__(self, clip: ClipSpan) -> None:
        self.clip = clip
        length = clip.end_frame - clip.start_frame
        reach = min(REACH_FRAMES, int(length * REACH_SHARE))
        places = sorted({clip.start_frame + int(length * share) for share in PLACES})
        self.windows = [(place - reach, place + reach) for place in places]
        tiles = min(MOST_TILES, length)
        self.tile_frames = [clip.start_frame + (length * (2 * tile + 1)) // (2 * tiles) for tile in range(tiles)]
        self.best: list[Candidate | None] = [None] * len(places)
        self.spare: Candidate | None = None
        self.tiles: list[Picture] = []

    def wants(self, frame: int) -> bool:
        """Whether this frame may become a still or is a tile of the strip."""
        return frame in self.tile_frames or any(first <= frame <= last for first, last in self.windows)

    def look(self, frame: int, raw: bytearray, width: int, height: int) -> None:
        """Takes a wanted frame into account."""
        candidate = Candidate(frame, _rank(raw, width, height), raw)
        if self.spare is None or candidate.rank > self.spare.rank:
            self.spare = candidate
        for index, (first, last) in enumerate(self.windows):
            best = self.best[index]
            if first <= frame <= last and (best is None or candidate.rank > best.rank):
                self.best[index] = candidate
        if frame in self.tile_frames:
            self.tiles.append(resized(_picture(raw, width, height), TILE_WIDTH))

    def chosen(self) -> list[Candidate]:
        """The stills in order, each frame once. One that shows nothing gives way to any that does."""
        assert self.spare is not None
        shown = [best if best is not None and best.rank[0] else self.spare for best in self.best]
        return sorted({candidate.frame: candidate for candidate in shown}.values(), key=lambda one: one.frame)


def make_stills(stream: BinaryIO, request: StillsRequest) -> Iterator[Stills]:
    """Reads frames from `first_frame` on and writes each clip's pictures as soon as the clip has passed.

    Files are `ID-0.webp`, `ID-0-small.webp` and so on, and `ID-strip.webp`. Clips must be in order
    and may not overlap. Raises `ProtocolError('truncated-frame')` if frames are missing.
    """
    frame_bytes = request.width * request.height * 3 // 2
    frame = request.first_frame
    for clip in request.clips:
        plan = ClipPlan(clip)
        while frame < clip.end_frame:
            raw = read_fully(stream, frame_bytes)
            if len(raw) < frame_bytes:
                raise ProtocolError("truncated-frame", f"The frames end at {frame}, the clip goes on to {clip.end_frame}.")
            if frame >= clip.start_frame and plan.wants(frame):
                plan.look(frame, raw, request.width, request.height)
            frame += 1
        yield _write(plan, request)


def _write(plan: ClipPlan, request: StillsRequest) -> Stills:
    folder, clip_id = Path(request.out_folder), plan.clip.clip_id
    chosen = plan.chosen()
    pictures = [_picture(one.raw, request.width, request.height) for one in chosen]
    for index, picture in enumerate(pictures):
        write_webp(folder / f"{clip_id}-{index}.webp", picture)
        write_webp(folder / f"{clip_id}-{index}-small.webp", resized(picture, SMALL_WIDTH))
    write_webp(folder / f"{clip_id}-strip.webp", np.hstack(plan.tiles))
    middle = cv2.cvtColor(resized(pictures[len(pictures) // 2], BLURHASH_WIDTH), cv2.COLOR_BGR2RGB)
    return Stills(
        clip_id,
        [one.frame for one in chosen],
        len(plan.tiles),
        blurhash.encode(middle.tolist(), *BLURHASH_COMPONENTS),
    )


def _rank(raw: bytearray, width: int, height: int) -> tuple[bool, float]:
    luma = np.frombuffer(raw, np.uint8, width * height).reshape(height, width)
    small = resized(luma, SMALL_WIDTH)
    mean, deviation = cv2.meanStdDev(small)
    shows = DARKEST_MEAN <= mean[0][0] <= BRIGHTEST_MEAN and deviation[0][0] >= PLAINEST_DEVIATION
    # The variance of the Laplacian: Pech-Pacheco et al., “Diatom autofocusing in brightfield microscopy” (2000).
    return bool(shows), float(cv2.Laplacian(small, cv2.CV_32F).var())


def _picture(raw: bytearray, width: int, height: int) -> Picture:
    planes = np.frombuffer(raw, np.uint8).reshape(height * 3 // 2, width)
    return cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)  # type: ignore[return-value]
