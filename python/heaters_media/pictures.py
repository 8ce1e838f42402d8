"""Pictures out of files and into files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .protocol import ProtocolError

Picture = NDArray[np.uint8]
"""BGR, 8 bits."""

WEBP_QUALITY = 82


def read_picture(path: str) -> Picture:
    """Decodes a file, upright as its EXIF says. What has too many pixels (OPENCV_IO_MAX_IMAGE_PIXELS) is not decoded at all.

    Raises `ProtocolError('bad-picture')`.
    """
    try:
        picture = cv2.imread(path, cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise ProtocolError("bad-picture", "This picture can’t be read: send a JPEG, PNG or WebP file.")
    return picture  # type: ignore[return-value]


def resized(picture: Picture, width: int) -> Picture:
    """The picture at most this wide."""
    if picture.shape[1] <= width:
        return picture
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def write_webp(path: Path, picture: Picture) -> None:
    """Writes a picture down. Raises `OSError` where that fails."""
    if not cv2.imwrite(str(path), picture, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]):
        raise OSError(f"{path.name} could not be written")
