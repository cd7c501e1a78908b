"""The public contract suite on everything registered, and proof that it can fail."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.own_data import made_to_fit
from whitesquare.data import FORMATS, Overlay, load_mnist, open_dataset, write_dataset
from whitesquare.errors import ContractError
from whitesquare.testing import check_dataset, check_source, check_trigger


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_embedded_data_set_keeps_its_contract(split):
    check_dataset(load_mnist(split))


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_written_form_keeps_its_contract_and_its_content(fmt, tiny, tmp_path):
    given = made_to_fit(tiny, fmt)
    ids = write_dataset(tmp_path, given, given, fmt)
    again = open_dataset(tmp_path)
    check_dataset(again)
    place = {name: position for position, name in enumerate(again.ids)}
    order = np.array([place[name] for name in ids])
    assert np.array_equal(again.images(order), given.images(slice(None)))
    assert np.array_equal(again.labels[order], given.labels)


def test_an_overlay_keeps_its_contract(tiny):
    positions = np.array([0, 15, 59])
    check_dataset(Overlay(tiny, positions, 255 - tiny.images(positions), tiny.labels[positions]))


@dataclass(frozen=True)
class BadTrigger:
    how: str

    def __call__(self, images):
        stamped = images if self.how == "writes" else images.copy()
        if self.how == "random":
            stamped[..., 0, 0] = np.random.default_rng().integers(0, 256, stamped.shape[:2])
        elif self.how == "batch":
            stamped[..., 0, 0] = len(images)
        elif self.how == "shape":
            return stamped[..., :-1]
        elif self.how == "dtype":
            return stamped.astype(np.float32)
        elif self.how == "writes":
            stamped[..., 0, 0] = 7
        return stamped


@pytest.mark.parametrize("how", ["random", "batch", "shape", "dtype", "writes", "nothing"])
def test_a_bad_trigger_is_caught(how):
    with pytest.raises(ContractError, match="BadTrigger"):
        check_trigger(BadTrigger(how))


@pytest.mark.parametrize(
    "change",
    [
        {"ids": ("same",) * 60},
        {"labels": np.full(60, 9)},
        {"labels": np.zeros(60, np.int32)},
        {"labels": np.zeros(3, np.int64)},
        {"classes": ("a", "a", "a")},
        {"pixels": np.zeros((60, 1, 12, 12), np.float32)},
    ],
)
def test_a_bad_data_set_is_caught(change, tiny):
    with pytest.raises(ContractError, match="ArrayDataset"):
        check_dataset(replace(tiny, **change))


@dataclass(frozen=True)
class OneFolder:
    """A source of data sets that is good, or bad in one way."""

    how: str = ""
    name = "one-folder"

    def recognises(self, source):
        if self.how == "nothing":
            return False
        return self.how == "everything" or (Path(source) / "train.npz").exists()

    def splits(self, source):
        return ("test",) if self.how == "denies" else ("train", "test")

    def open(self, source, split):
        if self.how == "writes":
            (Path(source) / "read").touch()
        found = open_dataset(source, split)
        if self.how == "shuffles":
            positions = np.random.default_rng().permutation(len(found.ids))
            return replace(found, ids=tuple(found.ids[i] for i in positions))
        return replace(found, labels=found.labels + 9) if self.how == "labels" else found


def test_a_good_source_is_accepted(tiny, tmp_path):
    write_dataset(tmp_path, tiny, tiny, "npz")
    check_source(OneFolder(), str(tmp_path))


@pytest.mark.parametrize(
    ("how", "promise"),
    [
        ("nothing", "must recognise"),
        ("denies", "must say that there is a train split"),
        ("everything", "must not recognise"),
        ("writes", "must not write where it reads"),
        ("shuffles", "must open the same data set every time"),
        ("labels", "must have labels in 0..2"),
    ],
)
def test_a_bad_source_is_caught(how, promise, tiny, tmp_path):
    write_dataset(tmp_path, tiny, tiny, "npz")
    with pytest.raises(ContractError, match=promise):
        check_source(OneFolder(how), str(tmp_path))
