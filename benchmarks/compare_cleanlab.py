"""The label check beside cleanlab's and a scan beside cleanvision's image check, on 100,000 images, by turns.

    make peers

*labels*: out-of-fold probabilities of 100,000 samples in ten classes from a seeded generator, 3 % of the labels wrong;
both sides are given probabilities and labels. Ours is the detector ``confident-learning``, theirs
``cleanlab.filter.find_label_issues`` (how many) and ``cleanlab.rank`` (ranking). *images*: 100,000 files of 32 x 32
pixels, half PNG and half JPEG, in ten class folders; cleanvision looks for duplicates, dark, bright, blurred and odd
pictures, our model-free scan for poison: not the same work, but what a team runs over a folder before it trains. Each
side runs in a process of its own; memory is the sum over it and its workers.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from common import RESULTS, in_turn, options, spread, write_result
from sharded_scan import encoded, measured
from whitesquare.detectors.label_issues import ConfidentLearning
from whitesquare.detectors.types import Evidence

_SAMPLES, _CLASSES, _WRONG, _ROUNDS = 100_000, 10, 0.03, 5
_THEIRS = """
import sys
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1], verbose=False)
lab.find_issues(n_jobs=int(sys.argv[2]), verbose=False)
"""


def probabilities(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities ``(N, K)``, labels, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, _CLASSES, _SAMPLES)
    logits = rng.normal(0, 1, (_SAMPLES, _CLASSES))
    logits[np.arange(_SAMPLES), true] += rng.normal(3, 1.5, _SAMPLES)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    wrong = rng.random(_SAMPLES) < _WRONG
    labels = np.where(wrong, (true + rng.integers(1, _CLASSES, _SAMPLES)) % _CLASSES, true)
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32), labels.astype(np.int64), wrong


def labels_compared(rounds: int) -> dict[str, Any]:
    """Check the same labels by both, by turns; return seconds, and how well each finds the wrong ones."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    shares, labels, wrong = probabilities(7)
    images = np.zeros((_SAMPLES, 1, 1, 1), np.uint8)
    nobody = np.zeros(_SAMPLES, bool)
    evidence = Evidence(images, labels, tuple(map(str, range(_CLASSES))), nobody, pred_probs=shares)

    def ours() -> tuple[np.ndarray, int]:
        found = ConfidentLearning().score(evidence)
        return found.scores, round(float(found.class_stats @ np.bincount(labels)))

    def theirs() -> tuple[np.ndarray, int]:
        flags = find_label_issues(labels, shares, filter_by="confident_learning", n_jobs=os.cpu_count())
        return -get_label_quality_scores(labels, shares), int(flags.sum())

    seconds: dict[str, list[float]] = {"whitesquare": [], "cleanlab": []}
    answers = {}
    for _, name, took, answer in in_turn({"whitesquare": ours, "cleanlab": theirs}, rounds):
        seconds[name].append(took)
        answers[name] = answer
    told = {
        name: {
            "seconds": spread(seconds[name]),
            "auroc": round(float(roc_auc_score(wrong, scores)), 4),
            "flagged": flagged,
        }
        for name, (scores, flagged) in answers.items()
    }
    return {"samples": _SAMPLES, "wrong_labels": int(wrong.sum()), **told}


def files_written(folder: Path, count: int) -> None:
    """Write the images into class folders."""
    for label in range(_CLASSES):
        (folder / str(label)).mkdir(parents=True)
    for number in range(count // 1000):
        for name, label, content in encoded(number):
            (folder / str(label) / name).write_bytes(content)


def images_compared(count: int) -> dict[str, Any]:
    """Look at the same files by both, one after the other."""
    cores = str(os.cpu_count())
    with TemporaryDirectory() as place:
        folder = Path(place) / "images"
        files_written(folder, count)
        ours = [sys.executable, "-m", "whitesquare.cli", "scan", str(folder), "--model-free"]
        sides: dict[str, Callable[[], dict[str, float]]] = {
            "cleanvision": lambda: measured([sys.executable, "-c", _THEIRS, str(folder), cores]),
            "whitesquare": lambda: measured([*ours, "-o", f"json={place}/scan.json"]),
        }
        found = {name: run() for name, run in sides.items()}
        verdict = json.loads((Path(place) / "scan.json").read_text(encoding="utf-8"))["verdict"]
    return {"samples": count, "verdict": verdict, **found}


def main() -> None:
    """Compare, and write what was found."""
    parser = options(__doc__ or "", RESULTS / "cleanlab.json")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--files", type=int, default=_SAMPLES)
    asked = parser.parse_args()
    found = {"labels": labels_compared(asked.rounds), "images": images_compared(asked.files)}
    write_result(asked.output, found, libraries=("cleanlab", "cleanvision"))


if __name__ == "__main__":
    main()
