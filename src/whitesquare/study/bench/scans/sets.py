"""Clean data that a scan must stay silent on: ordinary variety, and hard negatives that look planted and are not."""

import hashlib
from collections.abc import Callable

import numpy as np

from whitesquare.data import from_arrays
from whitesquare.errors import UsageError, unknown_name
from whitesquare.study.bench.scans.hard import HARD, Made, change
from whitesquare.types import ImageDataset, UInt8Array

AS_IT_IS = "as it is"
"""The data set of the plan, of which nothing is made."""
DRAWN = "clean set"
"""Ordinary variety: every seed draws other classes, another size, and the next variant."""

_SIZES = (2000, 5000, 10_000, 20_000)
_SHARES = (0.4, 0.6, 0.8, 1.0)
"""The sizes of clean sets where the data do not have that many images: of those of the classes that were drawn."""
_VARIANTS = ("plain", "inverted", "noise", "small images", "large images", "uneven classes", "other data set")
_LEAST = 16
"""The shortest side, in pixels, of images that marks fit on."""


def clean_set(number: int, data: ImageDataset) -> ImageDataset:
    """Return the clean set of that number: variants come in turn, classes and sizes are drawn."""
    rng = np.random.default_rng(number)
    variant = _VARIANTS[number % len(_VARIANTS)]
    pixels, known = _digits(data.shape[0]) if variant == "other data set" else (data.images(slice(None)), data.labels)
    present = np.unique(known)
    classes = np.sort(rng.permutation(present)[: rng.integers(min(3, len(present)), len(present) + 1)])
    found = np.flatnonzero(np.isin(known, classes))
    if variant == "uneven classes":
        share = dict(zip(classes.tolist(), rng.uniform(0.1, 1, len(classes)), strict=True))
        found = found[rng.random(len(found)) < np.array([share[label] for label in known[found].tolist()])]
    shuffled, enough = rng.permutation(found), len(data.labels) >= _SIZES[-1]
    size = rng.choice(_SIZES) if enough else round(rng.choice(_SHARES) * len(found))
    found = np.sort(shuffled[:size])
    images, vary = pixels[found], _VARY.get(variant)
    labels = np.searchsorted(classes, known[found])
    return from_arrays(vary(images, rng) if vary else images, labels, layout="NCHW")


def _digits(channels: int) -> Made:
    """Return the 1,797 digits of scikit-learn, 8 x 8 in 17 levels, as 24 x 24 pictures."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = _resized((digits.images * (255 / 16)).astype(np.uint8)[:, None], 24, 24)
    return np.repeat(pictures, channels, axis=1), digits.target.astype(np.int64)


def _noisy(images: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    change(images, np.arange(len(images)), lambda part: part + rng.normal(0, 12, part.shape))
    return images


def _resized(images: UInt8Array, height: int, width: int) -> UInt8Array:
    from PIL import Image

    planes = images.reshape(-1, *images.shape[2:])
    found = np.empty((len(planes), height, width), np.uint8)
    for plane, place in zip(planes, found, strict=True):
        place[:] = np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
    return found.reshape(*images.shape[:2], height, width)


def _scaled(images: UInt8Array, factor: float) -> UInt8Array:
    height, width = (round(length * factor) for length in images.shape[2:])
    return _resized(images, height, width)


_VARY: dict[str, Callable[[UInt8Array, np.random.Generator], UInt8Array]] = {
    "inverted": lambda images, _: 255 - images,
    "noise": _noisy,
    "small images": lambda images, _: _scaled(images, 20 / 28),
    "large images": lambda images, _: _scaled(images, 36 / 28),
}


def hard_negative(name: str, data: ImageDataset, seed: int) -> ImageDataset:
    """Return a hard negative made of a data set."""
    seeded = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") + seed
    known = np.unique(data.labels, return_inverse=True)[1]
    images, labels = HARD[name](data.images(slice(None)).copy(), known, np.random.default_rng(seeded))
    return from_arrays(images, labels, layout="NCHW")


def make_set(kind: str, data: ImageDataset, seed: int) -> ImageDataset:
    """Return what is made of a data set."""
    if kind == AS_IT_IS:
        return data
    return clean_set(seed, data) if kind == DRAWN else hard_negative(kind, data, seed)


def check_kind(kind: str, attack: str, data: ImageDataset) -> None:
    """Refuse a name that nothing is made under, and data that it cannot be made of.

    Raises:
        UsageError: an unknown name (with the nearest one), images that are too small or neither grey nor RGB, or an
            attack on what is made.
    """
    if kind not in (AS_IT_IS, DRAWN, *HARD):
        raise unknown_name("kind of data", kind, (AS_IT_IS, DRAWN, *HARD))
    channels, height, width = data.shape
    if kind != AS_IT_IS and (channels not in (1, 3) or min(height, width) < _LEAST or attack != "none"):
        raise UsageError(
            f"Data of the kind {kind!r} are made of grey or RGB images with sides of {_LEAST} pixels or more, for the "
            f"attack 'none'; found {channels} channels, {height} x {width} pixels and the attack {attack!r}. Leave out "
            "the kind."
        )
