"""The learnt decision: gradient-boosted trees over named features, read from `model.json`.

The trees are trained offline by `tools/train_scenes.py` on annotated films; here they are
only evaluated, so nothing but numpy is needed at run time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

MODEL_PATH = Path(__file__).with_name("model.json")


@dataclass(frozen=True)
class Tree:
    """A binary regression tree in parallel lists; node 0 is the root.

    `feature[i] < 0` marks a leaf with `value[i]`; else go to `left[i]` where the feature
    is <= `threshold[i]`, to `right[i]` where it is above.
    """

    feature: list[int]
    threshold: list[float]
    left: list[int]
    right: list[int]
    value: list[float]

    def leaf_value(self, features: Sequence[float]) -> float:
        """Gives the value of the leaf that the features fall into."""
        node = 0
        while self.feature[node] >= 0:
            is_low = features[self.feature[node]] <= self.threshold[node]
            node = self.left[node] if is_low else self.right[node]
        return self.value[node]


@dataclass(frozen=True)
class TreeEnsemble:
    """Additive trees on the log-odds scale (J. Friedman, "Greedy function approximation: a
    gradient boosting machine", 2001)."""

    features: tuple[str, ...]
    bias: float
    trees: tuple[Tree, ...]

    def probability(self, features: Sequence[float]) -> float:
        """Gives the probability, 0 … 1, that the candidate is a shot boundary."""
        log_odds = self.bias + sum(tree.leaf_value(features) for tree in self.trees)
        return 1.0 / (1.0 + math.exp(-max(min(log_odds, 40.0), -40.0)))


def ensembles_from(stored: dict[str, Any]) -> dict[str, TreeEnsemble]:
    """Gives the ensembles by name from the form that model.json stores them in."""
    return {
        name: TreeEnsemble(
            tuple(entry["features"]),
            entry["bias"],
            tuple(Tree(**tree) for tree in entry["trees"]),
        )
        for name, entry in stored.items()
    }


@cache
def load_model(path: Path = MODEL_PATH) -> tuple[str, dict[str, TreeEnsemble]]:
    """Gives the model's version and its ensembles by name (`hard`, `gradual`)."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["version"], ensembles_from(stored["ensembles"])
