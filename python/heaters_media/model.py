"""The learnt decision: gradient-boosted trees over named features, read from `model.json`.

The trees are trained offline by `tools/train_scenes.py` on annotated films; here they are
only evaluated, so nothing but numpy is needed at run time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL_PATH = Path(__file__).with_name("model.json")


@dataclass(frozen=True)
class TreeEnsemble:
    """Additive trees on the log-odds scale (J. Friedman, "Greedy function approximation: a
    gradient boosting machine", 2001).

    The nodes of all trees lie in parallel arrays; `roots` are the trees' first ones. From node i
    go to `left[i]` where `feature[i]` is <= `threshold[i]`, else to `right[i]`; a leaf leads to
    itself and has the `value` to add.
    """

    features: tuple[str, ...]
    bias: float
    roots: NDArray[np.intp]
    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    value: NDArray[np.float64]

    def probabilities(self, rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        """Gives the probability, 0 … 1, that each candidate is a shot boundary."""
        given = np.asarray(rows, np.float64).reshape(len(rows), len(self.features))
        row = np.arange(len(given))[:, None]
        nodes = np.broadcast_to(self.roots, (len(given), len(self.roots)))
        while True:
            is_low = given[row, self.feature[nodes]] <= self.threshold[nodes]
            deeper = np.where(is_low, self.left[nodes], self.right[nodes])
            if np.array_equal(deeper, nodes):
                break
            nodes = deeper
        log_odds = self.bias + self.value[nodes].sum(axis=1)
        return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -40.0, 40.0)))


Ensembles = dict[str, TreeEnsemble]
"""By name: `hard`, `gradual`, and `firstLook`, which spares most gradual candidates the close look."""


@dataclass(frozen=True)
class Model:
    """What model.json holds. Below `least_likely`, a first look ends the matter."""

    version: str
    least_likely: float
    ensembles: Ensembles


def ensembles_from(stored: dict[str, Any]) -> Ensembles:
    """Gives the ensembles by name from the form that model.json stores them in."""
    whole = ("roots", "feature", "left", "right")
    return {
        name: TreeEnsemble(
            features=tuple(entry["features"]),
            bias=entry["bias"],
            **{key: np.array(entry[key], np.intp) for key in whole},
            threshold=np.array(entry["threshold"]),
            value=np.array(entry["value"]),
        )
        for name, entry in stored.items()
    }


@cache
def load_model(path: Path = MODEL_PATH) -> Model:
    """Gives the model that the detector runs with."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Model(stored["version"], stored["leastLikely"], ensembles_from(stored["ensembles"]))
