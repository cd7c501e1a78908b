"""IDX files: what is written is read back by anyone, and a damaged file is always named."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from whitesquare.data import from_arrays, load_idx_folder, read_idx, write_idx, write_idx_folder
from whitesquare.errors import DataError, UsageError


def foreign_reader(path: Path) -> np.ndarray:
    """Read IDX with nothing of ours, as MNIST's web page describes the format."""
    data = gzip.decompress(path.read_bytes())
    zero, kind, dimensions = struct.unpack(">HBB", data[:4])
    assert (zero, kind) == (0, 8)
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    return np.array(list(data[4 + 4 * dimensions :]), dtype=np.uint8).reshape(shape)


def plain_idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


small = st.one_of(
    arrays(np.uint8, array_shapes(min_dims=1, max_dims=1, min_side=0, max_side=9)),
    arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=6)),
)


@settings(max_examples=50, deadline=None)
@given(array=small)
def test_round_trip(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    write_idx(path, array)
    np.testing.assert_array_equal(read_idx(path), array)
    np.testing.assert_array_equal(foreign_reader(path), array)


def test_same_array_same_bytes(tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    write_idx(tmp_path / "a.gz", array)
    write_idx(tmp_path / "b.gz", array[:, :, ::-1][:, :, ::-1])
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_plain_file_is_read_whatever_its_name(tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    (tmp_path / "a.gz").write_bytes(plain_idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array)


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=0)], ids=["plain", "gzip"])
def test_truncated_anywhere(tmp_path, pack):
    whole = pack(plain_idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5)))
    path = tmp_path / "cut"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cut") as error:
            read_idx(path)
        assert "again" in str(error.value) or "right file" in str(error.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_trailing_bytes(tmp_path, pack):
    path = tmp_path / "long"
    path.write_bytes(pack(plain_idx(np.zeros(4, np.uint8)) + b"x"))
    with pytest.raises(DataError, match="goes on after the 4 bytes"):
        read_idx(path)


def test_every_damaged_gzip_byte_that_carries_data_is_noticed(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (2, 3, 4), dtype=np.uint8)
    path = tmp_path / "bad.gz"
    whole = gzip.compress(plain_idx(array), mtime=0)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        if 4 <= place < 10:  # time, level and system: they carry no data
            np.testing.assert_array_equal(read_idx(path), array)
        else:
            with pytest.raises(DataError, match=r"bad\.gz"):
                read_idx(path)


def test_garbage_after_gzip(tmp_path):
    path = tmp_path / "tail.gz"
    path.write_bytes(gzip.compress(plain_idx(np.zeros(4, np.uint8))) + b"garbage")
    with pytest.raises(DataError, match="damaged"):
        read_idx(path)


@pytest.mark.parametrize(
    "header",
    [
        b"\x00\x00\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**16, 2**16),
        b"\x00\x00\x08\x01" + struct.pack(">I", 2**32 - 1),
        b"\x00\x00\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 0),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_header_that_declares_more_than_the_file_can_hold(tmp_path, header, pack):
    (tmp_path / "bomb").write_bytes(pack(header))
    with pytest.raises(DataError, match="declares the shape"):
        read_idx(tmp_path / "bomb")


def test_gzip_that_expands_beyond_its_header_is_not_expanded(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(plain_idx(np.zeros(4, np.uint8)) + bytes(20_000_000)))
    with pytest.raises(DataError, match="goes on after"):
        read_idx(path)


@pytest.mark.parametrize("magic", ["00000802", "00000d03", "89504e47", "01000801", "00000800"])
def test_other_kinds_of_file(tmp_path, magic):
    (tmp_path / "other").write_bytes(bytes.fromhex(magic) + bytes(40))
    with pytest.raises(DataError, match=f"found the first bytes {magic}, expected 00000801"):
        read_idx(tmp_path / "other")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UsageError, match=r"no file .*nothing"):
        read_idx(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


@pytest.mark.parametrize("array", [np.zeros((2, 2), np.uint8), np.zeros(3, np.int64)])
def test_arrays_that_are_not_idx(tmp_path, array):
    with pytest.raises(UsageError, match="1 or 3 dimensions"):
        write_idx(tmp_path / "a.gz", array)


def test_folder_round_trip(tmp_path, make):
    train, test = make(7), make(4, split="test", seed=1)
    write_idx_folder(tmp_path, train, test)
    for split, dataset in (("train", train), ("test", test)):
        found = load_idx_folder(tmp_path, split)
        np.testing.assert_array_equal(found.pixels, dataset.pixels)
        np.testing.assert_array_equal(found.labels, dataset.labels)
        assert found.ids == dataset.ids
        assert found.classes == dataset.classes


@pytest.mark.parametrize("spelling", ["{}-images-idx3-ubyte", "{}-images.idx3-ubyte", "{}-images.idx3-ubyte.gz"])
def test_published_spellings(tmp_path, spelling):
    array = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    (tmp_path / spelling.format("t10k")).write_bytes(plain_idx(array))
    (tmp_path / spelling.format("t10k").replace("images", "labels").replace("idx3", "idx1")).write_bytes(
        plain_idx(np.array([0, 1, 0], np.uint8))
    )
    found = load_idx_folder(tmp_path, "test")
    np.testing.assert_array_equal(found.images(slice(None))[:, 0], array)
    assert found.ids == ("test/00000", "test/00001", "test/00002")


def test_splits_agree_on_the_classes(tmp_path, make):
    write_idx_folder(tmp_path, make(6, classes=("0", "1", "2", "3")), make(2, classes=("0", "1"), split="test"))
    assert load_idx_folder(tmp_path, "test").classes == ("0", "1", "2", "3")


def test_images_and_labels_of_different_sources(tmp_path, make):
    write_idx_folder(tmp_path, make(6), None)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(5, np.uint8))
    with pytest.raises(DataError, match=r"train-images.*found 6 images but 5 labels"):
        load_idx_folder(tmp_path)


def test_swapped_files(tmp_path, make):
    write_idx_folder(tmp_path, make(6), None)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", np.zeros(6, np.uint8))
    with pytest.raises(DataError, match="swapped"):
        load_idx_folder(tmp_path)


def test_missing_split(tmp_path, make):
    write_idx_folder(tmp_path, make(6), None)
    with pytest.raises(DataError, match=r"no test images: expected the file t10k-images-idx3-ubyte\.gz"):
        load_idx_folder(tmp_path, "test")
    with pytest.raises(UsageError, match="Did you mean 'train'"):
        load_idx_folder(tmp_path, "trian")


def test_what_idx_cannot_hold(tmp_path, make):
    with pytest.raises(UsageError, match="3 channels; write npz or png-folder"):
        write_idx_folder(tmp_path, make(3, channels=3), None)
    with pytest.raises(UsageError, match="at most 256 classes, found 300"):
        write_idx_folder(tmp_path, make(3, classes=tuple(str(i) for i in range(300))), None)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_the_old_file(tmp_path, full_disk):
    path = tmp_path / "a.gz"
    write_idx(path, np.zeros(4, np.uint8))
    old = path.read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8)
    with full_disk(1000), pytest.raises(OSError, match="too large"):
        write_idx(path, noise)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("part", ["images-idx3-ubyte", "labels-idx1-ubyte"])
@pytest.mark.parametrize("name", ["train-{}", "train-{}.gz"])
def test_a_second_file_of_a_part_must_hold_the_same(tmp_path, part, name):
    """Other programs read the plain file, and some write the name with a dot."""
    images, labels = np.arange(60, dtype=np.uint8).reshape(3, 4, 5), np.arange(3, dtype=np.uint8)
    write_idx_folder(tmp_path, from_arrays(images, labels), None)
    array = images if "images" in part else labels
    name = name.format(part.replace("-", ".", 1) if name.endswith("gz") else part)
    pack = gzip.compress if name.endswith("gz") else bytes
    (tmp_path / name).write_bytes(pack(plain_idx(array)))
    np.testing.assert_array_equal(load_idx_folder(tmp_path).pixels[:, 0], images)
    for other in (array[::-1].copy(), array[:-1]):
        (tmp_path / name).write_bytes(pack(plain_idx(other)))
        with pytest.raises(DataError, match=rf"train-{part}\.gz and {name} beside it hold different {part[:6]}"):
            load_idx_folder(tmp_path)
