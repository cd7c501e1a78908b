"""What a scan in shards finds, against a scan of one piece: planted patches, both scans of the same poisoned data.

    for name in cifar10; do WHITESQUARE_DATA=out/data make $name; done
    python benchmarks/sharded_quality.py out/data

A checkerboard of 3 x 3 pixels is stamped on images of one class, one in a hundred of all. Both scans are model-free and
run the detectors by whose statistics classes stand out; the one in shards sees the data in two groups.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from common import RESULTS, options, write_result
from whitesquare.data import from_arrays, load_mnist, open_dataset
from whitesquare.executor.engine import Way
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded.steps import scan_in_shards
from whitesquare.scanning.types import Scan
from whitesquare.types import ImageDataset

_DETECTORS = (
    "pixel-contrast",
    "patch-contrast",
    "noise-residual",
    "residual-components",
    "matched-filter",
    "grain-components",
)
_SHARE, _SEED, _PATCH = 0.01, 1, 3
_TARGETS = {"mnist": 0, "cifar10": 3}


def poisoned(dataset: ImageDataset, target: int, count: int) -> tuple[ImageDataset, np.ndarray]:
    """Return the first images with a patch on some of one class, and which carry it."""
    images, labels = dataset.images(slice(0, count)).copy(), dataset.labels[:count]
    members = np.flatnonzero(labels == target)
    chosen = np.random.default_rng(_SEED).choice(members, round(_SHARE * count), replace=False)
    place = slice(images.shape[2] - _PATCH - 2, images.shape[2] - 2)
    images[chosen, :, place, place] = np.where(np.indices((_PATCH, _PATCH)).sum(0) % 2 == 0, 255, 0)
    return from_arrays(images, labels, classes=dataset.classes), np.isin(np.arange(count), chosen)


def told(name: str, how: str, scan: Scan, carries: np.ndarray, seconds: float) -> dict[str, Any]:
    """Return what a scan found of those that carry the patch."""
    result = scan.result
    flagged = [flag.position for flag in result.flagged if flag.tier != "review"]
    return {
        "data": name,
        "how": how,
        "samples": result.size,
        "groups": result.sharding.groups if result.sharding else 1,
        "verdict": result.verdict,
        "alarms": [(alarm.class_name, alarm.tier, alarm.rule_id) for alarm in result.alarms],
        "carriers": int(carries.sum()),
        "carriers_flagged": int(carries[flagged].sum()),
        "others_flagged": int((~carries[flagged]).sum()),
        "auroc": round(float(roc_auc_score(carries, scan.scores.fused)), 4),
        "processor_seconds": round(seconds, 1),
    }


def main() -> None:
    """Poison and scan both data sets in both ways, and write the results."""
    parser = options(__doc__, RESULTS / "sharded-quality.json")
    parser.add_argument("data", type=Path, help="folder that holds cifar10/")
    parser.add_argument("--count", type=int, default=20_000)
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    settings = ScanSettings(model_free=True, detectors=_DETECTORS)
    for name, target in _TARGETS.items():
        dataset = load_mnist("train") if name == "mnist" else open_dataset(asked.data / name)
        data, carries = poisoned(dataset, target, asked.count)
        ways = {
            "one piece": lambda data=data: run_scan(data, settings),
            "shards": lambda data=data: scan_in_shards(data, settings, Way(group=asked.count // 2)).scan,
        }
        for how, scanned in ways.items():
            start = time.process_time()
            found = scanned()
            rows.append(told(name, how, found, carries, time.process_time() - start))
            print(rows[-1], flush=True)
            write_result(asked.output, {"rows": rows})


if __name__ == "__main__":
    main()
