"""What attesting costs: 60,000 PNG files, against model-signing and against hashing alone; and how it grows.

    python -m venv .venv-oms && .venv-oms/bin/pip install model-signing==1.1.1 pyOpenSSL
    python benchmarks/provenance.py --oms .venv-oms/bin/model_signing --large

Every variant runs from start to end on the same folder in the page cache, in turn within every round so that a
machine's moods hit all; ratios are taken within a round.

- ``attest``: hash, tree, manifest, signature, as a command, with all that Python has to load
- ``attest()``: the same as a function, in a process that has loaded it
- ``model-signing``: ``model_signing sign key``, which writes a bundle with every digest
- ``sha256sum``: ``find | xargs -P`` with one process for each core, which only hashes

With ``--large``, trees of 80,000 to 1,280,000 tiny files in 1,000 folders are attested once each, and the largest
resident size is measured, of the process alone and with those that hash for it.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from common import RESULTS, in_turn, options, ratios, spread, write_result
from whitesquare._base.machine import usable_cores
from whitesquare.data import load_mnist, write_png_folder
from whitesquare.provenance.attest import attest as call
from whitesquare.provenance.types import BUNDLE, MANIFEST
from whitesquare.signing.keys import generate, load_signer

FOLDERS = 1000
SIZES = (80_000, 320_000, 1_280_000)
EVERY = 0.02
"""Seconds between two looks at the memory of a process and its children."""


def make_keys(work: Path) -> None:
    """Write a key pair into a folder, and what trusts it into ``trust`` there."""
    generate(work / "key", "ecdsa-p256", None)
    (work / "trust").mkdir()
    for one in work.glob("key.*"):
        if one.suffix != ".pem":
            shutil.copyfile(one, work / "trust" / one.name)


def attest(data: Path, work: Path) -> list[str]:
    """Return the command that attests ``data`` to a new folder."""
    out = work / "attest"
    shutil.rmtree(out, ignore_errors=True)
    verb = [sys.executable, "-m", "whitesquare.cli", "attest", str(data)]
    return [*verb, "--key", str(work / "key.pem"), "-o", str(out)]


def run(command: Sequence[str]) -> None:
    """Run a command to its end, and drop what it says."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def compare(data: Path, work: Path, oms: str | None, rounds: int) -> dict[str, object]:
    """Run every variant in every round, after one that is not counted."""
    hashes = f"find . -type f -print0 | xargs -0 -P{usable_cores()} -n 2000 sha256sum"
    signer = load_signer(str(work / "key.pem"), str)
    variants: dict[str, Callable[[], object]] = {
        "attest": lambda: run(attest(data, work)),
        "attest()": lambda: call(str(data), [signer], work / "called"),
        "sha256sum": partial(run, ["sh", "-c", f'cd "$0" && {hashes}', str(data)]),
    }
    if oms:
        key = ["--private_key", str(work / "key.pem"), "--signature", str(work / "oms.sig")]
        variants["model-signing"] = partial(run, [oms, "sign", "key", *key, str(data)])
    found: dict[str, list[float]] = {name: [] for name in variants}
    for number, name, took, _ in in_turn(variants, rounds + 1):
        if number:
            found[name].append(took)
            print(f"round {number}: {name}: {took:.2f} s", flush=True)
    items = sum(1 for path in data.rglob("*") if path.is_file())
    result: dict[str, object] = {
        "items": items,
        "manifest_bytes_per_item": round((work / "attest" / MANIFEST).stat().st_size / items, 1),
        "bundle_bytes": (work / "attest" / BUNDLE).stat().st_size,
        "seconds": {name: spread(values) for name, values in found.items()},
        "attest_over_sha256sum": ratios(found["attest"], found["sha256sum"]),
        "attest_call_over_sha256sum": ratios(found["attest()"], found["sha256sum"]),
    }
    if oms:
        result["model_signing_over_attest"] = ratios(found["model-signing"], found["attest"])
        result["model_signing_bytes_per_item"] = round((work / "oms.sig").stat().st_size / items, 1)
    return result


def tiny_files(root: Path, count: int) -> None:
    """Make a tree of ``count`` files of some bytes in a thousand class folders."""
    for folder in range(FOLDERS):
        place = root / "train" / f"n{folder:08d}"
        place.mkdir(parents=True)
        for file in range(count // FOLDERS):
            (place / f"n{folder:08d}_{file}.JPEG").write_bytes(b"%d %d" % (folder, file))


def watched(command: Sequence[str], code: int = 0) -> dict[str, float]:
    """Run a command that is to end with an exit code.

    Returns:
        Seconds, and the largest resident sizes in MB, of it alone and with its children.
    """
    start = time.perf_counter()
    alone = together = 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            own = _resident(process.pid)
            alone = max(alone, own)
            together = max(together, own + sum(_resident(child) for child in _children(process.pid)))
            time.sleep(EVERY)
    if process.returncode != code:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mb": round(alone),
        "peak_mb_with_children": round(together),
    }


def grow(work: Path) -> list[dict[str, float]]:
    """Attest trees of growing size, one after the other."""
    rows = []
    for size in SIZES:
        with TemporaryDirectory(dir=work) as folder:
            tiny_files(Path(folder), size)
            row = {"items": size} | watched(attest(Path(folder), work))
        row["microseconds_per_item"] = round(1e6 * row["seconds"] / size, 1)
        row["manifest_bytes_per_item"] = round((work / "attest" / MANIFEST).stat().st_size / size, 1)
        rows.append(row)
        print(row, flush=True)
    return rows


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS")), 0.0)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def main() -> None:
    """Measure and write the results."""
    parser = options(__doc__, RESULTS / "provenance.json")
    parser.add_argument("--oms", help="the model_signing command of an environment of its own")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", action="store_true", help="measure growth to 1,280,000 files, too")
    parser.add_argument("--work", type=Path, help="where to put the files; default: the system's temporary folder")
    asked = parser.parse_args()
    record = json.loads(asked.output.read_text()) if asked.output.is_file() else {}
    with TemporaryDirectory(dir=asked.work) as folder:
        work = Path(folder)
        generate(work / "key", "ecdsa-p256", None)
        write_png_folder(work / "png", load_mnist("train"), "train")
        record["mnist_png"] = compare(work / "png", work, asked.oms, asked.rounds)
        if asked.large:
            record["growth"] = grow(work)
    record["model_signing"] = "1.1.1" if asked.oms else "not measured"
    write_result(asked.output, record, libraries=("duckdb",))


if __name__ == "__main__":
    main()
