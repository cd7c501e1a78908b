"""Made-up but plausible scans: a square planted in MNIST zeros, nothing found, and nothing run."""

from dataclasses import replace

import numpy as np

from whitesquare.records import Estimate
from whitesquare.scanning.types import (
    Alarm,
    ClassRow,
    ContactSheet,
    DetectorRun,
    Flag,
    Scan,
    ScanResult,
    ScanScores,
    Transplant,
    TriggerEstimate,
)
from whitesquare.types import FloatArray, UInt8Array

from .sample import DIGITS, mnist

HOSTILE = '<script>alert("1")</script>'
RUNS = (
    DetectorRun("pixel-match", "PM01", "pixel", 1.2),
    DetectorRun("spectral-signature", "SS01", "latent", 3.41),
    DetectorRun("activation-clustering", "AC01", "latent", 8.9),
    DetectorRun("loss-speed", "LS01", "dynamics", 0.3),
    DetectorRun("trigger-inversion", "NC01", "response", 41.7),
    DetectorRun("nearest-reference", "NR01", "latent", 0.0, "it needs trusted samples; give them with --reference"),
    DetectorRun(
        "frequency", "FR01", "residual", 0.2, "ValueError: images are 4 x 4, smaller than a block", crashed=True
    ),
)


def square(size: int = 4, at: int = 22, side: int = 28, opacity: float = 1.0, channels: int = 1) -> TriggerEstimate:
    mask = np.zeros((side, side))
    mask[at : at + size, at : at + size] = opacity
    pattern = np.zeros((channels, side, side))
    pattern[:, at : at + size, at : at + size] = 255
    pattern[:, at + 1 : at + size - 1, at + 1 : at + size - 1] = 60
    return TriggerEstimate(
        "patch",
        tuple(tuple(map(float, line)) for line in mask),
        tuple(tuple(tuple(map(float, line)) for line in plane) for plane in pattern),
        (at, at, at + size, at + size),
    )


def transplant(value: float = 0.962) -> Transplant:
    rate = Estimate("flip rate", value, value - 0.014, min(1.0, value + 0.011), 900, "Wilson score")
    return Transplant(rate, 0.0011, 0.021, 0.064, 199, 0.005, "full")


def alarm(label: int = 0, name: str = "0", tier: str = "confirmed") -> Alarm:
    proven = tier == "confirmed"
    return Alarm(
        label,
        name,
        tier,
        "SS01" if proven else "AC01",
        (
            "The same 4 x 4 square sits at the same place in 312 of its 5,923 samples; in other classes in none.",
            "Pasted on images of other classes, it turns 96 of 100 into this class.",
        )
        if proven
        else ("Its features fall into two groups, one of 6 % of the samples.",),
        0.005 if proven else 0.0123,
        "exact Monte-Carlo p-value of the transplant test, adjusted for 4 candidates"
        if proven
        else "cross-class, approximate",
        312 if proven else 41,
        square() if proven else None,
        transplant() if proven else None,
        ("a watermark or a sensor mark on part of the class", "a border that a conversion left"),
    )


def class_rows(names: tuple[str, ...] = DIGITS, planted: int | None = 0) -> tuple[ClassRow, ...]:
    random = np.random.default_rng(0)
    rows = []
    for label, name in enumerate(names):
        hit = label == planted
        found: dict[str, float | None] = {
            "pixel-match": float(random.random()) * 0.1 + (0.9 if hit else 0),
            "spectral-signature": float(random.normal(4, 0.4)) + (9 if hit else 0),
            "activation-clustering": float(random.normal(0.12, 0.01)) + (0.31 if hit else 0),
            "loss-speed": None if label == 3 else float(random.normal(0, 1)),
            "nearest-reference": None,
        }
        rows.append(ClassRow(label, name, 5923 + 31 * label, 312 if hit else 0, 0, int(random.integers(0, 9)), found))
    return tuple(rows)


def flags(count: int = 312, names: tuple[str, ...] = DIGITS) -> tuple[Flag, ...]:
    strong = [Flag(f"train/{37 * i:05d}", 37 * i, 0, "confirmed", "SS01", 9.5 - 0.01 * i, 0.0002) for i in range(count)]
    rest = [
        Flag(f"train/{41 * i + 3:05d}", 41 * i + 3, 1 + i % (len(names) - 1), "review", "LS01", 2.5 - 0.1 * i, None)
        for i in range(9)
    ]
    return (*strong, *rest)


def result(**changes: object) -> ScanResult:
    found = ScanResult(
        source="photos/train",
        digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        size=60_000,
        mode="scan model",
        calibration="approximate",
        calibration_note="A class that differs from the others for a good reason can get a small p-value as well.",
        reference_size=0,
        reasons=(
            "Class 0 carries a square that turns 96 % of the images of other classes; the worst of 199 controls 6 %.",
            "Four of five families of evidence point at the same 312 samples.",
        ),
        alarms=(alarm(),),
        flagged=flags(),
        classes=class_rows(),
        runs=RUNS,
        skipped={"zero/broken.png": "it is truncated", "one/huge.png": "it has more than 178 million pixels"},
        warnings=("12 of the trusted samples are also in the data.",),
        seed=7,
        fused_auroc=None,
        seconds={"read": 0.41, "train": 62.7, "detect": 55.7, "confirm": 31.2},
        versions={"whitesquare": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "torch": "2.13.0"},
        machine={"processor": "x86_64", "cores": "2", "memory": "7.8 GiB"},
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def nothing_found(**changes: object) -> ScanResult:
    ran = tuple(run for run in RUNS if not run.reason)
    base = result(
        alarms=(), flagged=flags(0), classes=class_rows(planted=None), runs=ran, skipped={}, warnings=(),
        reasons=("No class statistic is beyond what chance gives at the level asked for.",),
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def nothing_ran() -> ScanResult:
    idle = tuple(replace(run, reason="it needs a model, and --no-model was given", crashed=False) for run in RUNS)
    return nothing_found(
        runs=idle, flagged=(), reasons=(), calibration="ranking only", classes=class_rows(planted=None)
    )


def hostile() -> ScanResult:
    """A scan in which every text is an attack on whoever shows it."""
    bad = f'{HOSTILE}\n" onmouseover="alert(1)\u202egnp.exe[x](http://evil)\x00\x1b[31m'
    one = replace(
        alarm(0, bad), rule_id="<b>", reasons=(bad, bad), benign=(bad,), p_method=bad, p_value=float("nan"),
        trigger=replace(square(), kind=bad),
    )  # fmt: skip
    return result(
        source=bad, mode=bad, calibration=bad, calibration_note=bad, reasons=(bad,), alarms=(one,),
        flagged=(Flag(bad, 0, 0, "confirmed", "<b>", float("inf"), float("nan")),), warnings=(bad,),
        classes=(ClassRow(0, bad, 10, 1, 0, 0, {bad: 1.0}), ClassRow(1, "x" * 300, 10, 0, 0, 0, {bad: None})),
        runs=(DetectorRun(bad, "<b>", bad, float("nan")), DetectorRun(bad * 2, bad, "pixel", 0.0, bad, crashed=True)),
        skipped={bad: bad}, seconds={bad: float("nan")}, versions={bad: bad}, machine={bad: bad},
    )  # fmt: skip


def scores(size: int = 1500) -> ScanScores:
    random = np.random.default_rng(0)
    columns = {run.name: random.normal(size=size).astype(np.float32) for run in RUNS if not run.reason}
    columns["loss-speed"][::3] = np.nan
    labels = np.arange(size) % 10
    return ScanScores(
        tuple(f"train/{i:05d}" for i in range(size)), labels, random.random(size).astype(np.float32),
        np.where(labels == 0, np.float32(0.01), np.float32(np.nan)), columns,
    )  # fmt: skip


def sheet(label: int = 0, count: int = 16) -> ContactSheet:
    images, labels = mnist("train")
    members = images[labels == label]
    suspects, normal = members[:count].copy(), members[count : 2 * count]
    suspects[:, :, 22:26, 22:26] = 255
    suspects[:, :, 23:25, 23:25] = 60
    heat: FloatArray = np.zeros((count, 28, 28), np.float32)
    heat[:, 21:27, 21:27] = 0.35
    heat[:, 22:26, 22:26] = 1
    return ContactSheet(
        label, suspects, tuple(f"train/{37 * i:05d}" for i in range(count)), normal,
        tuple(f"train/{53 * i + 1:05d}" for i in range(count)), heat,
    )  # fmt: skip


def noise_sheet(shape: tuple[int, int, int], count: int = 5, label: int = 0, name: str = "x") -> ContactSheet:
    random = np.random.default_rng(0)
    images: UInt8Array = random.integers(0, 255, (2, count, *shape), dtype=np.uint8)
    heat = random.random((count, *shape[1:])).astype(np.float32)
    return ContactSheet(label, images[0], (name,) * count, images[1], (name,) * count, heat)


def scan(found: ScanResult | None = None, *sheets: ContactSheet) -> Scan:
    return Scan(result() if found is None else found, scores(), sheets)
