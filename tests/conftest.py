"""A small part of MNIST, and a cache of its own for every test run."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from whitesquare.data import ArrayDataset, from_arrays, load_mnist


def part_of_mnist(split: str, size: int) -> ArrayDataset:
    dataset = load_mnist(split)
    return from_arrays(
        dataset.images(slice(0, size)), dataset.labels[:size], classes=dataset.classes, ids=dataset.ids[:size]
    )


@pytest.fixture(scope="session")
def small_train() -> ArrayDataset:
    """The first 8,000 training images."""
    return part_of_mnist("train", 8000)


@pytest.fixture(scope="session")
def small_test() -> ArrayDataset:
    """The first 2,000 test images."""
    return part_of_mnist("test", 2000)


@pytest.fixture(scope="session")
def tiny() -> ArrayDataset:
    """Sixty random 12 x 12 images of three classes, each class brighter than the one before."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 80, (60, 12, 12)) + 80 * labels[:, None, None]
    return from_arrays(images.astype(np.uint8), labels)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHITESQUARE_CACHE", str(folder))
        yield folder
