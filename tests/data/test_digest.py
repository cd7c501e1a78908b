"""The digest: one per content, whichever class presents it."""

import numpy as np
import pytest

from whitesquare.data import (
    Overlay,
    dataset_digest,
    digest,
    from_arrays,
    load_image_folder,
    load_npz,
    write_npz,
    write_png_folder,
)


def test_known_value():
    # a digest is kept in reports and manifests: it must not change from one release to the next
    dataset = from_arrays(np.arange(12, dtype=np.uint8).reshape(3, 2, 2), [0, 1, 0])
    assert dataset_digest(dataset) == "9d1303fee367c59add69db1e7667637c7c14e8accfbe9d0a26bd2c3ce4c87a80"


def test_does_not_depend_on_the_class_that_presents_it(tmp_path, make):
    dataset = make(6)
    expected = dataset_digest(dataset)
    write_npz(tmp_path / "a.npz", dataset)
    assert dataset_digest(load_npz(tmp_path / "a.npz")) == expected
    positions = np.array([1, 4])
    same = Overlay(dataset, positions, dataset.pixels[positions], dataset.labels[positions])
    assert dataset_digest(same) == expected
    reversed_memory = from_arrays(dataset.pixels.transpose(0, 2, 3, 1).copy(), dataset.labels, classes=dataset.classes)
    assert dataset_digest(reversed_memory) == expected


def test_png_folder_agrees_with_its_arrays(tmp_path, make):
    write_png_folder(tmp_path, make(6), "train")
    folder = load_image_folder(tmp_path)
    copy = from_arrays(folder.images(slice(None)), folder.labels, classes=folder.classes, ids=folder.ids)
    assert dataset_digest(copy) == dataset_digest(folder)


def test_chunks_do_not_matter(make, monkeypatch):
    expected = dataset_digest(make(7))
    monkeypatch.setattr(digest, "BATCH", 3)
    assert dataset_digest(make(7)) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"images": np.arange(1, 13, dtype=np.uint8).reshape(3, 2, 2)},
        {"images": np.arange(12, dtype=np.uint8).reshape(3, 1, 4)},
        {"images": np.arange(12, dtype=np.uint8).reshape(3, 4, 1, 1), "layout": "NCHW"},
        {"labels": [0, 1, 1]},
        {"classes": ("0", "2")},
        {"classes": ("0", "1", "2")},
        {"ids": ("a", "b", "d")},
        {"ids": ("ab", "c", "d")},
        {"ids": ("a", "bc", "d")},
    ],
)
def test_every_part_counts(changed):
    original = {
        "images": np.arange(12, dtype=np.uint8).reshape(3, 2, 2),
        "labels": [0, 1, 0],
        "classes": ("0", "1"),
        "ids": ("a", "b", "c"),
    }
    assert dataset_digest(from_arrays(**original | changed)) != dataset_digest(from_arrays(**original))


def test_empty_data_set():
    empty = from_arrays(np.zeros((0, 2, 2), np.uint8), np.zeros(0, np.int64))
    assert len(dataset_digest(empty)) == 64
