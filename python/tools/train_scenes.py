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
from heaters_media.frame_source import decode_video, read_batches  # noqa: E402
from heaters_media.gradual_features import GRADUAL_FEATURES  # noqa: E402
from heaters_media.hard_cuts import HARD_FEATURES  # noqa: E402
from truth import Score, Truth, list_films, score_cuts  # noqa: E402

MODEL_VERSION = "2"
FEATURES = {"hard": HARD_FEATURES, "gradual": GRADUAL_FEATURES}
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
                candidates = list(find_candidates(counted(stream)))
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


def fit(films: list[Film], which: str, trees: int, depth: int) -> dict[str, Any]:
    """Fits one ensemble ('hard' or 'gradual'), and gives it in the form of model.json."""
    rows, labels = [], []
    for _, truth, candidates, _ in films:
        for candidate, answer in label_candidates(candidates, truth):
            if (candidate.kind == "cut") == (which == "hard"):
                rows.append(candidate.features)
                labels.append(answer)
    x, y = np.array(rows, np.float32), np.array(labels)
    print(f"{which}: {len(y)} candidates, {y.sum()} boundaries", file=sys.stderr)
    booster = GradientBoostingClassifier(
        n_estimators=trees, max_depth=depth, learning_rate=0.08, subsample=0.6,
        max_features=0.4, min_samples_leaf=12, random_state=7,
    ).fit(x, y)
    share = float(y.mean())
    stored = [_stored_tree(estimator.tree_, 0.08) for estimator in booster.estimators_[:, 0]]
    top = sorted(zip(booster.feature_importances_, FEATURES[which]), reverse=True)[:10]
    print("  " + ", ".join(f"{name} {weight:.2f}" for weight, name in top), file=sys.stderr)
    return {"features": list(FEATURES[which]), "bias": float(np.log(share / (1 - share))), "trees": stored}


def _stored_tree(tree: Any, rate: float) -> dict[str, list[float]]:
    is_leaf = tree.children_left < 0
    return {
        "feature": [int(f) if not leaf else -1 for f, leaf in zip(tree.feature, is_leaf)],
        "threshold": [float(f"{t:.6g}") if not leaf else 0 for t, leaf in zip(tree.threshold, is_leaf)],
        "left": [max(int(n), 0) for n in tree.children_left],
        "right": [max(int(n), 0) for n in tree.children_right],
        "value": [float(f"{rate * v:.5g}") if leaf else 0 for v, leaf in zip(tree.value[:, 0, 0], is_leaf)],
    }


def evaluate(films: list[Film], ensembles: dict[str, Any], is_verbose: bool) -> Score:
    """Scores the films with the given ensembles; prints errors if asked."""
    loaded = model_module.ensembles_from(ensembles)
    total = Score()
    for name, truth, candidates, frame_count in films:
        scored = [scored_by(loaded, candidate) for candidate in candidates]
        cuts = select_cuts(scored, frame_count, CutParams())
        score, false_frames, missed = score_cuts([cut.frame for cut in cuts], truth)
        total += score
        if is_verbose and (false_frames or missed):
            false_cuts = [(c.frame, c.kind, c.start_frame, c.end_frame, round(c.score, 2)) for c in cuts if c.frame in false_frames]
            best = [max((s.score for s in scored if a <= s.frame <= b), default=None) for a, b in missed]
            print(f"  {name}: F1 {score.f1:.3f} false {false_cuts} missed {list(zip(missed, best))}")
    return total


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
    ensembles = {which: fit(train, which, options.trees, options.depth) for which in FEATURES}
    print(f"train: F1 {evaluate(train, ensembles, False).f1:.4f}")
    for folder in options.test:
        films = load_films([folder], options.ffmpeg)
        print(f"{folder.name}: F1 {evaluate(films, ensembles, True).f1:.4f}")
    if options.write:
        stored = {"version": MODEL_VERSION, "ensembles": ensembles}
        model_module.MODEL_PATH.write_text(json.dumps(stored, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
