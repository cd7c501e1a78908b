"""Many image files, scanned without a model: how time and memory grow with their number.

    WHITESQUARE_DATA=out/data make photographs
    python benchmarks/scanning_many.py out/data/photographs --sizes 25000 50000 100000

The files are JPEG, 224 x 224 pixels in colour, in ten class folders, made by a seeded generator of real pictures: part
of one, mirrored or not, tinted and with noise, so that no two are equal. 100,000 take 1.4 GB, and 15 GB once they are
decoded, which a scan keeps in a temporary file. Every size is opened, and scanned by the command, in a process of its
own; decoding is part of it. Processor time is that of all threads.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from common import RESULTS, answer_of, options, write, write_result
from whitesquare._base.machine import peak_memory_gb
from whitesquare.data import open_dataset

_SIDE, _CLASSES, _QUALITY = 224, 10, 90
_TINT, _NOISE = 0.15, 4.0
_SIZES = (5_000, 20_000)


def write_many(source: Path, folder: Path, count: int) -> None:
    """Write so many JPEG files in class folders; the first of a larger number are those of a smaller one."""
    pictures = open_dataset(source)
    for label in range(_CLASSES):
        (folder / f"class-{label}").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = np.random.default_rng([1, number])
        picture = pictures.images(rng.integers(0, len(pictures.labels), 1))[0]
        top, left = (int(rng.integers(0, size - _SIDE + 1)) for size in picture.shape[1:])
        part = picture[:, top : top + _SIDE, left : left + _SIDE].transpose(1, 2, 0)
        part = part[:, ::-1] if rng.random() < 0.5 else part
        tinted = part * rng.uniform(1 - _TINT, 1 + _TINT, 3) + rng.normal(0, _NOISE, (_SIDE, _SIDE, 1))
        made = Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8))
        made.save(folder / f"class-{number % _CLASSES}" / f"{number:06d}.jpg", quality=_QUALITY)


def opened(folder: str) -> dict[str, float | int]:
    """Open the folder in this process."""
    started = time.perf_counter()
    found = len(open_dataset(folder).labels)
    return {"images": found, "seconds": round(time.perf_counter() - started, 2), "peak_gb": round(peak_memory_gb(), 2)}


def scanned(folder: Path) -> dict[str, Any]:
    """Scan the folder by the command; return its seconds, processor time and peak."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "whitesquare.cli", "scan", str(folder), "--model-free", "-o", f"json={os.devnull}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as program:
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with exit code {program.returncode}")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss / 1e6, 2),
    }


def main() -> None:
    """Make, open and scan every size, and write the results."""
    parser = options(__doc__, RESULTS / "scanning-many.json")
    parser.add_argument("source", type=Path, nargs="?", help="pictures of at least 224 x 224 pixels")
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES)
    parser.add_argument("--one", help="folder: open that in this process")
    asked = parser.parse_args()
    if asked.one:
        write(asked.output, opened(asked.one))
        return
    if asked.source is None:
        parser.error("give the folder of the pictures")
    rows: list[dict[str, Any]] = []
    for size in asked.sizes:
        with TemporaryDirectory() as place:
            write_many(asked.source, Path(place), size)
            found = answer_of(__file__, "--one", place)
            row = {"images": found["images"], "opening": found, "scan": scanned(Path(place))}
        used = [one["scan"]["processor_seconds"] / one["images"] for one in (row, (rows or [row])[0])]
        row["processor_seconds_per_image_vs_first"] = round(used[0] / used[1], 2)
        rows.append(row)
        print(row, flush=True)
        write_result(asked.output, {"rows": rows})


if __name__ == "__main__":
    main()
