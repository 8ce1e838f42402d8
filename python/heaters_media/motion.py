"""What is left of a picture's change once motion is taken out: the detector's second eye."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import ANALYSIS_HEIGHT, ANALYSIS_WIDTH

Luma = NDArray[np.uint8]
Residual = NDArray[np.float32]

_grid_x, _grid_y = np.meshgrid(
    np.arange(ANALYSIS_WIDTH, dtype=np.float32), np.arange(ANALYSIS_HEIGHT, dtype=np.float32)
)
_GRID = np.dstack([_grid_x, _grid_y])
_flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)


def unexplained_change(a: Luma, b: Luma) -> Residual:
    """Gives picture `b` less what moving the parts of `a` predicts of it, in grey levels.

    The motion is dense inverse search flow (T. Kroeger et al., "Fast Optical Flow using
    Dense Inverse Search", ECCV 2016) at its coarsest: too stiff to bend one scene into
    another, so a pan or a passing object leaves little and another scene leaves much.
    """
    flow = _flow.calc(b, a, None)
    predicted = cv2.remap(a, _GRID + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.subtract(b, predicted, dtype=cv2.CV_32F)


def unexplained_mean(a: Luma, b: Luma) -> float:
    """The mean absolute `unexplained_change`, in grey levels."""
    return float(np.abs(unexplained_change(a, b)).mean())


def drift(pictures: list[Luma]) -> tuple[float, float]:
    """How far the pictures change in place, beside their motion.

    Gives the mean absolute sum of the step-wise unexplained changes in grey levels, and
    its coherence 0 … 1: that sum over the sum of the steps' sizes. In a dissolve every
    step adds the same part of (B - A), so they add up; what motion leaves is noise, which
    cancels.
    """
    total = np.zeros((ANALYSIS_HEIGHT // 3, ANALYSIS_WIDTH // 3), np.float32)
    path = 0.0
    for a, b in zip(pictures, pictures[1:]):
        step = cv2.resize(unexplained_change(a, b), total.shape[::-1], interpolation=cv2.INTER_AREA)
        total += step
        path += float(np.abs(step).mean())
    size = float(np.abs(total).mean())
    return size, size / max(path, 1e-3)
