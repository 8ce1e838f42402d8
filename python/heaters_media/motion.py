"""What is left of a picture's change once motion is taken out: the detector's second eye."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import ANALYSIS_HEIGHT, ANALYSIS_WIDTH

Luma = NDArray[np.uint8]

_grid_x, _grid_y = np.meshgrid(
    np.arange(ANALYSIS_WIDTH, dtype=np.float32), np.arange(ANALYSIS_HEIGHT, dtype=np.float32)
)
_GRID = np.dstack([_grid_x, _grid_y])
_flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)


def predicted(a: Luma, b: Luma) -> Luma:
    """Gives what moving the parts of picture `a` can do to look like `b`.

    The motion is dense inverse search flow (T. Kroeger et al., "Fast Optical Flow using
    Dense Inverse Search", ECCV 2016) at its coarsest: too stiff to bend one scene into
    another, so a pan or a passing object leaves little unexplained, another scene much.
    """
    flow = _flow.calc(b, a, None)
    return cv2.remap(a, cv2.add(_GRID, flow), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def unexplained_mean(a: Luma, b: Luma) -> float:
    """The mean absolute difference of `b` and its prediction from `a`, in grey levels."""
    return cv2.norm(b, predicted(a, b), cv2.NORM_L1) / b.size


def unexplained_mean_and_correlation(a: Luma, b: Luma) -> tuple[float, float]:
    """`unexplained_mean`, and Pearson's correlation, -1 … 1, of `b` and its prediction.

    Near 1 the two are one scene in other light: exposure changes the scale and offset of
    grey levels, which a correlation ignores.
    """
    likely = predicted(a, b)
    mean = cv2.norm(b, likely, cv2.NORM_L1) / b.size
    return mean, float(cv2.matchTemplate(b, likely, cv2.TM_CCOEFF_NORMED)[0, 0])


def drift(pictures: list[Luma]) -> tuple[float, float]:
    """How far the pictures change in place, beside their motion.

    Gives the mean absolute sum of the step-wise unexplained changes in grey levels, and
    its coherence 0 … 1: that sum over the sum of the steps' sizes. In a dissolve every
    step adds the same part of (B - A), so they add up; what motion leaves is noise, which
    cancels.
    """
    cells = (ANALYSIS_WIDTH // 3, ANALYSIS_HEIGHT // 3)
    total = np.zeros(cells[::-1], np.float32)
    path = 0.0
    for a, b in zip(pictures, pictures[1:]):
        change = cv2.subtract(b, predicted(a, b), dtype=cv2.CV_32F)
        step = cv2.resize(change, cells, interpolation=cv2.INTER_AREA)
        total += step
        path += cv2.norm(step, cv2.NORM_L1) / step.size
    size = cv2.norm(total, cv2.NORM_L1) / total.size
    return size, size / max(path, 1e-3)
