"""Shots for generated films: real ones read from a folder, and synthetic ones drawn by seed.

Every shot is one camera take: a list of BGR frames with no cut inside. Synthetic ones are
meant to be awkward (whip pans, tremor, darkness), since that is where detectors fail.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Rng = np.random.Generator

VIDEO_SUFFIXES = {".mp4", ".webm", ".mkv", ".avi", ".mov", ".gif"}
DECODE_WIDTH = 480
DECODE_HEIGHT = 270


@dataclass(frozen=True)
class Shot:
    """A take and the group it belongs to; two takes of one group are never joined."""

    group: str
    frames: list[Frame]


@dataclass(frozen=True)
class MaterialSpan:
    """A stretch [start_frame, end_frame) of a video file that holds no cut."""

    path: Path
    group: str
    start_frame: int
    end_frame: int | None


def list_material(folder: Path) -> list[MaterialSpan]:
    """Gives the usable stretches of a folder of videos.

    `material.json` in the folder may name, per file, its `group` (takes that look alike)
    and its `spans` [[first, end), …] between known cuts; a file without an entry counts as
    one take. Files it does not name are left out if it exists.
    """
    manifest_path = folder / "material.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else None
    spans: list[MaterialSpan] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in VIDEO_SUFFIXES or (manifest and path.name not in manifest):
            continue
        entry = (manifest or {}).get(path.name, {})
        group = entry.get("group", path.stem)
        for start, end in entry.get("spans", [[0, None]]):
            spans.append(MaterialSpan(path, f"{group}@{start}" if entry.get("distinct") else group, start, end))
    return spans


def read_span(span: MaterialSpan, ffmpeg_path: str) -> list[Frame]:
    """Decodes a stretch at the generator's working size. Raises `CalledProcessError`."""
    chosen = f"select='gte(n,{span.start_frame})'"
    if span.end_frame is not None:
        chosen = f"select='between(n,{span.start_frame},{span.end_frame - 1})'"
    command = [
        ffmpeg_path, "-nostdin", "-v", "error", "-i", str(span.path), "-map", "0:v:0",
        "-vf", f"{chosen},scale={DECODE_WIDTH}:{DECODE_HEIGHT}", "-fps_mode", "passthrough",
        "-pix_fmt", "bgr24", "-f", "rawvideo", "-",
    ]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, DECODE_HEIGHT, DECODE_WIDTH, 3)
    return list(frames)


def real_shot(frames: list[Frame], group: str, length: int, rng: Rng) -> Shot:
    """Takes `length` frames (or all) of a decoded stretch, seen through a random virtual
    camera: a crop that may stand, drift, tremble or whip across, a flip, a colour grade."""
    speed = int(rng.choice([1, 1, 1, 2, 3])) if len(frames) > 3 * length else 1
    available = len(frames) // speed
    length = min(length, available)
    first = int(rng.integers(0, available - length + 1)) * speed
    chosen = frames[first : first + length * speed : speed]
    camera = random_camera(rng, len(chosen))
    grade = random_grade(rng)
    is_flipped = bool(rng.random() < 0.5)
    result = []
    for index, frame in enumerate(chosen):
        picture = grade(camera(frame, index))
        result.append(np.ascontiguousarray(picture[:, ::-1]) if is_flipped else picture)
    return Shot(group, result)


def random_camera(rng: Rng, length: int) -> Callable[[Frame, int], Frame]:
    """Gives a function (frame, index) -> frame that films the frame with a moving crop."""
    motion = rng.choice(["still", "still", "drift", "tremor", "zoom", "whip"], p=[0.3, 0.15, 0.15, 0.2, 0.1, 0.1])
    scale = {"still": rng.uniform(0.7, 1.0), "drift": rng.uniform(0.5, 0.8), "tremor": rng.uniform(0.7, 0.92), "zoom": 0.9, "whip": rng.uniform(0.4, 0.55)}[str(motion)]
    scales = np.full(length, scale)
    xs = np.full(length, rng.uniform(0, 1))
    ys = np.full(length, rng.uniform(0, 1))
    if motion == "drift":
        xs = np.linspace(rng.uniform(0, 1), rng.uniform(0, 1), length)
        ys = np.linspace(rng.uniform(0, 1), rng.uniform(0, 1), length)
    elif motion == "tremor":
        xs = np.clip(0.5 + _tremor(rng, length), 0, 1)
        ys = np.clip(0.5 + _tremor(rng, length), 0, 1)
    elif motion == "zoom":
        ends = (1.0, float(rng.uniform(0.35, 0.6)))
        scales = np.linspace(*(ends if rng.random() < 0.5 else ends[::-1]), length)
    elif motion == "whip":
        pan_frames = int(rng.integers(4, 14))
        start = int(rng.integers(0, max(length - pan_frames, 1)))
        progress = np.clip((np.arange(length) - start) / pan_frames, 0, 1)
        progress = progress * progress * (3 - 2 * progress)
        xs = progress if rng.random() < 0.5 else 1 - progress
    blurs = np.abs(np.gradient(xs)) * (1 - scales) * DECODE_WIDTH / scales if length > 1 else np.zeros(length)

    def film(frame: Frame, index: int) -> Frame:
        height, width = frame.shape[:2]
        crop_width, crop_height = width * scales[index], height * scales[index]
        left, top = (width - crop_width) * xs[index], (height - crop_height) * ys[index]
        zoom = width / crop_width
        matrix = np.array([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]], np.float32)
        picture = cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        blur = int(blurs[index] * 0.7)
        return cv2.blur(picture, (blur, 1)) if blur > 1 else picture

    return film


def _tremor(rng: Rng, length: int) -> NDArray[np.float64]:
    steps = rng.normal(0, 1, length + 8)
    smooth = np.convolve(steps, np.ones(5) / 5, "valid")[:length]
    return smooth * rng.uniform(0.1, 0.6)


def random_grade(rng: Rng) -> Callable[[Frame], Frame]:
    """Gives a colour grade: gamma and channel gains, at times a night-dark one."""
    gains = rng.uniform(0.8, 1.2, 3)
    gamma = rng.uniform(0.7, 1.4)
    level = rng.uniform(0.2, 0.45) if rng.random() < 0.08 else 1.0
    ramp = np.linspace(0, 1, 256) ** gamma
    table = np.clip(255 * level * ramp[:, None] * gains, 0, 255).astype(np.uint8)[None]
    return lambda frame: cv2.LUT(frame, table)


def synthetic_shot(rng: Rng, length: int) -> Shot:
    """Draws a take of `length` frames of a random kind."""
    makers = (_textured, _balls, _plasma, _titles)
    maker = makers[int(rng.integers(len(makers)))]
    return Shot(f"synthetic-{rng.integers(1 << 40)}", maker(rng, length))


def _canvas(rng: Rng, width: int = DECODE_WIDTH, height: int = DECODE_HEIGHT) -> Frame:
    """A still picture: noise of several scales over two colours, and some shapes."""
    field = np.zeros((height, width), np.float32)
    for octave in range(int(rng.integers(2, 6))):
        cells = (max(2, 2 << octave), max(2, 3 << octave))
        noise = rng.normal(0, 1, cells).astype(np.float32)
        field += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / (1 + octave * rng.uniform(0.3, 1))
    field = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    low, high = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    picture = (low + (high - low) * field[..., None]).astype(np.uint8)
    for _ in range(int(rng.integers(0, 25))):
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        size = int(rng.integers(5, 70))
        if rng.random() < 0.5:
            cv2.circle(picture, centre, size, colour, -1)
        else:
            cv2.rectangle(picture, centre, (centre[0] + size, centre[1] + int(size * rng.uniform(0.3, 2))), colour, -1)
    return picture


def _textured(rng: Rng, length: int) -> list[Frame]:
    """A camera moving over a still picture."""
    picture, camera = _canvas(rng), random_camera(rng, length)
    return [camera(picture, index) for index in range(length)]


def _balls(rng: Rng, length: int) -> list[Frame]:
    """Objects flying before a still background."""
    background = _canvas(rng)
    count = int(rng.integers(2, 12))
    places = rng.uniform(0, [DECODE_WIDTH, DECODE_HEIGHT], (count, 2))
    speeds = rng.normal(0, 7, (count, 2))
    sizes = rng.integers(8, 60, count)
    colours = rng.integers(0, 256, (count, 3))
    frames = []
    for _ in range(length):
        places = (places + speeds) % [DECODE_WIDTH, DECODE_HEIGHT]
        frame = background.copy()
        for place, size, colour in zip(places, sizes, colours):
            cv2.circle(frame, (int(place[0]), int(place[1])), int(size), tuple(int(c) for c in colour), -1)
        frames.append(frame)
    return frames


def _plasma(rng: Rng, length: int) -> list[Frame]:
    """Smoothly boiling colour: fire, water, smoke."""
    y, x = np.mgrid[0:DECODE_HEIGHT, 0:DECODE_WIDTH].astype(np.float32) / 40
    waves = rng.uniform(0.2, 1.5, (4, 2))
    rates = rng.uniform(-0.25, 0.25, 4)
    palette = cv2.resize(rng.integers(0, 256, (1, 5, 3)).astype(np.uint8), (256, 1))[0]
    frames = []
    for index in range(length):
        field = sum(np.sin(a * x + b * y + rate * index * 2) for (a, b), rate in zip(waves, rates))
        frames.append(palette[np.clip((field + 4) * 32, 0, 255).astype(np.uint8)])
    return frames


def _titles(rng: Rng, length: int) -> list[Frame]:
    """Text that comes and goes on a plain or textured ground."""
    ground = _canvas(rng) if rng.random() < 0.5 else np.full((DECODE_HEIGHT, DECODE_WIDTH, 3), rng.integers(0, 90, 3), np.uint8)
    written = ground.copy()
    for line in range(int(rng.integers(1, 4))):
        text = "".join(chr(65 + int(c)) for c in rng.integers(0, 26, int(rng.integers(5, 14))))
        cv2.putText(written, text, (40, 90 + 50 * line), cv2.FONT_HERSHEY_DUPLEX, 1.4, (240, 240, 240), 2)
    appear = float(rng.uniform(0, 0.4)) * length
    shares = np.clip((np.arange(length) - appear) / 12, 0, 1)
    return [cv2.addWeighted(written, float(s), ground, 1 - float(s), 0) for s in shares]
