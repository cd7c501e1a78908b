"""How a scan grows: MNIST, and four and sixteen times as many images, each scanned in a process of its own.

    python benchmarks/scan_growth.py

More images are MNIST again with jitter (noise of up to 3 grey levels, drawn anew for each copy), so that no two are
equal. Each size is scanned with a model of the scan, and model-free; seconds, peak memory, and the ratio to the
smallest size, per image, are written down.
"""

import numpy as np

from common import RESULTS, answer_of, options, write, write_result
from whitesquare._base.machine import peak_memory_gb
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


def main() -> None:
    """Scan every size in a process of its own and write the results."""
    parser = options(__doc__, RESULTS / "scan-growth.json")
    parser.add_argument("--one", nargs=2, type=int, help="copies, model-free: scan that in this process")
    asked = parser.parse_args()
    if asked.one:
        write(asked.output, one(asked.one[0], bool(asked.one[1])))
        return
    rows = []
    for copies in COPIES:
        for model_free in (1, 0):
            row = answer_of(__file__, "--one", copies, model_free)
            first = next((old for old in rows if old["mode"] == row["mode"]), row)
            row["per_image_vs_smallest"] = round(row["seconds"] / row["images"] * first["images"] / first["seconds"], 2)
            rows.append(row)
            print(row, flush=True)
            write_result(asked.output, {"rows": rows})


if __name__ == "__main__":
    main()
