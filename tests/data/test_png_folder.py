"""Writing PNG folders: read back the same by anyone, whole or not at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from whitesquare.data import from_arrays, load_image_folder, write_png_folder
from whitesquare.errors import UsageError


@st.composite
def datasets(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 5)))
    labels = draw(arrays(np.int64, shape[0], elements=st.integers(0, 2)))
    return from_arrays(draw(arrays(np.uint8, shape)), labels, classes=("2", "10", "<b>"), layout="NCHW")


@settings(max_examples=40, deadline=None)
@given(dataset=datasets())
def test_png_round_trip(dataset, tmp_path_factory):
    root = tmp_path_factory.mktemp("png")
    ids = write_png_folder(root, dataset, "train")
    found = load_image_folder(root)
    assert found.classes == dataset.classes
    assert sorted(found.ids) == sorted(ids)
    order = np.array([found.ids.index(name) for name in ids])
    np.testing.assert_array_equal(found.images(order), dataset.pixels)
    np.testing.assert_array_equal(found.labels[order], dataset.labels)
    for name, pixels in zip(ids, dataset.pixels, strict=True):
        expected = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
        with Image.open(root / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture), expected)


def test_png_names_and_progress(tmp_path, make):
    seen = []
    ids = write_png_folder(tmp_path, make(4), "test", on_progress=lambda *step: seen.append(step))
    assert ids == ("test/0/00000.png", "test/1/00001.png", "test/2/00002.png", "test/0/00003.png")
    assert seen == [("write test", 4, 4)]


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "a\\b", "a\nb", "", "x" * 256])
def test_class_names_that_cannot_be_folders(tmp_path, make, name):
    dataset = make(3)
    unsafe = type(dataset)(dataset.pixels, dataset.labels, ("0", "1", name), dataset.ids)
    with pytest.raises(UsageError, match="cannot be a folder's name"):
        write_png_folder(tmp_path, unsafe, "train")
    assert list(tmp_path.iterdir()) == []


def test_png_writer_refuses_what_would_come_back_different(tmp_path, make):
    with pytest.raises(UsageError, match="sort the classes or write npz"):
        write_png_folder(tmp_path, make(3, classes=("b", "a")), "train")
    with pytest.raises(UsageError, match="found 4; write npz"):
        write_png_folder(tmp_path, make(3, channels=4), "train")
    write_png_folder(tmp_path, make(3), "train")
    with pytest.raises(UsageError, match="is there already"):
        write_png_folder(tmp_path, make(2), "train")


def test_full_disk_leaves_no_part(tmp_path, make, full_disk):
    write_png_folder(tmp_path, make(3), "test")
    with full_disk(60), pytest.raises(OSError, match="too large"):
        write_png_folder(tmp_path, make(3, height=40), "train")
    assert [path.name for path in tmp_path.iterdir()] == ["test"]
