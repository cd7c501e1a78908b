"""The detector benchmark: every detector against every attack at every rate, and scans of clean data.

``python benchmarks/detectors.py`` runs the grid on MNIST, ``--clean 60`` scans clean data and hard negatives instead,
``--summarise`` puts what is there into ``benchmarks/results/detectors.json``. Every cell is one JSON file in the folder
of ``--output``, whole or absent: kill the run at any point and start it again, and it takes up what is missing.

No detector is given the poison rate. Thresholds are the scan's own; seeds count from ``--first-seed``.
"""

import argparse
import hashlib
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from detector_cells import CLEAN, Cell, run_cell
from detector_clean import HARD, clean_record, hard_record
from detector_summary import summarise
from whitesquare._base.jsonio import write_text
from whitesquare._base.machine import machine, versions
from whitesquare.attacks import ATTACKS, make_attack
from whitesquare.data import from_arrays, open_dataset
from whitesquare.detectors.registry import DETECTORS
from whitesquare.errors import UsageError, WhitesquareError
from whitesquare.scanning.settings import DEFAULT
from whitesquare.types import ImageDataset

Job = tuple[Path, dict[str, Any], Callable[[], dict[str, Any]]]
"""File of a record, what it is of, and the work that makes it."""

OUTPUT = Path("out") / "detectors"
RATES = (0.0, 0.001, 0.003, 0.005, 0.01, 0.05, 0.10)
FRACTIONS = (0.8,)
TARGET = 0


def plan(options: argparse.Namespace) -> Iterator[Cell]:
    """Return the cells of the grid, all of one seed before the next, so that every part of it is a whole."""
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        if 0.0 in options.rates:
            yield _cell(options, CLEAN, "rate", 0.0, seed)
        for attack in options.attacks:
            for rate in options.rates:
                if rate > 0:
                    yield _cell(options, attack, "rate", rate, seed)
            # A share of its class says something of an attack that takes its poisons from there.
            for fraction in options.fractions if make_attack(attack).clean_label else ():
                yield _cell(options, attack, "class", fraction, seed)


def _cell(options: argparse.Namespace, attack: str, unit: str, amount: float, seed: int) -> Cell:
    return Cell(attack, unit, amount, seed, TARGET, options.size, options.detectors, options.retrain)


def run_grid(options: argparse.Namespace) -> None:
    """Run what is missing of the grid."""
    train, test = part(options.size), open_dataset("mnist", "test")
    jobs: list[Job] = []
    for cell in plan(options):
        work = partial(run_cell, cell, train, test, options.output / "victims")
        jobs.append((options.output / "cells" / f"{cell.name}.json", {"cell": asdict(cell)}, work))
    run_jobs(jobs)


def run_clean(options: argparse.Namespace) -> None:
    """Scan what is missing of the clean sets and the hard negatives."""
    train, detectors = part(options.size), options.detectors
    tag = f"{options.size}-{hashlib.sha256(repr(detectors).encode()).hexdigest()[:8]}"
    jobs: list[Job] = []
    first = 1000 * options.first_seed
    for number in range(first, first + options.clean):
        path = options.output / "clean" / f"{number:03d}-{tag}.json"
        jobs.append((path, {"number": number}, partial(clean_record, number, train, detectors)))
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name in HARD:
            slug = "".join(sign if sign.isalnum() else "-" for sign in name)
            path = options.output / "hard" / f"{slug}-seed-{seed}-{tag}.json"
            jobs.append((path, {"name": name, "seed": seed}, partial(hard_record, name, train, seed, detectors)))
    run_jobs(jobs)


def run_jobs(jobs: list[Job]) -> None:
    """Run the jobs whose file is not there, telling how far it is.

    What cannot be done on this data is a record with the reason; a crash leaves no record and is tried again next time.
    """
    missing = [job for job in jobs if not job[0].is_file()]
    print(f"{len(jobs) - len(missing)} of {len(jobs)} are there already", flush=True)
    started, crashed = time.perf_counter(), 0
    for done, (path, what, work) in enumerate(missing, start=1):
        before = time.perf_counter()
        try:
            record = work()
        except UsageError as error:
            record = {"reason": str(error)}
        except Exception:  # noqa: BLE001 - whatever one cell does, the others go on
            crashed += 1
            print(f"{path.stem} crashed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            continue
        record = what | record | {"versions": versions(), "machine": machine()}
        write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")
        left = (time.perf_counter() - started) / done * (len(missing) - done)
        print(
            f"{done}/{len(missing)} {path.stem}: {time.perf_counter() - before:.0f} s, about {left / 60:.0f} min left",
            flush=True,
        )
    if crashed:
        sys.exit(f"{crashed} crashed; run the same command again to try them")


def part(size: int) -> ImageDataset:
    """Return the first ``size`` training images of MNIST."""
    data = open_dataset("mnist")
    return from_arrays(data.images(slice(0, size)), data.labels[:size], classes=data.classes, ids=data.ids[:size])


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="folder of the cells")
    parser.add_argument("--attacks", default=",".join(ATTACKS), help="names, by commas")
    parser.add_argument("--rates", default=",".join(map(str, RATES)), help="shares of the training set, by commas")
    parser.add_argument("--fractions", default=",".join(map(str, FRACTIONS)), help="shares of the target class")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--detectors", default="default", help="default, all, or names by commas")
    parser.add_argument("--retrain", action="store_true", help="train victims after cleansing")
    parser.add_argument("--size", type=int, default=60_000, help="number of images; fewer for a trial")
    parser.add_argument("--clean", type=int, default=0, help="scan so many clean sets, and the hard negatives")
    parser.add_argument("--summarise", action="store_true", help="write the results of what is there")
    options = parser.parse_args(arguments)
    known = {"default": DEFAULT, "all": tuple(DETECTORS)}
    options.detectors = known.get(options.detectors) or tuple(options.detectors.split(","))
    options.attacks = [name for name in options.attacks.split(",") if name]
    options.rates, options.fractions = (
        [float(one) for one in text.split(",") if one] for text in (options.rates, options.fractions)
    )
    for name in options.attacks:
        make_attack(name)
    if unknown := set(options.detectors) - set(DETECTORS):
        raise UsageError(f"Unknown detectors: {', '.join(sorted(unknown))}.")
    return options


def main(arguments: list[str]) -> None:
    """Run the grid, or the clean scans, or put the results together."""
    try:
        options = _options(arguments)
    except WhitesquareError as error:
        sys.exit(str(error))
    if options.summarise:
        summarise(options.output)
    elif options.clean:
        run_clean(options)
    else:
        run_grid(options)


if __name__ == "__main__":
    main(sys.argv[1:])
