"""What the scripts of this folder share: options, turns, a process of its own, and the file of a result."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from whitesquare._base.files import write_text
from whitesquare._base.machine import machine, versions

RESULTS = Path(__file__).parent / "results"
Found = TypeVar("Found")


def options(text: str, output: Path) -> argparse.ArgumentParser:
    """Return a parser that knows ``--output``; ``text`` is the script's own docstring."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=output, help=f"default: {output}")
    return parser


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON, whole or not at all."""
    write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")


def write_result(
    path: Path, record: Mapping[str, Any], *, libraries: Sequence[str] = (), precision: str | None = None
) -> None:
    """Write a record with the machine it was made on, the versions of whitesquare's parts and of these libraries."""
    found = versions() | {name: version(name) for name in libraries}
    write(path, {**record, "machine": machine(precision), "versions": found})


def in_turn(variants: Mapping[str, Callable[[], Found]], rounds: int) -> Iterator[tuple[int, str, float, Found]]:
    """Run every variant in every round; give round, name, seconds and answer of each.

    Every round begins with another one, so that a machine's moods hit all.
    """
    names = list(variants)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            found = variants[name]()
            yield number, name, time.perf_counter() - start, found


def answer_of(script: str, *arguments: object) -> Any:
    """Run a script of this folder in a process of its own; its answer is what it writes to ``--output``.

    This process stays small: the peak of a child begins at that of its parent.
    """
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        subprocess.run([sys.executable, script, *map(str, arguments), "-o", str(answer)], check=True)
        return json.loads(answer.read_text(encoding="utf-8"))


def spread(values: Sequence[float]) -> dict[str, float | int | list[float]]:
    """Return median, extremes and every value."""
    rounded = [round(value, 3) for value in values]
    median = round(statistics.median(values), 3)
    return {"n": len(values), "median": median, "low": min(rounded), "high": max(rounded), "all": rounded}


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, float | int | list[float]]:
    """Return the spread of the ratio within each round."""
    return spread([one / other for one, other in zip(above, below, strict=True)])
