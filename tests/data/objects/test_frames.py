"""Data frames of the libraries that install here; the others are skipped, and a stand-in covers what all share."""

import os
from pathlib import Path

import numpy as np
import pytest

from whitesquare.data import notes, open_dataset
from whitesquare.errors import DataError, UsageError
from whitesquare.testing import check_dataset

from .samples import NAMES, digits

SOME = digits(30)
NAMED = [NAMES[label] for label in SOME.labels]


class Column(list):
    def tolist(self):
        return list(self)


class Frame(dict):
    """The least that data frames share: columns by name, and a way out."""

    columns = property(list)
    __dataframe__ = None

    def __getitem__(self, name):
        return Column(super().__getitem__(name))


class Plain:
    """The same, and no dict."""

    def __init__(self, columns):
        self._columns = Frame(columns)
        self.columns = list(columns)

    def to_dict(self):
        return dict(self._columns)

    def __getitem__(self, name):
        return self._columns[name]


def library(name):
    if name == "plain":
        return Plain
    module = pytest.importorskip(name, reason=f"{name} is not installed")
    return module.table if name == "pyarrow" else module.DataFrame


LIBRARIES = pytest.mark.parametrize("name", ["plain", "pandas", "polars", "pyarrow"])


@LIBRARIES
def test_paths_are_the_files(name, tmp_path):
    paths = SOME.files(tmp_path)
    opened = open_dataset(library(name)({"file": paths, "label": NAMED, "other": [1] * 30}))
    check_dataset(opened)
    folder = open_dataset(tmp_path)
    assert sorted(opened.ids) == sorted(folder.ids)
    assert opened.classes == folder.classes
    assert opened.content(3) == Path(paths[3]).read_bytes()
    np.testing.assert_array_equal(opened.images(slice(None)), SOME.images)
    (said,) = notes(opened)
    assert "the column 'label' of " in said
    assert f"Ids are paths below {tmp_path}." in said


@LIBRARIES
def test_files_in_memory(name):
    opened = open_dataset(library(name)({"image": [SOME.png(i) for i in range(30)], "label": SOME.labels.tolist()}))
    check_dataset(opened)
    assert opened.ids[:2] == ("train/00000", "train/00001")
    np.testing.assert_array_equal(opened.images(slice(None)), SOME.images)


@LIBRARIES
def test_it_is_what_its_csv_is(name, tmp_path, monkeypatch):
    paths = [os.path.relpath(path, tmp_path) for path in SOME.files(tmp_path)]
    numbers = [int(label) + 1 for label in SOME.labels]  # numbers are what the classes are called
    lines = [f"{path},{label}" for path, label in zip(paths, numbers, strict=True)]
    (tmp_path / "list.csv").write_text("\n".join(["file,label", *lines]))
    monkeypatch.chdir(tmp_path)
    opened, listed = open_dataset(library(name)({"file": paths, "label": numbers})), open_dataset("list.csv")
    assert (opened.ids, opened.classes) == (listed.ids, listed.classes)
    np.testing.assert_array_equal(opened.labels, listed.labels)


def test_both_splits_have_the_same_classes():
    splits = {
        "train": Plain({"image": [SOME.png(i) for i in range(3)], "label": ["a", "b", "c"]}),
        "test": Plain({"image": [SOME.png(0)], "label": ["c"]}),
    }
    for split, labels in (("train", [0, 1, 2]), ("test", [2])):
        opened = open_dataset(splits, split)
        assert opened.classes == ("a", "b", "c")
        assert opened.labels.tolist() == labels


NAN = float("nan")


@pytest.mark.parametrize(
    ("columns", "error", "said"),
    [
        ({"picture_of": ["a"], "label": [1]}, UsageError, r"holds the image is not clear.*columns=\{'OLD': 'image'\}"),
        ({"image": [b"a"], "kind": [1]}, UsageError, r"holds the label is not clear.*columns=\{'OLD': 'label'\}"),
        ({"image": [b"a"], "path": ["b"], "label": [1]}, UsageError, "'image' and 'path' may be it"),
        ({"image": [], "label": []}, DataError, "has no rows"),
        ({"image": [b"a", b"b"], "label": [1, NAN]}, DataError, "row 1 has no label"),
        ({"image": [b"a", b"b"], "label": ["x", None]}, DataError, "row 1 has no label"),
        ({"image": [b"a", b"b"], "label": [0.5, 1.0]}, DataError, "row 0 has the label 0.5"),
        ({"image": [b"a", b"b"], "label": [[1, 0], [0, 1]]}, DataError, "row 0 has a one-hot label"),
        ({"image": [None, b"b"], "label": [0, 1]}, DataError, "has no image"),
        ({"image": ["gone.png"], "label": [0]}, DataError, r"names 'gone\.png', which is no file"),
    ],
)
@pytest.mark.parametrize("name", ["plain", "pandas"])
def test_what_is_wrong_is_told(name, columns, error, said):
    with pytest.raises(error, match=said):
        open_dataset(library(name)(columns)).images(slice(None))


def test_a_file_that_stands_twice_is_told(tmp_path):
    paths = SOME.files(tmp_path)
    with pytest.raises(DataError, match="the samples 0 and 2 both name"):
        open_dataset(Plain({"file": [paths[0], paths[1], paths[0]], "label": [0, 1, 1]}))


def test_a_row_without_a_path_is_told_when_it_is_opened():
    pandas = pytest.importorskip("pandas")
    for missing in (None, NAN, pandas.NA):
        with pytest.raises(DataError, match=r"row 1 has no image in the column 'path'.*dropna"):
            open_dataset(pandas.DataFrame({"path": ["a.png", missing], "label": [0, 1]}))


def test_categories_are_the_classes_in_their_order(tmp_path):
    pandas = pytest.importorskip("pandas")
    files, order = SOME.files(tmp_path), NAMES[::-1]
    frame = pandas.DataFrame({"path": files, "label": pandas.Categorical(NAMED, categories=order)})
    opened = open_dataset(frame)
    assert opened.classes == order
    np.testing.assert_array_equal(opened.labels, frame.label.cat.codes)
    assert open_dataset((SOME.images, frame.label)).classes == order
    other = frame.assign(label=pandas.Categorical(NAMED, categories=NAMES))
    assert open_dataset({"train": frame, "test": other}).classes == tuple(sorted(set(NAMED)))  # of which none is both's
