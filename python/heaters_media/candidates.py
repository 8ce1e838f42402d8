"""What the feature stages hand to the decision: places where a new shot may begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CutKind = Literal["cut", "dissolve", "fade"]


@dataclass(frozen=True)
class Candidate:
    """A possible boundary, in absolute frame numbers.

    `frame` would be the first frame of the new shot; the change runs over the frames
    [start_frame, end_frame], which for a hard cut is `frame` alone. `features` are the
    model's inputs, in the order that the kind's feature list names; None where the case
    is plain and no model is asked.
    """

    kind: CutKind
    frame: int
    start_frame: int
    end_frame: int
    features: tuple[float, ...] | None
