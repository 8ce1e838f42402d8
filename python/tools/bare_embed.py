"""What `npm run bench -- embed` is measured against: `bare_embed.py pictures FOLDER COUNT`, and `run MODEL PICTURES BATCH`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

WIDTH, HEIGHT = 640, 360


def make_pictures(folder: Path, count: int) -> None:
    """Stills as the app keeps them: WebP with something in it."""
    random = np.random.default_rng(7)
    for index in range(count):
        coarse = random.integers(0, 256, (9, 16, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.webp"), cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))


def run(vision: Path, size: int, count: int, batch: int) -> float:
    """Seconds that the image tower alone takes for so many pictures, in the batches of the app."""
    session = onnxruntime.InferenceSession(str(vision), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(7).standard_normal((batch, 3, size, size)).astype(np.float32)
    session.run(["image_embeds"], {"pixel_values": pixels})
    began = time.perf_counter()
    for start in range(0, count, batch):
        session.run(["image_embeds"], {"pixel_values": pixels[: count - start]})
    return time.perf_counter() - began


if __name__ == "__main__":
    if sys.argv[1] == "pictures":
        make_pictures(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        folder = Path(sys.argv[2])
        model = json.loads((folder / "model.json").read_text())
        print(run(folder / model["files"]["vision"]["path"], model["imageSize"], int(sys.argv[3]), int(sys.argv[4])))
