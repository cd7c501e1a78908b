"""A class is meant by its number or its name, and never by a guess."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.data import from_arrays, write_dataset
from whitesquare.data.classes import class_label, class_option
from whitesquare.errors import UsageError

ANIMALS = ("bird", "cat", "dog")


@pytest.mark.parametrize(
    ("asked", "label"), [("cat", 1), ("1", 1), (1, 1), ("number=1", 1), ("name=cat", 1), ("0", 0), ("dog", 2)]
)
def test_a_class_is_found_by_its_number_and_its_name(asked: int | str, label: int) -> None:
    assert class_label(asked, ANIMALS) == label


@pytest.mark.parametrize(("asked", "near"), [("cta", "cat"), ("CAT", "cat"), ("dgo", "dog")])
def test_the_nearest_name_is_suggested_and_all_are_listed(asked: str, near: str) -> None:
    with pytest.raises(UsageError) as refused:
        class_label(asked, ANIMALS)
    assert f"Did you mean {near!r}?" in str(refused.value)
    assert "0 'bird', 1 'cat', 2 'dog'" in str(refused.value)


@pytest.mark.parametrize("asked", ["3", 3, -1, "-1", "number=3", "1.0", "", "number=cat2"])
def test_what_is_no_class_is_refused(asked: int | str) -> None:
    with pytest.raises(UsageError, match="expected a number or a name of 0 'bird'"):
        class_label(asked, ANIMALS)


def test_names_that_are_numbers_of_others_are_not_guessed() -> None:
    digits = ("1", "2", "10")
    with pytest.raises(UsageError, match=r"can be read in two ways.*number=1 or name=1"):
        class_label("1", digits)
    assert (class_label("number=1", digits), class_label("name=1", digits)) == (1, 0)
    assert class_label(1, digits) == 1  # in Python a number is a label
    assert class_label("10", digits) == 2
    assert class_label("0", digits) == 0
    assert [class_label(str(i), tuple("0123456789")) for i in range(10)] == [*range(10)]
    assert class_label("name=cat", ("name=cat", "cat")) == 0


def test_a_label_is_written_so_that_it_is_read_back() -> None:
    for classes in (ANIMALS, ("1", "2", "10"), tuple("0123456789"), ("2", "0", "1")):
        assert [class_label(class_option(i, classes), classes) for i in range(len(classes))] == [*range(len(classes))]
    assert class_option(1, ANIMALS) == "1"


def test_many_classes_are_cut_with_a_word() -> None:
    with pytest.raises(UsageError, match="and 80 more"):
        class_label("x", [f"class {i}" for i in range(100)])


def test_the_classes_of_a_data_set_are_listed_with_their_numbers(tmp_path: Path) -> None:
    images = np.zeros((6, 1, 28, 28), np.uint8)
    train = from_arrays(images, np.array([0, 0, 0, 1, 1, 2]), classes=ANIMALS)
    test = from_arrays(images[:2], np.array([1, 1]), classes=ANIMALS)
    write_dataset(tmp_path / "data", train, test, "npz")
    done = CliRunner().invoke(app, ["list", str(tmp_path / "data"), "-o", "json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == [
        {"label": 0, "name": "bird", "train": 3, "test": 0},
        {"label": 1, "name": "cat", "train": 2, "test": 2},
        {"label": 2, "name": "dog", "train": 1, "test": 0},
    ]
    shown = CliRunner().invoke(app, ["list", str(tmp_path / "data")]).stdout
    assert any(line.split() == ["cat", "1", "2", "2"] for line in shown.splitlines())
