"""Scans of image files: photographs with models, with and without a planted patch, and 50,000 JPEG files without.

    for name in cifar10 photographs; do WHITESQUARE_DATA=out/data make $name; done
    python benchmarks/scanning_files.py out/data

- *photographs*: the 2,624 pictures of 300 x 300 pixels as PNG files, the default scan.
- *planted*: the same, with a 6 x 6 patch on 5 % of one class; was it confirmed, and where was it found?
- *jpeg*: CIFAR-10 as JPEG files in class folders, a third of them enlarged, scanned model-free.

Each is scanned by the command, in a process of its own: decoding and all that is written are part of it.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from common import RESULTS, options, write_result
from whitesquare.attacks import make_attack, poison
from whitesquare.data import open_dataset, write_dataset
from whitesquare.triggers import parse_trigger

_PATCH, _CLASS, _SHARE, _SEED = 6, 3, 0.05, 5
_SIDES = (32, 32, 40)
"""Sides of the JPEG files, in turn."""


def write_jpegs(source: Path, folder: Path) -> None:
    """Write CIFAR-10's training images as JPEG files in class folders."""
    dataset = open_dataset(source)
    for name in dataset.classes:
        (folder / name).mkdir(parents=True)
    for part, images in dataset.batches(1000):
        for number, image in enumerate(images, part.start):
            side = _SIDES[number % len(_SIDES)]
            picture = Image.fromarray(image.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BICUBIC)
            picture.save(folder / dataset.classes[dataset.labels[number]] / f"{number:05d}.jpg", quality=90)


def write_planted(source: Path, folder: Path) -> None:
    """Write the photographs with a checkered patch on a share of one class."""
    dataset = open_dataset(source)
    count = round(_SHARE * int((dataset.labels == _CLASS).sum()))
    attack = make_attack("stamp", {"trigger": parse_trigger(f"checkerboard:size={_PATCH}")})
    made = poison(dataset, attack, target=_CLASS, count=count, seed=_SEED)
    write_dataset(folder, made.dataset, None, "png-folder")


def scanned(folder: Path, *how: str) -> dict[str, Any]:
    """Scan a folder by the command; return what it found, its seconds and its peak."""
    with TemporaryDirectory() as place:
        found = Path(place) / "scan.json"
        start = time.perf_counter()
        command = [sys.executable, "-m", "whitesquare.cli", "scan", str(folder), "-o", f"json={found}", *how]
        done = subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        if done.returncode not in (0, 1):
            raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}")
        result = json.loads(found.read_text(encoding="utf-8"))
    return {
        "samples": result["size"],
        "seconds": round(seconds, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6, 2),
        "verdict": result["verdict"],
        "alarms": [
            {name: alarm[name] for name in ("class", "tier", "carriers")}
            | {"box": (alarm["trigger"] or {}).get("bbox")}
            for alarm in result["alarms"]
        ],
        "steps": result["seconds"],
    }


def main() -> None:
    """Make and scan what is asked for, and write the results."""
    parser = options(__doc__, RESULTS / "scanning-files.json")
    parser.add_argument("data", type=Path, help="folder that holds cifar10/ and photographs/")
    parser.add_argument("--only", choices=("jpeg", "photographs", "planted"), help="one of the three")
    asked = parser.parse_args()
    rows: dict[str, Any] = {}
    with TemporaryDirectory() as place:
        # The peak of children only grows: the smallest first.
        for name in ("jpeg", "photographs", "planted"):
            if asked.only in (None, name):
                folder = Path(place) / name
                if name == "jpeg":
                    write_jpegs(asked.data / "cifar10", folder)
                elif name == "planted":
                    write_planted(asked.data / "photographs", folder)
                else:
                    folder = asked.data / "photographs"
                rows[name] = scanned(folder, *(["--model-free"] if name == "jpeg" else []))
                print(name, rows[name], flush=True)
    write_result(asked.output, {"rows": rows})


if __name__ == "__main__":
    main()
