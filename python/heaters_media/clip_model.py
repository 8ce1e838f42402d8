"""CLIP's two towers by ONNX Runtime: pictures and words become vectors that can be compared.

A model is a folder: `model.json`, which says what it is and the SHA-256 of each file, and the files themselves.
Radford et al., “Learning Transferable Visual Models From Natural Language Supervision” (2021).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from .pictures import Picture
from .protocol import ProtocolError

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class ModelDescription:
    """What a model is. Its version is made of its files, so that other weights are another version."""

    name: str
    version: str
    dimensions: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    context_length: int


class ClipModel:
    """Both towers of a model, loaded when they are first needed and kept."""

    def __init__(self, folder: Path) -> None:
        """Raises `ProtocolError('bad-model')` where a file is missing or not the one that `model.json` names."""
        manifest = _read_manifest(folder)
        self.description = _describe(manifest)
        self._paths = {name: _verified(folder, name, entry) for name, entry in manifest["files"].items()}
        self._vision: onnxruntime.InferenceSession | None = None
        self._text: onnxruntime.InferenceSession | None = None
        self._tokenizer: Tokenizer | None = None

    def embed_pictures(self, pictures: Sequence[Picture]) -> Vectors:
        """Unit vectors of BGR pictures, one row each."""
        self._vision = self._vision or _session(self._paths["vision"])
        batch = np.stack([self._prepared(picture) for picture in pictures])
        return units(self._vision.run(["image_embeds"], {"pixel_values": batch})[0])

    def embed_text(self, text: str) -> Vectors:
        """The unit vector of a text; what is beyond the model's context is cut off."""
        self._text = self._text or _session(self._paths["text"])
        self._tokenizer = self._tokenizer or Tokenizer.from_file(str(self._paths["tokenizer"]))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.description.context_length)
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        wanted = {one.name for one in self._text.get_inputs()}
        return units(self._text.run(["text_embeds"], {name: given[name] for name in wanted})[0])[0]

    def _prepared(self, picture: Picture) -> Vectors:
        """As CLIP was trained: the middle square, RGB, normalised, channels first."""
        size = self.description.image_size
        height, width = picture.shape[:2]
        scale = size / min(height, width)
        shape = (max(size, round(width * scale)), max(size, round(height * scale)))
        resized = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        top, left = (shape[1] - size) // 2, (shape[0] - size) // 2
        square = cv2.cvtColor(resized[top : top + size, left : left + size], cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        return ((square - self.description.mean) / self.description.std).astype(np.float32).transpose(2, 0, 1)


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def units(vectors: Any) -> Vectors:
    """Vectors of the same directions and of length 1."""
    rows = np.asarray(vectors, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "model.json").read_text())
        missing = {"vision", "text", "tokenizer"} - set(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _bad(f"There is no readable model.json in it ({error}).") from error
    if missing:
        raise _bad(f"Its model.json does not name: {', '.join(sorted(missing))}.")
    return dict(manifest)


def _describe(manifest: dict[str, Any]) -> ModelDescription:
    try:
        return ModelDescription(
            str(manifest["name"]),
            str(manifest["version"]),
            int(manifest["dimensions"]),
            int(manifest["imageSize"]),
            tuple(map(float, manifest["mean"])),
            tuple(map(float, manifest["std"])),
            int(manifest["contextLength"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _bad(f"Its model.json is not complete ({error}).") from error


def _verified(folder: Path, name: str, entry: dict[str, Any]) -> Path:
    path = folder / entry["path"]
    if not path.is_file():
        raise _bad(f"Its file for {name} is missing.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != entry["sha256"]:
        raise _bad(f"Its file for {name} is not the one that model.json names.")
    return path


def _bad(what: str) -> ProtocolError:
    return ProtocolError("bad-model", f"The model can’t be used. {what} Fetch it anew with `npm run model`.")
