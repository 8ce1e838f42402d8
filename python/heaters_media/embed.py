"""The warm process of embeddings: one request a line on stdin, one answer a line on stdout, until stdin ends."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .clip_model import ClipModel, Vectors, units
from .pictures import read_picture, resized, write_webp
from .protocol import EmbedClipsRequest, EmbedPictureRequest, MessageWriter, ProtocolError, parse_embed_request

log = logging.getLogger("heaters_media")

PICTURES_AT_ONCE = 16
"""Pictures of one run of the image tower: larger batches gain nothing on a CPU and take memory."""

THUMBNAIL_WIDTH = 320


def serve(lines: Iterable[str], writer: MessageWriter, folder: str) -> None:
    """Answers until the lines end. A bad request is answered and does not end it; a bad model does."""
    model = ClipModel(Path(folder))
    facts = model.description
    writer.ready(facts.name, facts.version, facts.dimensions)
    for line in lines:
        try:
            request = parse_embed_request(line)
            if isinstance(request, EmbedClipsRequest):
                writer.vectors(embed_clips(model, request.clips).tolist())
            elif isinstance(request, EmbedPictureRequest):
                picture = read_picture(request.path)
                write_webp(Path(request.thumbnail_path), resized(picture, THUMBNAIL_WIDTH))
                writer.vectors(model.embed_pictures([picture]).tolist())
            else:
                writer.vectors([model.embed_text(request.text).tolist()])
        except ProtocolError as error:
            writer.error(error.code, error.message)


def embed_clips(model: ClipModel, clips: list[list[str]]) -> Vectors:
    """One unit vector for each clip: the mean direction of its pictures."""
    paths = [path for clip in clips for path in clip]
    rows = np.concatenate(
        [
            model.embed_pictures([read_picture(path) for path in paths[start : start + PICTURES_AT_ONCE]])
            for start in range(0, len(paths), PICTURES_AT_ONCE)
        ]
    )
    ends = np.cumsum([len(clip) for clip in clips])
    means = np.stack([part.mean(axis=0) for part in np.split(rows, ends[:-1])])
    return units(means)
