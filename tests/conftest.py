"""A small part of MNIST, a cache of its own for every test run, and what a run needs on a busy machine."""

import os

# One thread for each of pytest-xdist's workers and all they start: threads that outnumber the cores wait for one
# another, and small trainings then take many times as long. Set before NumPy and PyTorch are loaded and read it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from whitesquare.data import ArrayDataset, from_arrays, load_mnist

# Hypothesis measures every example; on a busy machine one of them always takes long.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


LONGEST = (
    *("test_pages.py", "test_interrupts.py", "test_drill.py", "test_plugins.py", "test_notebook.py"),
    *("test_attacks.py", "test_scan_cli.py", "test_bench.py"),
    *("test_classifier.py", "test_ray.py", "test_cli.py", "test_scan_reference.py", "test_detectors.py"),
    *("test_scan_bad_input.py", "test_bench_scans.py", "test_choice.py", "test_scan.py", "test_bitflips.py"),
)
"""Files that take longest. Two workers that begin with these end together; one that came last would run alone."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within each stays."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


def part_of_mnist(split: str, size: int) -> ArrayDataset:
    dataset = load_mnist(split)
    return from_arrays(
        dataset.images(slice(0, size)), dataset.labels[:size], classes=dataset.classes, ids=dataset.ids[:size]
    )


def halved(dataset: ArrayDataset, size: int, digits: int = 10, split: str = "train") -> ArrayDataset:
    """The first images of the first digits at half the width and height, on which networks take a quarter as long."""
    chosen = np.flatnonzero(dataset.labels < digits)[:size]
    images = np.ascontiguousarray(dataset.images(chosen)[:, :, ::2, ::2])
    return from_arrays(images, dataset.labels[chosen], classes=dataset.classes[:digits], split=split)


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
