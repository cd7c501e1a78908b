"""How long it takes to store a decision, and to read a file of a million of them.

    python benchmarks/review.py

A decision is stored when it is on the disk: the line is written and the disk has said so. It is stored alone, beside
another process that stores as fast as it can, and at the end of a file of a million decisions. The file is read whole,
and it is told where every sample stands; memory is that of the whole process.
"""

import hashlib
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from common import RESULTS, answer_of, options, write, write_result
from whitesquare._base.machine import peak_memory_gb
from whitesquare.deciding.log import DecisionLog, standings
from whitesquare.deciding.types import Mark, ReviewHead

HEAD = ReviewHead(scan="a1" * 32, dataset="b2" * 32, source="photos")
CHOICES = ("keep", "remove", "keep", "unsure")


def marks(count: int, by: str = "ann") -> Iterator[Mark]:
    """Make decisions of about 250 bytes."""
    for number in range(count):
        content = hashlib.sha256(str(number).encode()).hexdigest()
        yield Mark(
            id=f"train/class{number % 100:03d}/{number:07d}.png",
            content=content,
            choice=CHOICES[number % 4],
            by=by,
            role="review",
            at="2026-06-01T12:00:00.000000Z",
            why="a white square in the corner",
        )


def stored(path: Path, count: int) -> dict[str, float]:
    """Store decisions one by one; return milliseconds."""
    log = DecisionLog(path, HEAD)
    took = []
    for mark in marks(count, "bob"):
        start = time.perf_counter()
        log.append([mark])
        took.append(1000 * (time.perf_counter() - start))
    took.sort()
    return {
        "median_ms": round(statistics.median(took), 2),
        "p99_ms": round(took[int(0.99 * len(took))], 2),
        "worst_ms": round(took[-1], 2),
        "n": count,
    }


def store_for_ever(path: str) -> None:
    """Store until somebody ends this process."""
    log = DecisionLog(Path(path), HEAD)
    while True:
        log.append(marks(1, "eve"))


def one(path: Path) -> dict[str, object]:
    """Read a file in this process."""
    start, busy = time.perf_counter(), time.process_time()
    found, _ = DecisionLog(path, HEAD).read()
    read, computed = time.perf_counter() - start, time.process_time() - busy
    standing = standings(found)
    total = time.perf_counter() - start
    return {
        "marks": len(found),
        "samples": len(standing),
        "read_seconds": round(read, 2),
        "read_cpu_seconds": round(computed, 2),
        "with_standings_seconds": round(total, 2),
        "peak_gb": round(peak_memory_gb() or 0, 2),
    }


def main() -> None:
    """Measure all and write the results."""
    parser = options(__doc__, RESULTS / "review.json")
    parser.add_argument("--marks", type=int, default=1_000_000)
    parser.add_argument("--stored", type=int, default=500)
    parser.add_argument("--one", help="read that file in this process")
    asked = parser.parse_args()
    if asked.one:
        write(asked.output, one(Path(asked.one)))
        return
    # Beside this file and not in memory: storing waits for a disk.
    with TemporaryDirectory(dir=Path(__file__).parent) as folder:
        alone = stored(Path(folder) / "alone.jsonl", asked.stored)
        shared = Path(folder) / "shared.jsonl"
        other = multiprocessing.get_context("spawn").Process(target=store_for_ever, args=(str(shared),))
        other.start()
        while not shared.exists() or shared.stat().st_size < 1000:
            time.sleep(0.01)
        beside = stored(shared, asked.stored)
        other.kill()
        other.join()
        large = Path(folder) / "large.jsonl"
        DecisionLog(large, HEAD).append(marks(asked.marks))
        size = large.stat().st_size
        read = answer_of(__file__, "--one", large)
        at_the_end = stored(large, asked.stored)
    record = {
        "line_bytes": round(size / asked.marks),
        "head": asdict(HEAD),
        "stored": {"alone": alone, "beside_another_process": beside, "after_a_million": at_the_end},
        "read": read,
    }
    write_result(asked.output, record)


if __name__ == "__main__":
    main()
