"""Trains the detector's model on annotated films and writes `heaters_media/model.json`.

    python tools/train_scenes.py --train FOLDER [--train FOLDER …] --test FOLDER … [--write]

Needs scikit-learn besides the package's own requirements. Candidates are made by the very
code that runs in production; each is labelled from the truth. Test folders must hold
other *material*, not only other films.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn.ensemble import GradientBoostingClassifier  # noqa: E402

from heaters_media import model as model_module  # noqa: E402
from heaters_media.candidates import Candidate  # noqa: E402
from heaters_media.cuts import CutParams, select_cuts  # noqa: E402
from heaters_media.detect_scenes import find_candidates, scored_by  # noqa: E402
from heaters_media.frame_batches import read_batches  # noqa: E402
from heaters_media.frame_source import decode_video  # noqa: E402
from heaters_media.gradual_features import GRADUAL_FEATURES, QUICK_FEATURES  # noqa: E402
from heaters_media.hard_cuts import HARD_FEATURES  # noqa: E402
from truth import Score, Truth, list_films, score_cuts  # noqa: E402

MODEL_VERSION = "3"
FEATURES = {"hard": HARD_FEATURES, "gradual": GRADUAL_FEATURES, "firstLook": QUICK_FEATURES}
LEARNING_RATE = 0.08
FIRST_LOOK_TREES = 40
FOLDS = 4
LOST_BY_FIRST_LOOK = 0.004
"""The share of true gradual candidates that the first look may end; each change has several."""

Film = tuple[str, Truth, list[Candidate], int]


def load_films(folders: list[Path], ffmpeg: str) -> list[Film]:
    """Decodes every annotated film of the folders and gives its candidates."""
    films: list[Film] = []
    for folder in folders:
        for path, truth in list_films(folder):
            frame_count = 0

            def counted(stream: Any) -> Any:
                nonlocal frame_count
                for batch in read_batches(stream):
                    frame_count += len(batch)
                    yield batch

            with decode_video(str(path), ffmpeg) as stream:
                candidates = [candidate for stretch in find_candidates(counted(stream)) for candidate in stretch]
            films.append((path.name, truth, candidates, frame_count))
    return films


def label_candidates(candidates: list[Candidate], truth: Truth) -> list[tuple[Candidate, int]]:
    """Gives the candidates that teach something, with 1 for a boundary and 0 for none.

    Left out are those for which either answer would do: next to a hard cut, and the
    second-best descriptions of a transition.
    """
    best = {
        max(inside, key=lambda c: _overlap(c, span))
        for span in truth.transitions
        if (inside := [c for c in candidates if c.kind != "cut" and _is_within(c, span)])
    }
    labelled = []
    for candidate in candidates:
        answer = 1 if candidate in best else _label(candidate, truth)
        if answer is not None and candidate.features is not None:
            labelled.append((candidate, answer))
    return labelled


def _label(candidate: Candidate, truth: Truth) -> int | None:
    around = [span for span in truth.transitions if _is_within(candidate, span)]
    if candidate.kind == "cut":
        if candidate.frame in truth.cuts:
            return 1
        near = any(abs(candidate.frame - cut) <= 1 for cut in truth.cuts)
        return None if near or around else 0
    if around:
        overlap = max(_overlap(candidate, span) for span in around)
        return 1 if overlap >= 0.5 else 0 if overlap < 0.25 else None
    near = any(candidate.start_frame - 1 <= cut <= candidate.end_frame + 1 for cut in truth.cuts)
    return None if near else 0


def _is_within(candidate: Candidate, span: tuple[int, int]) -> bool:
    return span[0] - 2 <= candidate.frame <= span[1] + 2


def _overlap(candidate: Candidate, span: tuple[int, int]) -> float:
    """Intersection over union of the candidate's span and a true one (last pure frame included)."""
    first, last = span[0] - 1, span[1]
    common = min(candidate.end_frame, last) - max(candidate.start_frame, first)
    return max(common, 0) / (max(candidate.end_frame, last) - min(candidate.start_frame, first))


def rows_of(film: Film, which: str) -> tuple[list[tuple[float, ...]], list[int]]:
    """Gives the features that an ensemble is told of each labelled candidate of a film, and the answers."""
    _, truth, candidates, _ = film
    asked = [(c, answer) for c, answer in label_candidates(candidates, truth) if (c.kind == "cut") == (which == "hard")]
    return [(c.features or ())[: len(FEATURES[which])] for c, _ in asked], [answer for _, answer in asked]


def booster(films: list[Film], which: str, trees: int, depth: int) -> GradientBoostingClassifier:
    """Fits trees to the candidates of the films."""
    rows, answers = zip(*(rows_of(film, which) for film in films))
    x, y = np.array(sum(rows, []), np.float32), np.array(sum(answers, []))
    print(f"{which}: {len(y)} candidates, {y.sum()} boundaries", file=sys.stderr)
    return GradientBoostingClassifier(
        n_estimators=trees, max_depth=depth, learning_rate=LEARNING_RATE, subsample=0.6,
        max_features=0.4, min_samples_leaf=12, random_state=7,
    ).fit(x, y)


def stored_form(fitted: GradientBoostingClassifier, which: str) -> dict[str, Any]:
    """Gives an ensemble in the form of model.json: the nodes of all trees one after another."""
    stored: dict[str, Any] = {"features": list(FEATURES[which]), "bias": float(fitted.init_.class_prior_[1])}
    stored["bias"] = float(np.log(stored["bias"] / (1 - stored["bias"])))
    stored |= {key: [] for key in ("roots", "feature", "threshold", "left", "right", "value")}
    for estimator in fitted.estimators_[:, 0]:
        tree, root = estimator.tree_, len(stored["feature"])
        is_leaf, own = tree.children_left < 0, np.arange(tree.node_count)
        stored["roots"].append(root)
        stored["feature"] += np.where(is_leaf, 0, tree.feature).tolist()
        stored["threshold"] += [float(f"{t:.6g}") for t in np.where(is_leaf, 0, tree.threshold)]
        stored["left"] += (root + np.where(is_leaf, own, tree.children_left)).tolist()
        stored["right"] += (root + np.where(is_leaf, own, tree.children_right)).tolist()
        stored["value"] += [float(f"{LEARNING_RATE * v:.5g}") for v in np.where(is_leaf, tree.value[:, 0, 0], 0)]
    return stored


def fit(films: list[Film], trees: int, depth: int) -> dict[str, Any]:
    """Fits all ensembles, and gives them with what goes with them in the form of model.json."""
    ensembles = {
        "hard": stored_form(booster(films, "hard", trees, depth), "hard"),
        "gradual": stored_form(booster(films, "gradual", trees, depth), "gradual"),
        "firstLook": stored_form(booster(films, "firstLook", FIRST_LOOK_TREES, 3), "firstLook"),
    }
    return {"version": MODEL_VERSION, "leastLikely": least_likely(films), "ensembles": ensembles}


def least_likely(films: list[Film]) -> float:
    """Gives the probability that a first look at a film it has not seen leaves few true changes below."""
    found: list[float] = []
    for fold in range(FOLDS):
        fitted = booster([film for i, film in enumerate(films) if i % FOLDS != fold], "firstLook", FIRST_LOOK_TREES, 3)
        for film in films[fold::FOLDS]:
            rows, answers = rows_of(film, "firstLook")
            true_rows = [row for row, answer in zip(rows, answers) if answer]
            found += fitted.predict_proba(np.array(true_rows, np.float32))[:, 1].tolist() if true_rows else []
    return float(np.quantile(found, LOST_BY_FIRST_LOOK))


def evaluate(films: list[Film], model: dict[str, Any], is_verbose: bool) -> Score:
    """Scores the films with the given model; prints errors if asked."""
    loaded = model_module.ensembles_from(model["ensembles"])
    total = Score()
    for name, truth, candidates, frame_count in films:
        scored = scored_by(loaded, [c for c in candidates if is_looked_at(c, loaded, model["leastLikely"])])
        cuts = select_cuts(scored, frame_count, CutParams())
        score, false_frames, missed = score_cuts([cut.frame for cut in cuts], truth)
        total += score
        if is_verbose and (false_frames or missed):
            false_cuts = [(c.frame, c.kind, c.start_frame, c.end_frame, round(c.score, 2)) for c in cuts if c.frame in false_frames]
            best = [max((s.score for s in scored if a <= s.frame <= b), default=None) for a, b in missed]
            print(f"  {name}: F1 {score.f1:.3f} false {false_cuts} missed {list(zip(missed, best))}")
    return total


def is_looked_at(candidate: Candidate, ensembles: model_module.Ensembles, least: float) -> bool:
    """Whether a candidate outlives the first look."""
    if candidate.kind == "cut" or candidate.features is None:
        return True
    return bool(ensembles["firstLook"].probabilities([candidate.features[: len(QUICK_FEATURES)]])[0] >= least)


def main() -> None:
    """Parses the command line, trains, prints the scores, and writes the model if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, action="append", required=True)
    parser.add_argument("--test", type=Path, action="append", default=[])
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--ffmpeg", default="ffmpeg")
    parser.add_argument("--write", action="store_true", help="write heaters_media/model.json")
    options = parser.parse_args()
    train = load_films(options.train, options.ffmpeg)
    model = fit(train, options.trees, options.depth)
    print(f"train: F1 {evaluate(train, model, False).f1:.4f}")
    for folder in options.test:
        films = load_films([folder], options.ffmpeg)
        print(f"{folder.name}: F1 {evaluate(films, model, True).f1:.4f}")
    if options.write:
        model_module.MODEL_PATH.write_text(json.dumps(model, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
