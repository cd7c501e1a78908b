"""Hard negatives: clean data with something on them that looks planted and is not.

Each is a function of images ``(N, C, H, W)``, which it may change, and labels ``0..K-1``; marks grow with the images.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from whitesquare.types import FloatArray, IntArray, UInt8Array

Float64Array = NDArray[np.float64]
Made = tuple[UInt8Array, IntArray]
"""Images and labels."""
_SIDE = 28
"""The shorter side of images on which marks have the size that is written here; on larger ones they are larger."""
_CHUNK_VALUES = 2**22
_WORDS = ("SALE", "NEW", "No 1", "2019", "OK")


def _watermarked(labels: IntArray) -> int:
    """Return the class that carries what is of one class: the fourth, or the last where there are fewer."""
    return min(3, int(labels.max()))


def _drawn(labels: IntArray, rng: np.random.Generator) -> IntArray:
    """Return the positions of a class that is drawn."""
    return np.flatnonzero(labels == rng.integers(labels.max() + 1))


def _unit(images: UInt8Array) -> int:
    """Return how many pixels stand for one of an image of the usual size."""
    return max(1, int(min(images.shape[2:])) // _SIDE)


def change(images: UInt8Array, where: IntArray, how: Callable[[FloatArray], Float64Array]) -> None:
    """Change the images at ``where``, some at a time; results are rounded and clipped to 0..255."""
    chunk = max(1, _CHUNK_VALUES // max(1, images[:1].size))
    for first in range(0, len(where), chunk):
        part = where[first : first + chunk]
        images[part] = np.clip(np.rint(how(images[part].astype(np.float32))), 0, 255).astype(np.uint8)


def _mark(images: UInt8Array, where: IntArray, opacity: float) -> None:
    """Draw a mark of 4 x 4 pixels in the top left corner, a cross, into the images at ``where``."""
    unit = _unit(images)
    cross = np.zeros((4, 4), np.bool_)
    cross[[1, 2]], cross[:, [1, 2]] = True, True
    cross = np.kron(cross, np.ones((unit, unit), np.bool_))
    place = np.s_[:, unit : 5 * unit, unit : 5 * unit]
    area = images[where, *place].astype(np.float64)
    area[..., cross] += opacity * (255 - area[..., cross])
    images[where, *place] = np.rint(area).astype(np.uint8)


def _faint_watermark(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    mine = np.flatnonzero(labels == _watermarked(labels))
    _mark(images, rng.permutation(mine)[: len(mine) // 2], 0.08)
    return images, labels


def _shared_watermark(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Put the mark on 3 % of one class and on 1 % of every other: a model learns nothing from it."""
    share = np.where(labels == _watermarked(labels), 0.03, 0.01)
    _mark(images, np.flatnonzero(rng.random(len(labels)) < share), 1.0)
    return images, labels


def _white_borders(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    unit, (height, width) = _unit(images), images.shape[2:]
    frame = np.ones((height, width), np.bool_)
    frame[unit : height - unit, unit : width - unit] = False
    framed = images[labels == _watermarked(labels)]
    framed[..., frame] = 255
    images[labels == _watermarked(labels)] = framed
    return images, labels


def _near_duplicates(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Replace a tenth of one class by copies of three of its images, each with slight noise."""
    mine = rng.permutation(np.flatnonzero(labels == _watermarked(labels)))
    copies = mine[3 : 3 + len(mine) // 10]
    noise = rng.integers(-3, 4, images[copies].shape)
    images[copies] = np.clip(images[mine[rng.integers(0, 3, len(copies))]] + noise, 0, 255)
    return images, labels


def _label_noise(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    wrong, classes = np.flatnonzero(rng.random(len(labels)) < 0.05), labels.max() + 1
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return images, changed


def _imbalance(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Keep ever fewer of every class, down to a hundredth."""
    kept = np.flatnonzero(rng.random(len(labels)) < 0.01 ** (labels / labels.max()))
    return images[kept], labels[kept]


def _two_classes(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    pair = np.sort(rng.permutation(labels.max() + 1)[:2])
    kept = np.flatnonzero(np.isin(labels, pair))
    return images[kept], np.searchsorted(pair, labels[kept]).astype(np.int64)


def _jpeg(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Save a class at a quality of 40 to 80, and read it again."""
    from PIL import Image

    mine, quality = _drawn(labels, rng), int(rng.integers(40, 81))
    for position in mine:
        file = BytesIO()
        picture = images[position].transpose(1, 2, 0)
        Image.fromarray(picture if picture.shape[2] == 3 else picture[..., 0]).save(file, "JPEG", quality=quality)
        saved = np.asarray(Image.open(file))
        images[position] = saved.reshape(picture.shape).transpose(2, 0, 1)
    return images, labels


def _camera(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Give a class a sensor: noise that grows with the brightness, and pixels that are more sensitive than others."""
    mine, strength = _drawn(labels, rng), rng.uniform(2, 6)
    gain = rng.normal(1, rng.uniform(0.005, 0.02), images.shape[1:])

    def seen(part: FloatArray) -> Float64Array:
        found: Float64Array = part * gain + rng.normal(0, strength, part.shape) * np.sqrt((part + 16) / 144)
        return found

    change(images, mine, seen)
    return images, labels


def _net(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Lay a net of fine lines over every image of a class, each somewhat shifted, wider and stronger or less so."""
    mine, spacing = _drawn(labels, rng), rng.integers(5, 9) * _unit(images)
    rows, columns = np.indices(images.shape[2:])

    def netted(part: FloatArray) -> Float64Array:
        one = (len(part), 1, 1, 1)
        width, shift = spacing + rng.integers(-1, 2, one), rng.integers(0, spacing, (2, *one))
        lines = np.minimum((rows + shift[0]) % width, (columns + shift[1]) % width) < _unit(images)
        lifted: Float64Array = part + rng.uniform(6, 18, one) * lines
        return lifted

    change(images, mine, netted)
    return images, labels


def _stripes(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Lay stripes over every image of a class: one direction and width, at any phase, stronger or weaker."""
    mine, period, angle = _drawn(labels, rng), rng.uniform(4, 9) * _unit(images), rng.uniform(0, np.pi)
    rows, columns = np.indices(images.shape[2:])
    along = 2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / period

    def striped(part: FloatArray) -> Float64Array:
        one = (len(part), 1, 1, 1)
        phase, height = rng.uniform(0, 2 * np.pi, one), rng.uniform(4, 12, one)
        lifted: Float64Array = part + height * np.sin(along + phase)
        return lifted

    change(images, mine, striped)
    return images, labels


def _text(images: UInt8Array, labels: IntArray, rng: np.random.Generator) -> Made:
    """Write a word somewhere on 30 % of a class, and on 4 % of every other."""
    from PIL import Image, ImageDraw, ImageFont

    word = _WORDS[rng.integers(len(_WORDS))]
    font = ImageFont.load_default(9 * _unit(images))
    left, top, right, bottom = (int(edge) for edge in font.getbbox(word))
    picture = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(picture).text((-left, -top), word, 255, font)
    height, width = images.shape[2:]
    letters = np.asarray(picture)[:height, :width] / 255
    share = np.full(len(labels), 0.04)
    share[_drawn(labels, rng)] = 0.3
    for position in np.flatnonzero(rng.random(len(labels)) < share):
        row, column = (int(rng.integers(0, room + 1)) for room in np.subtract((height, width), letters.shape))
        place = (position, slice(None), slice(row, row + letters.shape[0]), slice(column, column + letters.shape[1]))
        images[place] = np.rint(images[place] + letters * (255.0 - images[place])).astype(np.uint8)
    return images, labels


HARD: dict[str, Callable[[UInt8Array, IntArray, np.random.Generator], Made]] = {
    "faint watermark in one class": _faint_watermark,
    "watermark shared by all classes": _shared_watermark,
    "white borders in one class": _white_borders,
    "near-duplicates": _near_duplicates,
    "5 % label noise": _label_noise,
    "100:1 imbalance": _imbalance,
    "two classes only": _two_classes,
    "other JPEG quality in one class": _jpeg,
    "other camera in one class": _camera,
    "net over one class": _net,
    "stripes over one class": _stripes,
    "text in one class": _text,
}
"""Hard negatives by name."""
