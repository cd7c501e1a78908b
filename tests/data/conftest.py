"""Small data sets and a disk that is full."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

from whitesquare.data import ArrayDataset, from_arrays

Make = Callable[..., ArrayDataset]


@pytest.fixture(scope="session")
def make() -> Make:
    """Build a random data set: ``make(count, channels, height, width, classes=..., split=...)``."""

    def build(
        count: int = 6,
        channels: int = 1,
        height: int = 5,
        width: int = 7,
        *,
        classes: tuple[str, ...] = ("0", "1", "2"),
        split: str = "train",
        seed: int = 0,
    ) -> ArrayDataset:
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (count, channels, height, width), dtype=np.uint8)
        labels = np.arange(count) % len(classes)
        return from_arrays(pixels, labels, classes=classes, split=split, layout="NCHW")

    return build


@pytest.fixture(scope="session")
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Let the operating system refuse every byte of a file after the first ``size``."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
