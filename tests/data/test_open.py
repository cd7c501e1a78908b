"""open_dataset and write_dataset: any source by its path, and one sentence for whatever is not one."""

import numpy as np
import pytest

from whitesquare.data import (
    FORMATS,
    from_arrays,
    load_mnist,
    open_dataset,
    require_classes,
    write_dataset,
    write_npz,
)
from whitesquare.errors import DataError, UsageError


def test_mnist_by_name():
    found = open_dataset("mnist", "test")
    np.testing.assert_array_equal(found.labels, load_mnist("test").labels)


@pytest.mark.parametrize(
    ("fmt", "size"),
    [
        ("idx", (1, 28, 28)),
        ("idx", (1, 5, 7)),
        ("npz", (1, 5, 7)),
        ("npz", (3, 32, 32)),
        ("npz", (3, 4, 3)),
        ("cifar10", (3, 32, 32)),
        ("png-folder", (1, 5, 7)),
        ("png-folder", (3, 4, 3)),
    ],
    ids=str,
)
def test_what_is_written_is_read_back(tmp_path, make, fmt, size):
    train, test = make(8, *size), make(5, *size, split="test", seed=1)
    ids = write_dataset(tmp_path / "out", train, test, fmt)
    # what `poison` and `demo` leave beside a data set
    (tmp_path / "out" / "ground-truth.json").write_text("{}")
    np.savez(tmp_path / "out" / "gallery.npz", example=np.zeros(3))
    (tmp_path / "out" / "victims" / "0").mkdir(parents=True)
    (tmp_path / "out" / "victims" / "0" / "model.safetensors").write_bytes(b"")

    found = open_dataset(str(tmp_path / "out"))
    assert sorted(found.ids) == sorted(ids)
    order = np.array([list(found.ids).index(name) for name in ids])
    np.testing.assert_array_equal(found.images(order), train.pixels)
    np.testing.assert_array_equal(found.labels[order], train.labels)
    assert found.classes == train.classes
    assert len(open_dataset(tmp_path / "out", "test").ids) == 5


@pytest.mark.parametrize("fmt", FORMATS)
def test_data_set_without_test_split(tmp_path, make, fmt):
    write_dataset(tmp_path, make(6, 3, 32, 32) if fmt == "cifar10" else make(), None, fmt)
    with pytest.raises(DataError, match=r"has no test"):
        open_dataset(tmp_path, "test")


def test_one_npz_file_is_a_training_split(tmp_path, make):
    write_npz(tmp_path / "digits.npz", make())
    assert open_dataset(tmp_path / "digits.npz").ids == make().ids
    with pytest.raises(UsageError, match=r"put train\.npz and test\.npz into one folder"):
        open_dataset(tmp_path / "digits.npz", "test")


def test_class_folders_by_path(tmp_path, make):
    write_dataset(tmp_path, make(), None, "png-folder")
    assert open_dataset(tmp_path / "train").ids[0] == "0/00000.png"


def test_folder_called_mnist_is_opened_by_path(tmp_path, monkeypatch, make):
    write_dataset(tmp_path / "mnist", make(), None, "npz")
    monkeypatch.chdir(tmp_path)
    assert len(open_dataset("./mnist").ids) == 6


@pytest.mark.parametrize("name", [".", "./"])
def test_the_current_folder(tmp_path, monkeypatch, make, name):
    ids = write_dataset(tmp_path, make(), None, "png-folder")
    monkeypatch.chdir(tmp_path)
    assert sorted(open_dataset(name).ids) == sorted(ids)
    assert open_dataset(name).images(slice(None)).shape == (6, 1, 5, 7)


def test_paths_that_are_no_data_set(tmp_path):
    with pytest.raises(UsageError, match="no file or folder 'minst'; give a path, or 'mnist'"):
        open_dataset("minst")
    (tmp_path / "data.txt").write_text("a,b")
    with pytest.raises(UsageError, match=r"data\.txt is not a data set: expected an \.npz, CSV, .* or a folder"):
        open_dataset(tmp_path / "data.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no class folder with images"):
        open_dataset(tmp_path / "empty")
    with pytest.raises(UsageError, match="no split named 'valid'; known: test, train"):
        open_dataset(tmp_path, "valid")


def test_two_data_sets_in_one_folder_are_not_guessed_at(tmp_path, make):
    write_dataset(tmp_path, make(), None, "npz")
    with pytest.raises(UsageError, match="holds a data set in the format npz"):
        write_dataset(tmp_path, make(), None, "idx")
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="holds data sets in the formats npz, png-folder"):
        open_dataset(tmp_path)


def test_unknown_format(tmp_path, make):
    with pytest.raises(UsageError, match="no format named 'png'; known: cifar10, idx, npz, png-folder"):
        write_dataset(tmp_path, make(), None, "png")


def test_writing_again_replaces(tmp_path, make):
    for fmt in ("idx", "npz"):
        write_dataset(tmp_path / fmt, make(seed=1), None, fmt)
        write_dataset(tmp_path / fmt, make(seed=2), None, fmt)
        np.testing.assert_array_equal(open_dataset(tmp_path / fmt).images(slice(None)), make(seed=2).pixels)


def test_data_sets_that_nothing_can_be_learned_from(make):
    require_classes(make())
    with pytest.raises(DataError, match="has no images"):
        require_classes(from_arrays(np.zeros((0, 2, 2), np.uint8), np.zeros(0, np.int64)))
    with pytest.raises(DataError, match="are of the class 'b'"):
        require_classes(from_arrays(np.zeros((2, 2, 2), np.uint8), [1, 1], classes=("a", "b")))
