"""Do two pictures show the same scene, seen from a camera that moved? Costly: candidates only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK_WIDTH = 16
BLOCK_HEIGHT = 9
SEARCH_X = 14
SEARCH_Y = 9
FLAT_CONTRAST = 3.0
"""Grey levels: a block with less texture says nothing about position, only brightness."""

FLAT_TOLERANCE = 24.0
"""Grey levels: a flat block whose brightness moves by this much counts as wholly unmatched."""

Luma = NDArray[np.uint8]


def unmatched_share(a: Luma, b: Luma) -> float:
    """How much of picture `a` cannot be found again in `b`: 0 (all) … 1 (nothing).

    Each block of `a` is looked for in `b` around its place by normalised
    cross-correlation, which ignores brightness and contrast (J. P. Lewis, "Fast
    Normalized Cross-Correlation", 1995); what the best place leaves, 1 - correlation, is
    averaged over the blocks. So a pan, a passing object or a change of light scores low,
    another scene high.
    """
    height, width = a.shape
    padded = cv2.copyMakeBorder(b, SEARCH_Y, SEARCH_Y, SEARCH_X, SEARCH_X, cv2.BORDER_REPLICATE)
    losses = []
    for row, y in enumerate(range(0, height - BLOCK_HEIGHT + 1, BLOCK_HEIGHT)):
        # Every second block, as on a chessboard: half the cost, and as good an average.
        for x in range(row % 2 * BLOCK_WIDTH, width - BLOCK_WIDTH + 1, 2 * BLOCK_WIDTH):
            block = a[y : y + BLOCK_HEIGHT, x : x + BLOCK_WIDTH]
            area = padded[y : y + BLOCK_HEIGHT + 2 * SEARCH_Y, x : x + BLOCK_WIDTH + 2 * SEARCH_X]
            losses.append(_block_loss(block, area))
    return float(np.mean(losses))


def _block_loss(block: Luma, area: Luma) -> float:
    mean, deviation = cv2.meanStdDev(block)
    if deviation[0, 0] < FLAT_CONTRAST:
        centre = area[SEARCH_Y:-SEARCH_Y, SEARCH_X:-SEARCH_X]
        return min(abs(float(mean[0, 0]) - float(centre.mean())) / FLAT_TOLERANCE, 1.0)
    scores = cv2.matchTemplate(area, block, cv2.TM_CCOEFF_NORMED)
    # Over a featureless spot the ratio is undefined: a NaN or an infinity says nothing.
    best = cv2.minMaxLoc(cv2.patchNaNs(scores, 0.0))[1]
    return 1.0 - min(max(best, 0.0), 1.0) if best < 2.0 else 1.0


def shift_gain(a: Luma, b: Luma) -> float:
    """What share of the difference of two pictures a common shift explains: 0 … 1.

    The shift comes from phase correlation (Kuglin & Hines, 1975). Near 1 the camera
    moved; near 0 the content changed in place, as in a dissolve.
    """
    a_float, b_float = a.astype(np.float32), b.astype(np.float32)
    (dx, dy), _ = cv2.phaseCorrelate(a_float, b_float)
    dx, dy = int(round(dx)), int(round(dy))
    height, width = a.shape
    if (dx == 0 and dy == 0) or abs(dx) > width // 2 or abs(dy) > height // 2:
        return 0.0
    still = float(np.abs(a_float - b_float).mean())
    from_y, to_y = max(0, -dy), height - max(0, dy)
    from_x, to_x = max(0, -dx), width - max(0, dx)
    shifted = b_float[from_y + dy : to_y + dy, from_x + dx : to_x + dx]
    moved = float(np.abs(a_float[from_y:to_y, from_x:to_x] - shifted).mean())
    return min(max(1.0 - moved / max(still, 1e-3), 0.0), 1.0)


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's correlation of two feature vectors, -1 … 1; 0 when either is constant."""
    a_centred, b_centred = a - a.mean(), b - b.mean()
    scale = float(np.linalg.norm(a_centred) * np.linalg.norm(b_centred))
    return float(a_centred @ b_centred) / scale if scale > 1e-6 else 0.0
