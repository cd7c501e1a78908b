"""Small data sets in every form, and a scan.json of one that flags what a test wants flagged."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from whitesquare.data import dataset_digest, open_dataset
from whitesquare.deciding.findings import SCAN_FORMAT

CLASSES = ("cat", "dog", "owl")


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (8, 8), np.uint8)


def write_folder(folder: Path, each: int = 4) -> Path:
    """Class folders of pictures that are called the same in every class."""
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(picture(10 * label + number)).save(folder / name / f"{number}.png")
    return folder


def write_scan(path: Path, source: Any, tiers: Mapping[str, str], name: str | None = None) -> Path:
    """Write the scan.json of a data set that flags samples."""
    dataset = open_dataset(source)
    place = {id: i for i, id in enumerate(dataset.ids)}
    flagged = [
        {"id": id, "label": int(dataset.labels[place[id]]), "tier": tier, "rule_id": "PC01", "fused": 2.5}
        for id, tier in tiers.items()
    ]
    record = {
        "format": SCAN_FORMAT,
        "verdict": "suspicious" if tiers else "nothing found",
        "source": name or str(source),
        "digest": dataset_digest(dataset),
        "size": len(dataset.ids),
        "skipped": {},
        "flagged": flagged,
    }
    path.write_text(json.dumps(record))
    return path
