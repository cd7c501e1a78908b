"""Make a second data set in MNIST's file format: eight kinds of shapes on textured grey, 24 x 20 pixels.

    python benchmarks/second_dataset.py -o out/shapes

Nothing of it is like MNIST but the four IDX files: no digits, not square, no black corners, eight classes. The
same seed gives the same bytes.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whitesquare.data import ArrayDataset, from_arrays, write_idx_folder

HEIGHT, WIDTH = 24, 20
LOW, HIGH = 25, 230
"""Grey levels of every pixel: a white square is brighter than any, and no corner is black."""

Floats = NDArray[np.float64]


def disc(x: Floats, y: Floats) -> Floats:
    """Tell, for points in the shape's own coordinates (its radius is 1), which lie in it: above 0."""
    return 0.9 - np.hypot(x, y)


def ring(x: Floats, y: Floats) -> Floats:
    """A circle's line."""
    return 0.24 - abs(np.hypot(x, y) - 0.75)


def square(x: Floats, y: Floats) -> Floats:
    """A filled square."""
    return 0.78 - np.maximum(abs(x), abs(y))


def frame(x: Floats, y: Floats) -> Floats:
    """A square's line."""
    return 0.22 - abs(np.maximum(abs(x), abs(y)) - 0.68)


def plus(x: Floats, y: Floats) -> Floats:
    """Two crossed bars."""
    return np.minimum(0.24 - np.minimum(abs(x), abs(y)), 1 - np.maximum(abs(x), abs(y)))


def triangle(x: Floats, y: Floats) -> Floats:
    """A filled triangle that points up."""
    return np.minimum(0.6 - y, (0.9 + y) * 0.5 - abs(x) * 0.9)


def bars(x: Floats, y: Floats) -> Floats:
    """Three bars side by side."""
    return np.minimum(0.18 - abs((x + 0.3) % 0.6 - 0.3), 0.9 - np.maximum(abs(x), abs(y)))


def wedge(x: Floats, y: Floats) -> Floats:
    """Two bars that meet in a right angle."""
    return np.minimum(np.maximum(-0.35 - x, y - 0.35), 0.8 - np.maximum(abs(x), abs(y)))


SHAPES: tuple[Callable[[Floats, Floats], Floats], ...] = (disc, ring, square, frame, plus, triangle, bars, wedge)


def smooth(rng: np.random.Generator, count: int, cells: int) -> Floats:
    """Draw random fields in -1..1 that change over ``cells`` cells across the picture, linear in between."""
    coarse = rng.uniform(-1, 1, (count, cells + 1, cells + 1))
    for axis, size in ((1, HEIGHT), (2, WIDTH)):
        place = np.linspace(0, cells, size, endpoint=False)
        below = place.astype(int)
        share = (place - below).reshape([-1 if i == axis else 1 for i in range(3)])
        coarse = np.take(coarse, below, axis) * (1 - share) + np.take(coarse, below + 1, axis) * share
    return coarse


def draw(rng: np.random.Generator, count: int) -> ArrayDataset:
    """Draw ``count`` pictures, as many of each class."""
    labels = rng.permutation(np.arange(count) % len(SHAPES))
    rows, columns = np.meshgrid(np.arange(HEIGHT) + 0.5, np.arange(WIDTH) + 0.5, indexing="ij")

    def each(low: float, high: float) -> Floats:
        return rng.uniform(low, high, (count, 1, 1))

    turn, size = np.radians(each(-20, 20)), each(4.5, 7.5)
    down, right = rows - HEIGHT / 2 - each(-4, 4), columns - WIDTH / 2 - each(-2.5, 2.5)
    x = (right * np.cos(turn) + down * np.sin(turn)) / size
    y = (down * np.cos(turn) - right * np.sin(turn)) / size
    inside = np.empty(x.shape)
    for label, shape in enumerate(SHAPES):
        inside[labels == label] = shape(x[labels == label], y[labels == label])
    cover = np.clip(inside * size + 0.5, 0, 1)  # an edge is one pixel wide
    ground = each(60, 130) + 25 * smooth(rng, count, 3) + 15 * smooth(rng, count, 9)
    pixels = np.clip(ground + cover * each(50, 110) + rng.normal(0, 8, x.shape), LOW, HIGH)
    return from_arrays(np.rint(pixels).astype(np.uint8), labels)


def main() -> None:
    """Write the four files."""
    parser = argparse.ArgumentParser(description="Make a data set of shapes in MNIST's file format.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder; made if need be")
    parser.add_argument("--train", type=int, default=12_000, help="training images")
    parser.add_argument("--test", type=int, default=2_000, help="test images")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    train, test = (np.random.default_rng([asked.seed, part]) for part in range(2))
    write_idx_folder(asked.output, draw(train, asked.train), draw(test, asked.test))


if __name__ == "__main__":
    main()
