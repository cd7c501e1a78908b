"""Small patches on photographs: over kinds, places, classes, shares and forms of file, what does the default scan say?

    WHITESQUARE_DATA=out/data make photographs
    python benchmarks/photograph_patches.py out/data

Each case stamps a trigger on a share of one class of the 2,624 pictures of 300 x 300 pixels, true labels, writes them
as PNG or JPEG files, and scans the folder by the command, with models and without. Told are the verdict, the alarms and
where each found a trigger, and how many of the carriers, and how many others, are flagged. Cases that are there are
kept.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from common import RESULTS, options, write_result
from scanning_files import scanned
from whitesquare.attacks import Poisoned, make_attack, poison
from whitesquare.data import open_dataset, write_dataset
from whitesquare.triggers import parse_trigger

_QUALITY = 90


@dataclass(frozen=True)
class Case:
    """A trigger, the class (by number) and the share of it that carries it, a seed, and the form of the files."""

    trigger: str
    label: int
    share: float
    seed: int
    form: str = "png"


CASES = (
    Case("patch:size=6", 3, 0.05, 11),
    Case("checkerboard:size=6,corner=tl,margin=40", 0, 0.05, 12),
    Case("patch:size=6,corner=bl,value=0", 0, 0.05, 13),
    Case("checkerboard:size=6,cell=2,corner=tr", 1, 0.10, 14),
    Case("checkerboard:size=4", 3, 0.05, 15),
    Case("checkerboard:size=6,opacity=0.5", 3, 0.05, 16),
    Case("random-patch:size=6,cell=1", 3, 0.10, 17),
    Case("checkerboard:size=6", 3, 0.05, 18, "jpeg"),
    Case("checkerboard:size=6", 3, 0.50, 19, "jpeg"),
)


def made(case: Case, source: Path) -> Poisoned:
    """Poison the photographs as a case says."""
    dataset = open_dataset(source)
    count = round(case.share * int((dataset.labels == case.label).sum()))
    attack = make_attack("stamp", {"trigger": parse_trigger(case.trigger)})
    return poison(dataset, attack, target=case.label, count=count, seed=case.seed)


def write_files(poisoned: Poisoned, form: str, folder: Path) -> None:
    """Write the images in class folders, each named by its position."""
    dataset = poisoned.dataset
    if form == "png":
        write_dataset(folder, dataset, None, "png-folder")
        return
    for name in dataset.classes:
        (folder / name).mkdir(parents=True)
    for part, images in dataset.batches(100):
        for number, image in enumerate(images, part.start):
            place = folder / dataset.classes[dataset.labels[number]] / f"{number:05d}.jpg"
            Image.fromarray(image[0]).save(place, quality=_QUALITY)


def told(folder: Path, poisoned: Poisoned, *how: str) -> dict[str, Any]:
    """Scan a folder; return what was found, and how many carriers, and how many others, were flagged with an alarm."""
    carriers, ids = set(poisoned.manifest.ids), poisoned.dataset.ids
    with TemporaryDirectory() as place:
        found = Path(place) / "found.json"
        row = scanned(folder, "-o", f"json={found}", *how)
        flagged = json.loads(found.read_text(encoding="utf-8"))["flagged"]
    named = {ids[int(Path(one["id"]).stem)] for one in flagged if one["tier"] != "review"}
    del row["peak_gb"]  # of all that ran so far
    return row | {"flagged": len(carriers & named), "others": len(named - carriers)}


def main() -> None:
    """Scan every case that was not scanned yet, and write the results."""
    parser = options(__doc__, RESULTS / "photograph-patches.json")
    parser.add_argument("data", type=Path, help="folder that holds photographs/")
    asked = parser.parse_args()
    rows = json.loads(asked.output.read_text(encoding="utf-8"))["rows"] if asked.output.exists() else []
    for case in CASES:
        if any(asdict(case).items() <= row.items() for row in rows):
            continue
        with TemporaryDirectory() as place:
            folder = Path(place)
            poisoned = made(case, asked.data / "photographs")
            write_files(poisoned, case.form, folder / "data")
            facts = {"class": poisoned.dataset.classes[case.label], "carriers": len(poisoned.manifest.ids)}
            scans = {"model-free": told(folder / "data", poisoned, "--model-free")}
            scans["default"] = told(folder / "data", poisoned)
            rows.append(asdict(case) | facts | {"scans": scans})
        print(rows[-1], flush=True)
        write_result(asked.output, {"rows": rows})


if __name__ == "__main__":
    main()
