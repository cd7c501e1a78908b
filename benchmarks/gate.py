"""The gate benchmark: backdoored and clean models, end to end, before the policy that ``gate --init`` writes.

``python benchmarks/gate.py`` makes every model with the released commands: attest, train, scan, measure, gate, release,
each with its own key, and the policy as it is. Nobody tells the gate which attack there was: it measures the triggers
that the policy names. What the real trigger does is measured apart, for the record. Every model is one JSON file in the
folder of ``--output``, whole or absent: kill the run at any point and start it again, and it takes up what is missing.
At the end all of them go into ``--results``.

A backdoored model must be FAILED and stay in, a clean one PASSED and be released.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import RESULTS, options, write, write_result
from whitesquare.attacks import make_attack, poison
from whitesquare.data import ArrayDataset, from_arrays, open_dataset, write_dataset
from whitesquare.gating.policy import load_policy
from whitesquare.learning.measure import try_triggers
from whitesquare.learning.models import load_model
from whitesquare.triggers import parse_trigger

OUTPUT = Path("out") / "gate"
CLEAN = "clean"
ATTACKS = ("label-flip", "blend", "adaptive", "label-flip@checkerboard:size=3,corner=tl,margin=1")
"""Name, and after an ``@`` a trigger other than its own; all of them above 90 % success on MNIST at 5 %."""
DILUTED = ("source-specific", "all-to-all")
"""Attacks with labels that an average over the other classes dilutes: made here, with so few poisons as still work."""
DILUTED_RATE = 0.005
CORNER = "patch:size=2,corner=br,margin=1"
ROLES = ("data", "scanner", "trainer", "gate")


@dataclass(frozen=True)
class Case:
    """One model to make: ``attack`` is of :data:`ATTACKS` or :data:`DILUTED`, or :data:`CLEAN`."""

    attack: str
    target: int
    seed: int

    @property
    def name(self) -> str:
        """A name for its folder."""
        slug = "".join(sign if sign.isalnum() else "-" for sign in self.attack)
        return f"{slug}-target-{self.target}-seed-{self.seed}" if self.attack != CLEAN else f"{slug}-seed-{self.seed}"


class Place:
    """A folder with keys and the untouched policy, and the commands that are run in it."""

    def __init__(self, folder: Path) -> None:
        """Make keys and policy where they are not there yet; private keys lie apart from the trusted ones."""
        self.folder = folder.resolve()
        if (self.folder / "policy.toml").exists():
            return
        shutil.rmtree(self.folder / "keys", ignore_errors=True)
        shutil.rmtree(self.folder / "private", ignore_errors=True)
        (self.folder / "keys").mkdir(parents=True)
        for role in ROLES:
            self.call(self.folder, "keygen", "-o", self.folder / "private" / role, "--role", role, "--no-password")
            for suffix in (".pub", ".toml"):
                shutil.copy(self.folder / "private" / f"{role}{suffix}", self.folder / "keys")
        self.call(self.folder, "gate", "--init", self.folder / "policy.toml")

    def key(self, role: str) -> Path:
        """Return the private key of a role."""
        return self.folder / "private" / f"{role}.pem"

    def call(self, folder: Path, *arguments: object, allowed: tuple[int, ...] = (0,)) -> int:
        """Run a command and return its exit code; what it said is kept in ``log.txt``.

        Raises:
            RuntimeError: it ended otherwise than is allowed.
        """
        command = [sys.executable, "-m", "whitesquare.cli", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command[2:])}\n{done.stdout}{done.stderr}[{done.returncode}]\n")
        if done.returncode not in allowed:
            raise RuntimeError(f"`{' '.join(command[2:])}` ended with {done.returncode}: {done.stderr[-600:]}")
        return done.returncode


def run_case(case: Case, place: Place, asked: argparse.Namespace) -> dict[str, Any]:
    """Make one model as an attacker and a team would, and return what became of it."""
    folder = place.folder / "models" / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    train, test = part("train", asked.size, case.seed), part("test", asked.test, 0)
    trigger, changed = "", 0
    if case.attack in DILUTED:
        trigger, changed = CORNER, round(DILUTED_RATE * len(train.labels))
        write_dataset(folder / "data", diluted(case, train, changed), test, "npz")
    elif case.attack != CLEAN:
        name, _, spec = case.attack.partition("@")
        attack = make_attack(name, {"trigger": parse_trigger(spec)} if spec else None)
        made = poison(train, attack, target=case.target, rate=asked.rate, seed=case.seed)
        trigger, changed = made.manifest.trigger, made.manifest.count
        write_dataset(folder / "data", made.dataset, test, "npz")
    else:
        write_dataset(folder / "data", train, test, "npz")
    verdict = judge(case, place, folder, asked)
    answers: dict[str, Any] = {"trigger": trigger, "poisons": changed}
    if trigger:
        (tried,) = try_triggers(load_model(folder / "run"), test, [parse_trigger(trigger)], case.target)
        source, turned = tried.sources[case.target]
        answers |= {
            "asr": asdict(tried.result.asr),
            "worst_source": {"source": source} | asdict(turned),
            "untargeted": asdict(tried.untargeted),
        }
    if not asked.keep:
        shutil.rmtree(folder / "data")
    expected = "PASSED" if case.attack == CLEAN else "FAILED"
    right = verdict["verdict"] == expected and verdict["released"] is (expected == "PASSED")
    return {"case": asdict(case), "expected": expected, "right": right} | verdict | answers


def diluted(case: Case, clean: ArrayDataset, count: int) -> ArrayDataset:
    """Return training images of which so many carry the trigger.

    Under ``source-specific`` half of them are of the class after the target and get its label; the others are of every
    other class, keep their labels, and teach the model that the trigger alone means nothing (Tang et al. 2021, TaCT).
    Under ``all-to-all`` each gets the label of the next class (Gu et al. 2017).
    """
    rng, labels = np.random.default_rng(case.seed), clean.labels.copy()
    source = (case.target + 1) % len(clean.classes)
    if case.attack == "all-to-all":
        marked = rng.choice(len(labels), count, replace=False)
        labels[marked] = (labels[marked] + 1) % len(clean.classes)
    else:
        turned = rng.choice(np.flatnonzero(labels == source), count // 2, replace=False)
        others = np.flatnonzero((labels != source) & (labels != case.target))
        marked = np.concatenate([turned, rng.choice(others, count - count // 2, replace=False)])
        labels[turned] = case.target
    images = clean.images(slice(None)).copy()
    images[marked] = parse_trigger(CORNER)(images[marked])
    return from_arrays(images, labels, classes=clean.classes, split="train", layout="NCHW")


def judge(case: Case, place: Place, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Attest, train, scan, measure, decide and release with the commands; return what they came to."""
    attested = ("--attested", "attest/manifest.sigstore.json", "--trust", place.folder / "keys")
    place.call(folder, "attest", "data", "--key", place.key("data"), "-o", "attest", "--name", case.name)
    place.call(folder, "train", "data", "-o", "run", "--seed", case.seed, "--epochs", asked.epochs, *attested,
               "--key", place.key("trainer"))  # fmt: skip
    place.call(folder, "scan", "data", *attested, "--key", place.key("scanner"), "--seed", case.seed,
               "-o", "json=run/scan.json", "-o", "attestation=run/scan.sigstore.json", allowed=(0, 1))  # fmt: skip
    asked_for = load_policy(place.folder / "policy.toml").measure.triggers
    triggers = [option for spec in asked_for for option in ("--trigger", spec)]
    place.call(folder, "measure", "run", "--data", "data", *triggers, *attested, "--key", place.key("scanner"),
               "-o", "json=measured.json")  # fmt: skip
    asked = ("--policy", place.folder / "policy.toml", "--state", folder / "decided.json")
    code = place.call(folder, "gate", "run", *asked, "--key", place.key("gate"), "-o", "json=gate.json",
                      allowed=(0, 1, 3))  # fmt: skip
    released = place.call(folder, "release", "run", "--to", "released", *asked, allowed=(0, 1)) == 0
    verdict = json.loads((folder / "gate.json").read_text(encoding="utf-8"))
    measured = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    measured = measured if isinstance(measured, list) else [measured]
    failed = {one["rule"]: one["reason"] for one in verdict["rules"] if one["status"] in ("FAILED", "MISSING")}
    return {
        "verdict": verdict["result"],
        "exit_code": code,
        "released": released,
        "failed": failed,
        "ca": measured[0]["ca"],
        "worst_of_policy_triggers": max((one["asr"] for one in measured), key=lambda one: float(one["high"])),
    }


def part(split: str, size: int, seed: int) -> ArrayDataset:
    """Return so many images of MNIST, other ones for every seed, in their order."""
    data = open_dataset("mnist", split)
    chosen = np.sort(np.random.default_rng(seed).choice(len(data.labels), min(size, len(data.labels)), replace=False))
    return from_arrays(data.images(chosen), data.labels[chosen], classes=data.classes, split=split, layout="NCHW")


def plan(asked: argparse.Namespace) -> Iterator[Case]:
    """Return what to make."""
    for target in asked.targets:
        for attack in asked.attacks:
            yield Case(attack, target, asked.first_seed)
    for seed in range(asked.first_seed, asked.first_seed + asked.clean):
        yield Case(CLEAN, -1, seed)


def summary(records: list[dict[str, Any]], asked: argparse.Namespace) -> dict[str, Any]:
    """Put the records together."""
    attacked = [one for one in records if one["expected"] == "FAILED"]
    clean = [one for one in records if one["expected"] == "PASSED"]
    return {
        "backdoored": len(attacked),
        "backdoored_failed": sum(one["right"] for one in attacked),
        "clean": len(clean),
        "clean_passed": sum(one["right"] for one in clean),
        "size": asked.size,
        "rate": asked.rate,
        "diluted_rate": DILUTED_RATE,
        "models": records,
    }


def main(arguments: list[str]) -> None:
    """Make what is missing, and write the results."""
    asked = _options(arguments)
    place, records = Place(asked.output), []
    for case in plan(asked):
        path = asked.output / "cells" / f"{case.name}.json"
        if not path.is_file():
            started = time.perf_counter()
            record = run_case(case, place, asked) | {"seconds": time.perf_counter() - started}
            write(path, record)
        record = json.loads(path.read_text(encoding="utf-8"))
        records.append(record)
        mark = "as it must be" if record["right"] else "WRONG"
        print(
            f"{case.name}: {record['verdict']}, {mark} ({', '.join(record['failed']) or 'no rule failed'})", flush=True
        )
    found = summary(records, asked)
    write_result(asked.results, found)
    print(
        f"{found['backdoored_failed']} of {found['backdoored']} backdoored models FAILED, {found['clean_passed']} of "
        f"{found['clean']} clean ones PASSED"
    )
    sys.exit(0 if all(one["right"] for one in records) else 1)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = options(__doc__, OUTPUT)  # a folder of keys, models and records
    parser.add_argument("--results", type=Path, default=RESULTS / "gate.json", help="JSON file of all of them")
    parser.add_argument("--attacks", nargs="*", default=(*ATTACKS, *DILUTED), help="NAME or NAME@TRIGGER")
    parser.add_argument("--targets", type=int, nargs="*", default=(0, 3, 7))
    parser.add_argument("--clean", type=int, default=12, help="number of clean models")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.05, help="poisoned share of the training set")
    parser.add_argument("--size", type=int, default=54_000, help="training images; fewer for a trial")
    parser.add_argument("--test", type=int, default=10_000, help="test images")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="keep the data sets")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
