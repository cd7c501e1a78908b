"""Clean data that a scan must stay silent on: ordinary variety, and hard negatives that look planted and are not."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from detector_cells import ROOMS
from whitesquare._base.machine import code_digest
from whitesquare.data import from_arrays
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.types import ImageDataset, UInt8Array

_SIZES = (2000, 5000, 10_000, 20_000)
_VARIANTS = ("plain", "inverted", "noise", "small images", "large images", "uneven classes", "other data set")
_MARKED = 3
"""The class that carries the mark of a hard negative."""
Made = tuple[UInt8Array, np.ndarray[tuple[int], np.dtype[np.int64]]]


def clean_set(number: int, data: ImageDataset) -> tuple[ImageDataset, dict[str, Any]]:
    """Return the clean set of that number, and what it is: variants in turn, classes and sizes drawn."""
    rng = np.random.default_rng(number)
    variant = _VARIANTS[number % len(_VARIANTS)]
    pixels, known = _digits() if variant == "other data set" else (data.images(slice(None))[:, 0], data.labels)
    classes = np.sort(rng.permutation(10)[: rng.integers(3, 11)])
    found = np.flatnonzero(np.isin(known, classes))
    if variant == "uneven classes":
        share = dict(zip(classes.tolist(), rng.uniform(0.1, 1, len(classes)), strict=True))
        found = found[rng.random(len(found)) < np.array([share[label] for label in known[found].tolist()])]
    found = np.sort(rng.permutation(found)[: rng.choice(_SIZES)])
    images = _VARY.get(variant, lambda images, _: images)(pixels[found], rng)
    labels = np.searchsorted(classes, known[found])
    return from_arrays(images, labels), {"variant": variant, "classes": len(classes), "size": len(labels)}


def _digits() -> Made:
    """Return the 1,797 digits of scikit-learn, 8 x 8 in 17 levels, as 24 x 24 pictures."""
    digits = load_digits()
    return _resized((digits.images * (255 / 16)).astype(np.uint8), 24), digits.target.astype(np.int64)


def _noisy(images: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    noise = rng.normal(0, 12, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def _resized(images: UInt8Array, side: int) -> UInt8Array:
    resample = Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side), resample)) for image in images])


_VARY: dict[str, Callable[[UInt8Array, np.random.Generator], UInt8Array]] = {
    "inverted": lambda images, _: 255 - images,
    "noise": _noisy,
    "small images": lambda images, _: _resized(images, 20),
    "large images": lambda images, _: _resized(images, 36),
}


def _mark(images: UInt8Array, where: np.ndarray[Any, Any], opacity: float) -> None:
    """Draw a mark of 4 x 4 pixels in the top left corner, a cross, into the images at ``where``."""
    cross = np.zeros((4, 4), np.bool_)
    cross[[1, 2]], cross[:, [1, 2]] = True, True
    area = images[where, 1:5, 1:5].astype(np.float64)
    area[:, cross] += opacity * (255 - area[:, cross])
    images[where, 1:5, 1:5] = np.rint(area).astype(np.uint8)


def _faint_watermark(images: UInt8Array, labels: Any, rng: np.random.Generator) -> Made:
    mine = np.flatnonzero(labels == _MARKED)
    _mark(images, rng.permutation(mine)[: len(mine) // 2], 0.08)
    return images, labels


def _shared_watermark(images: UInt8Array, labels: Any, rng: np.random.Generator) -> Made:
    """Put the mark on 3 % of one class and on 1 % of every other: a model learns nothing from it."""
    share = np.where(labels == _MARKED, 0.03, 0.01)
    _mark(images, np.flatnonzero(rng.random(len(labels)) < share), 1.0)
    return images, labels


def _white_borders(images: UInt8Array, labels: Any, rng: np.random.Generator) -> Made:
    mine = labels == _MARKED
    for edge in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        framed = images[mine]
        framed[edge] = 255
        images[mine] = framed
    return images, labels


def _near_duplicates(images: UInt8Array, labels: Any, rng: np.random.Generator) -> Made:
    """Replace a tenth of one class by copies of three of its images, each with slight noise."""
    mine = rng.permutation(np.flatnonzero(labels == _MARKED))
    copies = mine[3 : 3 + len(mine) // 10]
    noise = rng.integers(-3, 4, images[copies].shape)
    images[copies] = np.clip(images[mine[rng.integers(0, 3, len(copies))]] + noise, 0, 255)
    return images, labels


def _label_noise(images: UInt8Array, labels: Any, rng: np.random.Generator) -> Made:
    wrong = np.flatnonzero(rng.random(len(labels)) < 0.05)
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return images, changed


def _imbalance(images: UInt8Array, labels: Any, rng: np.random.Generator) -> Made:
    """Keep ever fewer of every class, down to a hundredth."""
    kept = np.flatnonzero(rng.random(len(labels)) < 0.01 ** (labels / 9))
    return images[kept], labels[kept]


def _two_classes(images: UInt8Array, labels: Any, rng: np.random.Generator) -> Made:
    pair = np.sort(rng.permutation(10)[:2])
    kept = np.flatnonzero(np.isin(labels, pair))
    return images[kept], np.searchsorted(pair, labels[kept]).astype(np.int64)


HARD: dict[str, Callable[[UInt8Array, Any, np.random.Generator], Made]] = {
    "faint watermark in one class": _faint_watermark,
    "watermark shared by all classes": _shared_watermark,
    "white borders in one class": _white_borders,
    "near-duplicates": _near_duplicates,
    "5 % label noise": _label_noise,
    "100:1 imbalance": _imbalance,
    "two classes only": _two_classes,
}
"""Hard negatives by name."""


def hard_negative(name: str, data: ImageDataset, seed: int) -> ImageDataset:
    """Return a hard negative made of MNIST."""
    seeded = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") + seed
    images, labels = HARD[name](
        data.images(slice(None))[:, 0].copy(), data.labels.copy(), np.random.default_rng(seeded)
    )
    return from_arrays(images, labels)


def clean_record(number: int, data: ImageDataset, detectors: tuple[str, ...]) -> dict[str, Any]:
    """Scan the clean set of that number."""
    dataset, what = clean_set(number, data)
    return what | _scan(dataset, number, detectors)


def hard_record(name: str, data: ImageDataset, seed: int, detectors: tuple[str, ...]) -> dict[str, Any]:
    """Scan a hard negative."""
    return _scan(hard_negative(name, data, seed), seed, detectors)


def _scan(dataset: ImageDataset, seed: int, detectors: tuple[str, ...]) -> dict[str, Any]:
    """Scan a set that holds no poison; everything it finds is false."""
    found = run_scan(dataset, ScanSettings(seed=seed, detectors=detectors))
    alarms, p_values = found.result.alarms, found.scores.p_values
    known = np.isfinite(p_values)
    return {
        "size": found.result.size,
        "code": code_digest(ROOMS),
        "mode": found.result.mode,
        "confirmed": sum(alarm.tier == "confirmed" for alarm in alarms),
        "suspicious": sum(alarm.tier == "suspicious" for alarm in alarms),
        "alarms": [
            {"class": one.class_name, "tier": one.tier, "rule_id": one.rule_id, "reason": one.reasons[0]}
            for one in alarms
        ],
        "review_fpr": float((p_values[known] <= 0.01).mean()) if known.any() else None,
        "crashed": [run.name for run in found.result.runs if run.crashed],
        "seconds": sum(found.result.seconds.values()),
    }
