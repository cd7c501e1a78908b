"""How a scan grows: MNIST, and four and sixteen times as many images, each scanned in a process of its own.

    python benchmarks/scan_growth.py -o benchmarks/results/scan-growth.json

More images are MNIST again with jitter (noise of up to 3 grey levels, drawn anew for each copy), so that no two are
equal. Each size is scanned with a model of the scan, and model-free; seconds, peak memory, and the ratio to the
smallest size, per image, are written down.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from whitesquare._base.jsonio import write_text
from whitesquare._base.machine import machine, peak_memory_gb, versions
from whitesquare.data import from_arrays, load_mnist
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.types import ImageDataset

COPIES = (1, 4, 16)


def jittered(copies: int) -> ImageDataset:
    """Return MNIST ``copies`` times, the first as it is."""
    mnist, rng = load_mnist("train"), np.random.default_rng(0)
    pixels = mnist.images(slice(None))
    images = np.empty((copies * len(pixels), *pixels.shape[1:]), np.uint8)
    for number in range(copies):
        noise = rng.integers(-3, 4, pixels.shape, dtype=np.int16) if number else np.int16(0)
        images[number * len(pixels) : (number + 1) * len(pixels)] = np.clip(pixels + noise, 0, 255)
    return from_arrays(images, np.tile(mnist.labels, copies), classes=mnist.classes)


def one(copies: int, model_free: bool) -> dict[str, float | int | str]:
    """Scan one size in this process."""
    dataset = jittered(copies)
    result = run_scan(dataset, ScanSettings(model_free=model_free)).result
    return {
        "images": len(dataset.labels),
        "mode": result.mode,
        "seconds": round(sum(result.seconds.values()), 1),
        "peak_gb": round(peak_memory_gb() or 0, 2),
        "verdict": result.verdict,
    } | {f"seconds.{name}": value for name, value in result.seconds.items()}


def in_its_own_process(copies: int, model_free: int) -> dict[str, float | int | str]:
    """Scan one size; the answer comes in a file, for any library may print."""
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "row.json"
        command = [sys.executable, __file__, "--one", str(copies), str(model_free), "-o", str(answer)]
        subprocess.run(command, check=True)
        row: dict[str, float | int | str] = json.loads(answer.read_text())
    return row


def main(arguments: list[str]) -> None:
    """Scan every size in a process of its own and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("scan-growth.json"))
    parser.add_argument("--one", nargs=2, type=int, help="copies, model-free: scan that in this process")
    options = parser.parse_args(arguments)
    if options.one:
        write_text(options.output, json.dumps(one(options.one[0], bool(options.one[1]))))
        return
    rows = []
    for copies in COPIES:
        for model_free in (1, 0):
            row = in_its_own_process(copies, model_free)
            first = next((old for old in rows if old["mode"] == row["mode"]), row)
            row["per_image_vs_smallest"] = round(row["seconds"] / row["images"] * first["images"] / first["seconds"], 2)
            rows.append(row)
            print(row, flush=True)
            write_text(
                options.output, json.dumps({"rows": rows, "machine": machine(), "versions": versions()}, indent=1)
            )


if __name__ == "__main__":
    main(sys.argv[1:])
