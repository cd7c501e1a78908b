"""Arrays and .npz files: three layouts in, one out, and nothing that a hostile file can do."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whitesquare.data import from_arrays, load_npz, write_npz
from whitesquare.data.sources import npz as module
from whitesquare.errors import DataError, UsageError
from whitesquare.types import ImageDataset


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def write_zip(path, **members: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)


IMAGES = npy(np.zeros((2, 3, 5), np.uint8))
LABELS = npy(np.array([0, 1]))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 5, 7), (2, 1, 5, 7)),
        ((2, 1, 5, 7), (2, 1, 5, 7)),
        ((2, 3, 5, 7), (2, 3, 5, 7)),
        ((2, 4, 32, 64), (2, 4, 32, 64)),
        ((2, 5, 7, 1), (2, 1, 5, 7)),
        ((2, 5, 7, 3), (2, 3, 5, 7)),
        ((2, 2, 2, 4), (2, 4, 2, 2)),
    ],
)
def test_layouts(shape, expected):
    images = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    found = from_arrays(images, [0, 1])
    assert isinstance(found, ImageDataset)
    assert found.images(slice(None)).shape == expected
    last = images if expected == shape or len(shape) == 3 else images.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found.pixels, last.reshape(expected))


def test_defaults():
    found = from_arrays(np.zeros((3, 2, 2), np.uint8), [0, 2, 0], split="test")
    assert found.ids == ("test/00000", "test/00001", "test/00002")
    assert found.classes == ("0", "1", "2")
    assert found.labels.dtype == np.int64
    assert found.content(1) == bytes(4)


def test_ids_grow_beyond_five_digits():
    found = from_arrays(np.zeros((100_001, 1, 1), np.uint8), np.zeros(100_001, np.int8))
    assert found.ids[-1] == "train/100000"


def test_images_are_read_only_views_and_the_source_stays_writable():
    images = np.zeros((3, 2, 2), np.uint8)
    found = from_arrays(images, [0, 1, 0])
    batch = found.images(slice(1, 3))
    assert np.shares_memory(batch, images)
    with pytest.raises(ValueError, match="read-only"):
        batch[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.labels[0] = 1
    images[0] = 7
    assert found.images(np.array([2, 0]))[1].max() == 7


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (np.zeros((2, 3, 3)), [0, 1], {}, r"float64 from 0 to 0, expected uint8.*\(images \* 255\)"),
        (np.zeros((2, 3, 3), bool), [0, 1], {}, "True or False, expected uint8"),
        (np.zeros((2, 9), np.uint8), [0, 1], {}, r"the shape \(2, 9\), expected"),
        (np.zeros((2, 0, 3), np.uint8), [0, 1], {}, "reshape"),
        (np.zeros((2, 3, 8, 3), np.uint8), [0, 1], {}, "layout='NCHW' or layout='NHWC'"),
        (np.zeros((2, 2, 8, 8), np.uint8), [0, 1], {}, "1, 3 or 4 channels in NCHW"),
        (np.zeros((2, 3, 8, 8), np.uint8), [0, 1], {"layout": "NHWC"}, "1, 3 or 4 channels in NHWC"),
        (np.zeros((2, 3, 3), np.uint8), [0], {}, r"the shape \(1,\), expected \(2,\)"),
        (np.zeros((2, 3, 3), np.uint8), [0.0, 1.0], {}, "float64, expected integers"),
        (np.zeros((2, 3, 3), np.uint8), [0, -1], {}, "range from -1 to 0"),
        (np.zeros((2, 3, 3), np.uint8), np.array([0, 2**64 - 1], np.uint64), {}, "range from 0 to 1844"),
        (np.zeros((2, 3, 3), np.uint8), [0, 10**12], {}, "found the label 1000000000000, expected at most"),
        (np.zeros((2, 3, 3), np.uint8), [0, 2], {"classes": ("a", "b")}, "label 2 but 2 class names"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"classes": ("a", "a")}, "class name 'a' occurs twice"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"classes": ("a", "b\n")}, r"class name 'b\\n'"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"ids": ("x",)}, "1 sample ids for 2 images"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"ids": ("x", "x")}, "sample id 'x' occurs twice"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"ids": ("x", "")}, "sample id '' is empty"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"ids": ("x", "\x1b[2J")}, r"sample id '\\x1b\[2J'"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"ids": ("x", "a\u2028b")}, "control character"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], {"ids": ("x", "\udcff")}, "no UTF-8"),
    ],
)
def test_what_is_not_a_data_set(images, labels, options, message):
    with pytest.raises(DataError, match=message) as error:
        from_arrays(images, labels, where="here", **options)
    assert str(error.value).startswith("here: ")


def test_layout_decides_an_ambiguous_shape():
    images = np.arange(72, dtype=np.uint8).reshape(2, 3, 4, 3)
    np.testing.assert_array_equal(from_arrays(images, [0, 1], layout="NCHW").pixels, images)
    np.testing.assert_array_equal(from_arrays(images, [0, 1], layout="NHWC").pixels, images.transpose(0, 3, 1, 2))
    with pytest.raises(UsageError, match="no layout named 'CHWN'"):
        from_arrays(images, [0, 1], layout="CHWN")


def test_markup_and_other_scripts_are_legal_names():
    found = from_arrays(np.zeros((2, 3, 3), np.uint8), [0, 1], classes=("<script>", "猫 ♥"), ids=("a b", "é"))
    assert found.classes == ("<script>", "猫 ♥")


@st.composite
def datasets(draw):
    shape = draw(st.tuples(st.integers(0, 4), st.sampled_from([1, 3, 4]), st.integers(1, 5), st.integers(1, 5)))
    classes = draw(st.lists(st.sampled_from(["a", "b", "<i>", "é", "10"]), min_size=1, max_size=4, unique=True))
    labels = draw(arrays(np.int64, shape[0], elements=st.integers(0, len(classes) - 1)))
    return from_arrays(draw(arrays(np.uint8, shape)), labels, classes=classes, layout="NCHW")


@settings(max_examples=50, deadline=None)
@given(dataset=datasets())
def test_npz_round_trip(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("npz") / "train.npz"
    write_npz(path, dataset)
    found = load_npz(path)
    np.testing.assert_array_equal(found.pixels, dataset.pixels)
    np.testing.assert_array_equal(found.labels, dataset.labels)
    assert found.ids == dataset.ids
    assert found.classes == dataset.classes
    with np.load(path) as foreign:
        np.testing.assert_array_equal(foreign["images"], dataset.pixels)


def test_npz_of_the_user(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros((2, 5, 6, 3), np.uint8), labels=np.array([0, 1], np.uint8))
    found = load_npz(path, "test")
    assert found.pixels.shape == (2, 3, 5, 6)
    assert found.ids == ("test/00000", "test/00001")


def test_same_data_set_same_npz(tmp_path, make):
    write_npz(tmp_path / "a.npz", make())
    write_npz(tmp_path / "b.npz", make())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_npz_without_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.npz has no member 'labels' \(found: images\)"):
        load_npz(tmp_path / "a.npz")


def test_npz_with_a_member_that_nobody_would_check(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(DataError, match=r"a\.npz has the member 'x_train\.npy', which is no part .* so rename"):
        load_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["images", "labels", "ids", "classes"])
def test_objects_in_npz_are_refused(tmp_path, name):
    members = {"images": IMAGES, "labels": LABELS} | {name: npy(np.array([{}, {}], dtype=object))}
    write_zip(tmp_path / "a.npz", **members)
    with pytest.raises(DataError, match=f"{name!r} is an array of Python objects, which can run code"):
        load_npz(tmp_path / "a.npz")


def test_ids_that_are_not_strings(tmp_path):
    write_zip(tmp_path / "a.npz", images=IMAGES, labels=LABELS, ids=npy(np.array([1, 2])))
    with pytest.raises(DataError, match=r"'ids' is int64 of the shape \(2,\), expected a list of strings"):
        load_npz(tmp_path / "a.npz")


def header(shape: str, descr: str = "'|u1'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (header("(10000000000, 28, 28)"), "declares 7840000000082 bytes, expected at most"),
        (header("(9, 2, 2)") + bytes(3), "holds 73 bytes, expected 106 for its shape"),
        (header("(2, 2, 2)") + bytes(30), "holds 100 bytes, expected 78 for its shape"),
        (header("(-1, -2, 2)") + bytes(4), "write or copy it again"),
        (header("(2, 2, 2"), "cannot be read as .npz"),
        (header("'x'"), "cannot be read as .npz"),
        (header("(2, 2, 2)", "'nonsense'"), "cannot be read as .npz"),
        (header("(2, 2, 2)")[:20], "cannot be read as .npz"),
        (b"\x93NUMPY\x03\x00" + bytes(20), "has the .npy version"),
        (b"GIF89a", "cannot be read as .npz"),
        (b"", "cannot be read as .npz"),
        (header("-" * 9000 + "1"), "cannot be read as .npz"),
        (header("(" * 9000), "cannot be read as .npz"),
    ],
    ids=range(13),
)
def test_damaged_or_lying_members(tmp_path, images, message):
    write_zip(tmp_path / "a.npz", images=images, labels=LABELS)
    with pytest.raises(DataError, match=message):
        load_npz(tmp_path / "a.npz")


def test_declared_member_size_is_capped(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((50, 28, 28), np.uint8), labels=np.zeros(50, int))
    monkeypatch.setattr(module, "MAX_BYTES", 30_000)
    with pytest.raises(DataError, match="declares 39328 bytes, expected at most 30000"):
        load_npz(tmp_path / "a.npz")


def test_truncated_npz_is_always_noticed(tmp_path, make):
    write_npz(tmp_path / "whole.npz", make(3))
    whole, cut = (tmp_path / "whole.npz").read_bytes(), tmp_path / "cut.npz"
    for size in range(0, len(whole), 7):
        cut.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"cut\.npz"):
            load_npz(cut)


def test_changed_pixel_breaks_the_checksum(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.full((2, 5, 5), 77, np.uint8), labels=np.array([0, 1]))
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data.replace(bytes([77] * 50), bytes([77] * 49 + [78])))
    with pytest.raises(DataError, match="CRC"):
        load_npz(tmp_path / "a.npz")


def test_missing_npz(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        load_npz(tmp_path / "a.npz")


def test_full_disk_leaves_the_old_npz(tmp_path, make, full_disk):
    path = tmp_path / "a.npz"
    write_npz(path, make(3))
    old = path.read_bytes()
    with full_disk(1000), pytest.raises(OSError, match="too large"):
        write_npz(path, make(200, height=40))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_masked_values_are_no_values():
    images, labels = np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 1, 0, 1])
    hidden = np.ma.masked_array(images, mask=np.zeros(images.shape, bool))
    from_arrays(hidden, labels)
    hidden[2, 0, 1, 1] = np.ma.masked
    with pytest.raises(DataError, match=r"1 values of the images are masked, expected all of them; .*images\.filled"):
        from_arrays(hidden, labels)
    with pytest.raises(DataError, match="2 values of the labels are masked"):
        from_arrays(images, np.ma.masked_equal(labels, 1))
