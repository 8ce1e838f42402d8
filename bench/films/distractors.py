"""What looks like a cut and is none: laid over a shot, it must not change the truth."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from shots import Frame, Rng

Distractor = Callable[[list[Frame], Rng], tuple[list[Frame], list[int]]]
"""Gives the changed frames and the indices of those that flash."""


def flash(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """One to three frames go nearly white."""
    count = int(rng.integers(1, 4))
    start = int(rng.integers(3, max(len(frames) - count - 3, 4)))
    strength = float(rng.uniform(0.5, 1.0))
    touched = [i for i in range(start, start + count) if i < len(frames)]
    result = list(frames)
    for index in touched:
        result[index] = cv2.addWeighted(frames[index], 1 - strength, np.full_like(frames[index], 255), strength, 0)
    return result, touched


def strobe(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """Light that jumps every few frames, as lightning or a dance floor."""
    start = int(rng.integers(2, max(len(frames) // 2, 3)))
    touched = list(range(start, min(start + int(rng.integers(5, 25)), len(frames) - 2)))
    period = int(rng.integers(1, 4))
    result = list(frames)
    for offset, index in enumerate(touched):
        gain = float(rng.uniform(1.5, 3.0)) if (offset // period) % 2 == 0 else float(rng.uniform(0.2, 0.9))
        result[index] = cv2.convertScaleAbs(frames[index], alpha=gain, beta=10)
    return result, touched


def exposure(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """The light changes for good, at once or over some frames."""
    ramp_frames = int(rng.choice([1, 2, 6, 15]))
    start = int(rng.integers(2, max(len(frames) - ramp_frames - 2, 3)))
    gain = float(rng.choice([rng.uniform(0.45, 0.75), rng.uniform(1.3, 1.9)]))
    shares = np.clip((np.arange(len(frames)) - start + 1) / ramp_frames, 0, 1)
    return [cv2.convertScaleAbs(f, alpha=1 + (gain - 1) * float(s)) for f, s in zip(frames, shares)], []


def passing_object(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """Something large and near, textured or plain, crosses the picture."""
    height, width = frames[0].shape[:2]
    crossing_frames = int(rng.integers(6, 30))
    start = int(rng.integers(1, max(len(frames) - crossing_frames, 2)))
    object_width = int(width * rng.uniform(0.3, 1.1))
    top = int(height * rng.choice([0.0, rng.uniform(0.0, 0.4)]))
    patches = (3, 4) if rng.random() < 0.6 else (1, 1)
    skin = cv2.resize(rng.integers(0, 256, (*patches, 3)).astype(np.uint8), (object_width, height - top))
    is_leftward = bool(rng.random() < 0.5)
    result = list(frames)
    for offset in range(min(crossing_frames, len(frames) - start)):
        share = offset / crossing_frames
        left = int((width + object_width) * (1 - share if is_leftward else share)) - object_width
        frame = frames[start + offset].copy()
        low, high = max(left, 0), min(left + object_width, width)
        if low < high:
            frame[top:, low:high] = skin[:, low - left : high - left]
        result[start + offset] = frame
    return result, []


def visitor(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """A shaded body (a car, a person) comes in, may stop and stay, and may leave again."""
    height, width = frames[0].shape[:2]
    body_width, body_height = int(width * rng.uniform(0.15, 0.6)), int(height * rng.uniform(0.25, 0.95))
    skin = cv2.resize(rng.integers(0, 256, (int(rng.integers(2, 6)), int(rng.integers(2, 6)), 3)).astype(np.uint8), (body_width, body_height))
    mask = np.zeros((body_height, body_width), np.uint8)
    cv2.ellipse(mask, (body_width // 2, body_height // 2), (body_width // 2, body_height // 2), 0, 0, 360, 255, -1)
    from_point = np.array([rng.choice([-body_width, width]), rng.uniform(0, height - body_height)])
    to_point = np.array([rng.uniform(0, width - body_width), rng.uniform(0, height - body_height)])
    if rng.random() < 0.4:
        from_point, to_point = from_point[::-1] * [1, 1], np.array([to_point[0], float(rng.choice([-body_height, height]))])
    entry_frames = int(rng.integers(5, 40))
    start = int(rng.integers(0, max(len(frames) - entry_frames, 1)))
    shares = np.clip((np.arange(len(frames)) - start) / entry_frames, 0, 1)
    if rng.random() < 0.4:
        shares = 1 - shares
    result = []
    for frame, share in zip(frames, shares):
        left, top = (from_point + (to_point - from_point) * share).astype(int)
        changed = frame.copy()
        x0, x1, y0, y1 = max(left, 0), min(left + body_width, width), max(top, 0), min(top + body_height, height)
        if x0 < x1 and y0 < y1:
            part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
            changed[y0:y1, x0:x1][mask[part] > 0] = skin[part][mask[part] > 0]
        result.append(changed)
    return result, []


def caption(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """Text fades in over the picture, and out again."""
    height = frames[0].shape[0]
    overlay = np.zeros_like(frames[0])
    for line in range(int(rng.integers(1, 5))):
        text = "".join(chr(65 + int(c)) for c in rng.integers(0, 26, int(rng.integers(4, 18))))
        cv2.putText(overlay, text, (20, height - 30 - 45 * line), cv2.FONT_HERSHEY_DUPLEX, float(rng.uniform(0.8, 1.6)), (255, 255, 255), 2)
    ramp_frames = int(rng.choice([1, 8, 16]))
    start = int(rng.integers(0, max(len(frames) // 2, 1)))
    stop = int(rng.integers(start + 4, len(frames) + 4))
    indices = np.arange(len(frames))
    shares = np.minimum(np.clip((indices - start) / ramp_frames, 0, 1), np.clip((stop - indices) / ramp_frames, 0, 1))
    return [cv2.add(f, cv2.convertScaleAbs(overlay, alpha=float(s))) for f, s in zip(frames, shares)], []


def repeated_frames(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """Every n-th frame is shown twice, as when 24 frames a second fill 30."""
    period = int(rng.choice([2, 4, 5]))
    return [frames[index - index // period] for index in range(len(frames))], []


def handheld(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """A camera on a walking shoulder: it sways, rolls and jolts all the time."""
    height, width = frames[0].shape[:2]
    zoom, reach = float(rng.uniform(1.15, 1.4)), float(rng.uniform(0.3, 1.0))
    pace = float(rng.uniform(0.3, 0.9))
    phases = rng.uniform(0, 2 * np.pi, 3)
    result = []
    for index, frame in enumerate(frames):
        sway = np.sin(pace * index * np.array([0.5, 1.0, 0.35]) + phases) + rng.normal(0, 0.25, 3)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 2.5 * reach * sway[2], zoom)
        matrix[:, 2] += sway[:2] * reach * (zoom - 1) / 2 * np.array([width, height])
        result.append(cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REFLECT))
    return result, []


def defocus(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """The focus is lost, quickly or slowly, and found again or not."""
    start, ramp_frames = int(rng.integers(0, max(len(frames) - 12, 1))), int(rng.choice([4, 8, 16, 24]))
    strength = float(rng.uniform(3, 12))
    stop = start + ramp_frames + int(rng.integers(0, 20)) if rng.random() < 0.7 else 2 * len(frames)
    indices = np.arange(len(frames))
    shares = np.minimum(np.clip((indices - start) / ramp_frames, 0, 1), np.clip((stop + ramp_frames - indices) / ramp_frames, 0, 1))
    return [cv2.GaussianBlur(f, (0, 0), 0.01 + strength * float(s)) if s > 0 else f for f, s in zip(frames, shares)], []


def near_body(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """Someone walks by close to the lens: as wide as the picture, of real texture, soft at the edges."""
    height, width = frames[0].shape[:2]
    body_width, crossing_frames = int(width * rng.uniform(0.5, 1.3)), int(rng.integers(8, 40))
    source = frames[int(rng.integers(len(frames)))][::-1, ::-1]
    top, left = int(rng.integers(height // 2)), int(rng.integers(width // 2))
    piece = source[top : top + height // 2, left : left + width // 2]
    skin = cv2.convertScaleAbs(cv2.resize(piece, (body_width, height)), alpha=float(rng.uniform(0.3, 0.9)))
    edge = max(body_width // 12, 2)
    across = np.arange(body_width)
    alpha = np.clip(np.minimum(across, body_width - 1 - across) / edge, 0, 1).astype(np.float32)[None, :, None]
    start = int(rng.integers(0, max(len(frames) - crossing_frames, 1)))
    is_leftward = bool(rng.random() < 0.5)
    result = list(frames)
    for offset in range(min(crossing_frames, len(frames) - start)):
        share = offset / crossing_frames
        at = int((width + body_width) * (1 - share if is_leftward else share)) - body_width
        low, high = max(at, 0), min(at + body_width, width)
        if low < high:
            frame, cut = frames[start + offset].copy(), slice(low - at, high - at)
            mixed = frame[:, low:high] * (1 - alpha[:, cut]) + skin[:, cut] * alpha[:, cut]
            frame[:, low:high] = mixed.astype(np.uint8)
            result[start + offset] = frame
    return result, []


def lamp(frames: list[Frame], rng: Rng) -> tuple[list[Frame], list[int]]:
    """A lamp is switched on or off: part of the picture changes its light for good."""
    height, width = frames[0].shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot((x - rng.uniform(0, width)) / width, (y - rng.uniform(0, height)) / height)
    gain = float(rng.choice([rng.uniform(0.25, 0.6), rng.uniform(1.6, 2.6)]))
    light = (1 + (gain - 1) * np.exp(-((distance / rng.uniform(0.3, 0.9)) ** 2)))[..., None]
    start, ramp_frames = int(rng.integers(2, max(len(frames) - 4, 3))), int(rng.choice([1, 1, 2, 4]))
    shares = np.clip((np.arange(len(frames)) - start + 1) / ramp_frames, 0, 1)
    return [np.clip(f * (1 + (light - 1) * float(s)), 0, 255).astype(np.uint8) if s > 0 else f for f, s in zip(frames, shares)], []


DISTRACTORS: tuple[Distractor, ...] = (flash, flash, strobe, exposure, passing_object, visitor, visitor, visitor, exposure, caption, repeated_frames)
"""What a film is disturbed with unless it is told otherwise; repeated ones come more often."""

HARSH: tuple[Distractor, ...] = (handheld, defocus, near_body, lamp)
"""Only by name: they take whole shots over."""
