"""Scans in shards: seconds, processor time and memory of all processes, as the number of images grows.

    python benchmarks/sharded_scan.py out/shards --counts 100000 1000000
    python benchmarks/sharded_scan.py out/shards --counts 50000 200000 --model out/model

A seeded generator writes images of 32 x 32 pixels in ten classes into tar and Parquet shards of 1,000, half of them PNG
and half JPEG files, with a patch of 3 x 3 on one in a hundred, all of one class. Each size is scanned by the command in
a process of its own; memory is the sum over that process and its workers of what is resident, looked at every fifth of
a second, so that pages which they share count once for each.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from common import RESULTS, options, write_result
from whitesquare.types import IntArray, UInt8Array

_SHARD, _SIDE, _CLASSES, _TARGET, _SHARE = 1000, 32, 10, 3, 0.01
_EVERY = 0.2


def made(number: int) -> tuple[UInt8Array, IntArray]:
    """Return the images and labels of a shard: waves whose period is the class, on noise, and the poison."""
    rng = np.random.default_rng([7, number])
    labels = rng.integers(0, _CLASSES, _SHARD)
    angle, phase = rng.uniform(0, np.pi, (2, _SHARD, 1, 1))
    y, x = np.mgrid[:_SIDE, :_SIDE]
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / (4 + labels[:, None, None]) + phase)
    tint = rng.uniform(0.4, 1, (_SHARD, 3, 1, 1))
    images = 120 + 60 * tint * wave[:, None] + rng.normal(0, 12, (_SHARD, 3, _SIDE, _SIDE))
    pixels = np.clip(images, 0, 255).astype(np.uint8)
    members = np.flatnonzero(labels == _TARGET)
    pixels[members[: round(_SHARE * _SHARD)], :, 27:30, 27:30] = 255
    return pixels, labels.astype(np.int64)


def encoded(number: int) -> Iterator[tuple[str, int, bytes]]:
    """Yield name, label and file of each image of a shard."""
    images, labels = made(number)
    for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        out, kind = io.BytesIO(), ("png", "jpg")[i % 2]
        picture = Image.fromarray(image.transpose(1, 2, 0))
        if kind == "png":
            picture.save(out, "PNG", compress_level=1)
        else:
            picture.save(out, "JPEG", quality=95, subsampling=0)
        yield f"{number:05d}-{i:04d}.{kind}", label, out.getvalue()


def write_shards(folder: Path, count: int, form: str) -> None:
    """Write so many images in shards, those that are there already left as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = count // _SHARD
    for number in range(shards):
        name = f"train-{number:05d}.tar" if form == "tar" else f"train-{number:05d}-of-{shards:05d}.parquet"
        if not (folder / name).exists():
            part = folder / f".{name}.part"
            (_write_tar if form == "tar" else _write_parquet)(part, number)
            part.rename(folder / name)


def _write_tar(path: Path, number: int) -> None:
    with tarfile.open(path, "w") as tar:
        for name, label, content in encoded(number):
            for member, data in ((name, content), (f"{name.rpartition('.')[0]}.cls", str(label).encode())):
                one = tarfile.TarInfo(member)
                one.size = len(data)
                tar.addfile(one, io.BytesIO(data))


def _write_parquet(path: Path, number: int) -> None:
    import duckdb

    names, labels, contents = zip(*encoded(number), strict=True)
    chunk = {
        "image": np.array(contents, dtype=object),
        "path": np.array(names, dtype=object),
        "label": np.array(labels, np.int64),
    }
    with duckdb.connect() as connection:
        connection.register("chunk", chunk)
        asked = "SELECT {'bytes': image::BLOB, 'path': path} AS image, label FROM chunk"
        connection.execute(f"COPY ({asked}) TO '{path}' (FORMAT parquet)")


def resident(process: int) -> int:
    """Return the bytes that a process and all below it hold, pages that they share once for each."""
    parents: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
            sizes[int(entry.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    total, queue = 0, [process]
    while queue:
        one = queue.pop()
        total += sizes.get(one, 0)
        queue += parents.get(one, [])
    return total


def measured(command: list[str]) -> dict[str, float]:
    """Run a command; return its seconds, processor seconds, and the memory of all of its processes."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        peak = max(peak, resident(process.pid))
        time.sleep(_EVERY)
    seconds, process.returncode = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gb_of_all": round(peak / 1e9, 2),
    }


def scanned(folder: Path, workers: int, *how: str) -> dict[str, Any]:
    """Scan a folder by the command; return what it found and what it took."""
    with TemporaryDirectory() as place:
        found = Path(place) / "scan.json"
        command = [sys.executable, "-m", "whitesquare.cli", "scan", str(folder), "-o", f"json={found}"]
        took = measured([*command, "--workers", str(workers), *how])
        result = json.loads(found.read_text(encoding="utf-8"))
    return {
        "samples": result["size"],
        "workers": workers,
        "mode": result["mode"],
        **took,
        "verdict": result["verdict"],
        "alarms": [(alarm["class"], alarm["tier"], alarm["rule_id"], alarm["carriers"]) for alarm in result["alarms"]],
        "groups": result["sharding"]["groups"],
        "steps": result["seconds"],
    }


def kept_rows(output: Path) -> list[dict[str, Any]]:
    """Return the rows of an earlier run: those of the other mode stay."""
    if not output.exists():
        return []
    found: list[dict[str, Any]] = json.loads(output.read_text(encoding="utf-8"))["rows"]
    return found


def main() -> None:
    """Make and scan every size, and write the results."""
    parser = options(__doc__, RESULTS / "sharded-scan.json")
    parser.add_argument("data", type=Path, help="folder that shards are made in, and kept")
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--forms", nargs="+", choices=("tar", "parquet"), default=["tar", "parquet"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", help="a given model; without one the scan is model-free")
    asked = parser.parse_args()
    mode = "given model" if asked.model else "model-free"
    others = [row for row in kept_rows(asked.output) if row["mode"] != mode]
    rows: list[dict[str, Any]] = []
    for form in asked.forms:
        for count in asked.counts:
            folder = asked.data / f"{form}-{count}"
            write_shards(folder, count, form)
            how = ("--model", asked.model) if asked.model else ("--model-free",)
            row = {"form": form, **scanned(folder, asked.workers, *how)}
            first = next((old for old in rows if old["form"] == form), row)
            each = [one["processor_seconds"] / one["samples"] for one in (row, first)]
            row |= {"microseconds_per_image": round(1e6 * each[0], 1), "vs_smallest": round(each[0] / each[1], 2)}
            rows.append(row)
            print(row, flush=True)
            write_result(asked.output, {"rows": sorted([*others, *rows], key=lambda row: (row["mode"], row["form"]))})


if __name__ == "__main__":
    main()
