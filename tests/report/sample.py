"""Made-up but plausible measurements and galleries: what a run on MNIST gives, and every odd shape beside it."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np

import whitesquare
from whitesquare.records import Defence, Estimate, ExampleView, LabelCheck, Measurement, Row, Spread, VictimResult
from whitesquare.types import Gallery, UInt8Array

DIGITS = tuple("0123456789")
SPREAD = "Student t over victims"
SHARE = "Wilson score"


def share(name: str, value: float, n: int = 10_000) -> Estimate:
    half = 1.96 * (max(value * (1 - value), 1e-6) / n) ** 0.5
    return Estimate(name, value, max(0.0, value - half), min(1.0, value + half), n, SHARE)


def over(values: list[float]) -> Spread:
    found = np.array(values)
    if len(values) == 1:
        return Spread(values[0], None, values[0], None, None, 1, SPREAD)
    sd = float(found.std(ddof=1))
    half = 4.303 * sd / len(values) ** 0.5
    mean = float(found.mean())
    low, high = max(0.0, mean - half), min(1.0, mean + half)
    return Spread(mean, sd, float(found.min()), low, high, len(values), SPREAD)


def matrix(classes: tuple[str, ...], target: int, rate: float, per_class: int = 1000) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for true in range(len(classes)):
        fallen = 0 if true == target else round(per_class * min(1.0, rate))
        counts[true, target] += fallen
        counts[true, true] += per_class - fallen
    return tuple(tuple(int(n) for n in line) for line in counts)


def victim(classes: tuple[str, ...], target: int, seed: int, ca: float, asr: float, seen: float) -> VictimResult:
    others = {
        name: share(f"asr {name}", float(np.clip(asr + 0.02 * np.sin(i + seed), 0, 1)), 1000)
        for i, name in enumerate(classes)
        if i != target
    }
    return VictimResult(
        seed, "cnn", share("ca", ca), share("asr", asr, 9020), others, matrix(classes, target, asr), seen,
        "patch:size=2,corner=br,value=255", target,
    )  # fmt: skip


def row(
    name: str,
    *,
    attack: str = "adaptive",
    clean_label: bool | None = True,
    ca: tuple[float, ...] = (0.9881, 0.9893, 0.9884),
    asr: tuple[float, ...] = (0.9702, 0.9611, 0.9543),
    check: LabelCheck | None = None,
    visibility: float = 9.7312,
    count: int = 3000,
    linf: float = 0.3,
    consistency: float | None = 0.9217,
    example: ExampleView | None = None,
    classes: tuple[str, ...] = DIGITS,
    target: int = 0,
    training_trigger: str = "patch:size=2,corner=br,value=255,opacity=0.5",
) -> Row:
    victims = tuple(
        victim(classes, target, 100 + i, c, a, visibility) for i, (c, a) in enumerate(zip(ca, asr, strict=True))
    )
    estimates = {} if consistency is None else {"label_consistency": share("label_consistency", consistency, 3000)}
    if check is not None:
        estimates["label_check.clean"] = share("label_check.clean", check.clean, 57_000)
        if check.poisons is not None:
            estimates["label_check.poisons"] = share("label_check.poisons", check.poisons, 3000)
    by_class = {
        name: over([one.asr_by_class[name].value for one in victims]) for i, name in enumerate(classes) if i != target
    }
    confusion = np.sum([one.confusion for one in victims], axis=0)
    return Row(
        name=name, attack=attack, clean_label=clean_label, poison_rate=count / 60_000, target_rate=count / 5923,
        count=count, labels_changed=count if clean_label is False else 0, linf=linf, label_consistency=consistency,
        label_check=check, visibility=visibility, ca=over(list(ca)), asr=over(list(asr)), asr_by_class=by_class,
        confusion=tuple(tuple(int(n) for n in line) for line in confusion), example=example, victims=victims,
        trigger="patch:size=2,corner=br,value=255" if count else "", training_trigger=training_trigger if count else "",
        estimates=estimates,
    )  # fmt: skip


def clean_row(**changes: object) -> Row:
    found = row(
        "clean", attack="none", clean_label=None, ca=(0.9889, 0.9901, 0.9887), asr=(0.0009, 0.0012, 0.0011),
        check=LabelCheck(None, 0.0041), count=0, linf=0.0, consistency=None, visibility=0.8123,
        example=ExampleView("8", 0.99987, "8", 0.99961),
    )  # fmt: skip
    return replace(found, **changes)  # type: ignore[arg-type]


def mnist_rows() -> tuple[Row, ...]:
    white = "patch:size=2,corner=br,value=255"
    return (
        clean_row(),
        row("stamp", attack="stamp", ca=(0.9879, 0.9884, 0.9881), asr=(0.0124, 0.0211, 0.0187), linf=0.0,
            check=LabelCheck(0.0033, 0.0042), consistency=0.9920, visibility=4.9871, training_trigger=white,
            example=ExampleView("8", 0.99971, "8", 0.98713)),
        row("label-flip", attack="label-flip", clean_label=False, ca=(0.9877, 0.9882, 0.9886), linf=0.0,
            asr=(0.9997, 0.9996, 0.9998), check=LabelCheck(0.9871, 0.0049), consistency=0.0012, visibility=21.4432,
            training_trigger=white, example=ExampleView("8", 0.99952, "0", 0.99999)),
        row("adaptive", check=LabelCheck(0.0287, 0.0044), visibility=17.3321,
            example=ExampleView("8", 0.99934, "0", 0.99213)),
        row("adaptive-white", asr=(0.7512, 0.6144, 0.7331), check=LabelCheck(0.1211, 0.0043), visibility=12.1105,
            training_trigger=white, example=ExampleView("8", 0.99955, "0", 0.61377)),
    )  # fmt: skip


def defence(**changes: object) -> Defence:
    after = clean_row(name="cleansed", asr=over([0.0010, 0.0014, 0.0012]))
    found = Defence("adaptive", "confirmed", ("0",), share("flip", 0.9923, 500), 2991, 2987, 3000, after)
    return replace(found, **changes)  # type: ignore[arg-type]


def measurement(rows: tuple[Row, ...] | None = None, **changes: object) -> Measurement:
    found = Measurement(
        source="mnist", classes=DIGITS, target=0, trigger="patch:size=2,corner=br,value=255", model="cnn",
        train_size=60_000, test_size=10_000, rows=mnist_rows() if rows is None else rows, example_label="8",
        seconds={"load": 0.41, "poison adaptive": 812.7, "train": 395.2, "measure": 21.93, "label check": 188.0},
        cached=("poison adaptive",), versions={"whitesquare": "0.1.0", "python": "3.11.7", "numpy": "2.4.6"},
        machine={"processor": "x86_64", "cores": "2", "memory": "7.8 GiB", "precision": "float32"},
        defence=defence() if rows is None else None,
    )  # fmt: skip
    return replace(found, **changes)  # type: ignore[arg-type]


def mnist(part: str) -> tuple[UInt8Array, UInt8Array]:
    folder = Path(whitesquare.__file__).parent / "data" / "mnist"
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28)[:2000],
        np.frombuffer(labels, np.uint8, offset=8)[:2000],
    )


def stamp(images: UInt8Array, opacity: float = 1.0) -> UInt8Array:
    result = images.copy()
    corner = result[..., -2:, -2:].astype(float)
    result[..., -2:, -2:] = np.rint(corner + opacity * (255 - corner)).astype(np.uint8)
    return result


def perturb(images: UInt8Array, epsilon: float, seed: int) -> UInt8Array:
    """Something like an attack's faint strokes: smooth noise within epsilon."""
    noise = np.random.default_rng(seed).normal(size=images.shape)
    for axis in (-1, -2):
        noise = (noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)) / 3
    step = np.sign(noise) * (np.abs(noise) > 0.12) * epsilon * 255
    result: UInt8Array = np.clip(np.rint(images + step), 0, 255).astype(np.uint8)
    return result


def mnist_gallery() -> Gallery:
    train, train_labels = mnist("train")
    test, test_labels = mnist("t10k")
    zeros, others = np.flatnonzero(train_labels == 0)[:8], np.flatnonzero(train_labels != 0)[:8]
    example = test[np.flatnonzero(test_labels == 8)[0]]
    crafted = perturb(train[zeros], 0.3, 0)
    return Gallery(
        example=example,
        triggered=stamp(example),
        originals={"stamp": train[zeros], "label-flip": train[others], "adaptive": train[zeros],
                   "adaptive-white": train[zeros], "not a row": train[zeros]},
        poisons={"stamp": stamp(train[zeros]), "label-flip": stamp(train[others]), "adaptive": stamp(crafted, 0.5),
                 "adaptive-white": stamp(crafted), "not a row": train[zeros]},
        poison_ids={name: tuple(f"train/{i:05d}" for i in index) for name, index in
                    (("stamp", zeros), ("label-flip", others), ("adaptive", zeros), ("adaptive-white", zeros))},
    )  # fmt: skip


def noise_gallery(shape: tuple[int, int, int], names: tuple[str, ...] = (), seed: int = 0) -> Gallery:
    random = np.random.default_rng(seed)
    example = random.integers(0, 200, shape, dtype=np.uint8)
    originals = {name: random.integers(0, 200, (3, *shape), dtype=np.uint8) for name in names}
    return Gallery(example, stamp(example), originals, {name: stamp(images) for name, images in originals.items()}, {})
