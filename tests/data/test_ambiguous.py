"""No file that two programs would read differently is read at all, and none unpacks to more than it may hold."""

import gzip
import hashlib
import io
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from tests.memory import PEAK
from whitesquare._base.streams import MOST_BYTES, MOST_IMAGES, MOST_OF_ONE, most_images, most_text, most_unpacked
from whitesquare.data import from_arrays, load_idx_folder, load_npz, read_idx, write_idx, write_idx_folder, write_npz
from whitesquare.data.layouts import MNIST
from whitesquare.data.sources.npz import read_npz
from whitesquare.errors import DataError, UsageError

from .hostile import COUNT, EVIL, GZIP, MEMBERS, NPZ, append, npy


@pytest.fixture
def whole(tmp_path):
    """An honest .npz file of all members."""
    images = np.arange(COUNT * 36, dtype=np.uint8).reshape(COUNT, 6, 6)
    write_npz(tmp_path / "whole.npz", from_arrays(images, np.arange(COUNT) % 2, classes=("cat", "dog")))
    return (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("name", NPZ)
def test_npz_that_others_read_differently(tmp_path, whole, name):
    changed = NPZ[name](whole)
    assert changed != whole
    (tmp_path / "a.npz").write_bytes(changed)
    with pytest.raises(DataError, match=r"a\.npz .*(again|another file)"):
        load_npz(tmp_path / "a.npz")


def test_the_other_programs_do_read_them_differently(tmp_path, whole):
    """What the refusals are for: numpy returns arrays that are not those of the five members."""
    for name in ("members without .npy, which np.load prefers", "an .npy file in front"):
        (tmp_path / "a.npz").write_bytes(NPZ[name](whole))
        found = np.load(tmp_path / "a.npz")
        images = found if isinstance(found, np.ndarray) else found["images"]
        assert images.min() == 255


@pytest.mark.long
def test_whatever_is_read_numpy_reads_alike(tmp_path, whole):
    """One flipped byte anywhere: what is still accepted says the same to both."""
    path = tmp_path / "a.npz"
    accepted = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            found = load_npz(path)
        except (DataError, UsageError):  # the latter: an unknown layout
            continue
        accepted += 1
        with np.load(path) as foreign:
            np.testing.assert_array_equal(found.pixels, foreign["images"])
            np.testing.assert_array_equal(found.labels, foreign["labels"])
            assert list(found.classes) == foreign["classes"].tolist()
    assert 0 < accepted < 100  # versions and attributes, which say nothing of the content


class OneWay(io.RawIOBase):
    """A stream that cannot go back, as a pipe."""

    def __init__(self, target):
        self.target = target

    def writable(self):
        return True

    def write(self, data):
        self.target.write(data)
        return len(data)


def written(path, way):
    arrays = {"images": np.arange(72, dtype=np.uint8).reshape(2, 6, 6), "labels": np.array([0, 1])}
    if way == "savez":
        np.savez(path, **arrays)
    elif way == "savez_compressed":
        np.savez_compressed(path, **arrays)
    elif way == "a pipe":
        with path.open("wb") as file:
            np.savez_compressed(OneWay(file), **arrays)
    elif way == "an open file":
        with path.open("wb") as file:
            np.savez(file, **arrays)
    else:
        stream = path.open("wb") if "file" in way else OneWay(path.open("wb"))
        method = zipfile.ZIP_DEFLATED if "deflate" in way else zipfile.ZIP_STORED
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64="64" in way) as member:
                    member.write(npy(array))
        (stream if "file" in way else stream.target).close()
    return arrays


WAYS = [
    *("savez", "savez_compressed", "a pipe", "an open file"),
    *(
        f"{where} {method}{wide}"
        for where in ("file", "pipe")
        for method in ("store", "deflate")
        for wide in ("", " 64")
    ),
]


@pytest.mark.parametrize("way", WAYS)
def test_what_honest_writers_write_is_read(tmp_path, way):
    arrays = written(tmp_path / "a.npz", way)
    found = load_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.pixels[:, 0], arrays["images"])
    np.testing.assert_array_equal(found.labels, arrays["labels"])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 5, 6, 3), (5, 3, 5, 6)])
def test_images_are_handed_out_as_they_are_loaded(tmp_path, monkeypatch, shape, order):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=np.asarray(images, order=order), labels=np.arange(5))
    monkeypatch.setattr("whitesquare.data.sources.npz._CHUNK", 50)
    batches = []
    read_npz(tmp_path / "a.npz", take=lambda some: batches.append(some.copy()))
    assert len(batches) > 1
    np.testing.assert_array_equal(np.concatenate(batches), load_npz(tmp_path / "a.npz").pixels)


def test_a_file_that_changes_while_it_is_read(tmp_path, whole):
    """What is hashed is what was parsed: the second look at the structure must find what the first found."""
    path = tmp_path / "a.npz"
    path.write_bytes(whole)
    other = append(b"", *((f"{name}.npy", npy(np.zeros(3))) for name in MEMBERS))

    def swap(_):
        path.write_bytes(other)  # the same file, which stays open

    np.savez(path, images=np.zeros((600, 60, 60), np.uint8), labels=np.zeros(600, int))
    with pytest.raises(DataError, match="again"):
        read_npz(path, take=swap)


def test_the_digest_is_that_of_the_file(tmp_path, whole):
    (tmp_path / "a.npz").write_bytes(whole)
    assert load_npz(tmp_path / "a.npz").containers == (("a.npz", len(whole), hashlib.sha256(whole).digest()),)
    dataset = from_arrays(np.zeros((3, 5, 5), np.uint8), [0, 1, 2])
    write_idx_folder(tmp_path / "i", dataset, dataset)
    read = {name: (size, digest) for name, size, digest in load_idx_folder(tmp_path / "i").containers}
    names = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    files = {name: (tmp_path / "i" / name).read_bytes() for name in names}
    assert read == {name: (len(data), hashlib.sha256(data).digest()) for name, data in files.items()}


@pytest.mark.parametrize("name", GZIP)
def test_gzip_that_others_read_differently(tmp_path, name):
    path = tmp_path / "a.gz"
    write_idx(path, np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    path.write_bytes(GZIP[name](path.read_bytes()))
    with pytest.raises(DataError, match=r"a\.gz .*(again|anew)"):
        read_idx(path)


def test_gzip_of_the_command_line_has_a_name(tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    with (tmp_path / "a.gz").open("wb") as raw, gzip.GzipFile("train-images-idx3-ubyte", "wb", fileobj=raw) as stream:
        stream.write(b"\0\0\x08\x03" + struct.pack(">3I", 3, 4, 5) + array.tobytes())
    assert (tmp_path / "a.gz").read_bytes()[3] == 8
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array)


def test_a_hundred_thousand_members_are_refused_at_once(tmp_path):
    path = tmp_path / "many.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"{i}.npy"), b"")
    started = time.perf_counter()
    with pytest.raises(DataError, match=r"has the member '0\.npy'"):
        load_npz(path)
    assert time.perf_counter() - started < 0.5


def bomb_idx(path, count):
    """Some megabytes of gzip that hold ``count`` images of 1,000 x 1,000 zeros."""
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"\0\0\x08\x03" + struct.pack(">3I", count, 1000, 1000))
        for _ in range(count):
            stream.write(bytes(1_000_000))


def bomb_npz(path, count, held):
    """A small file that announces ``count`` images of 1,000 x 1,000 zeros and holds some of them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            member.write(head("|u1", (count, 1000, 1000)))
            for _ in range(held):
                member.write(bytes(1_000_000))
        archive.writestr("labels.npy", npy(np.zeros(count, np.uint8)))


def head(descr, shape):
    """Return the header of an array that need not exist."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


READ = {
    "idx": "from whitesquare.data import read_idx; read_idx(Path(sys.argv[1]))",
    "npz": "from whitesquare.data import load_npz; load_npz(Path(sys.argv[1]))",
}


def peak_mb(code, path):
    """Run some lines in a process of their own; return what it says and its largest size."""
    lines = (
        "import sys\nfrom pathlib import Path\nfrom whitesquare.errors import DataError\n"
        f"try:\n    {code}\n    print('read')\nexcept DataError as error:\n    print(error)\n"
        f"print({PEAK})"
    )
    done = subprocess.run([sys.executable, "-c", lines, str(path)], capture_output=True, text=True, check=True)
    said, peak = done.stdout.splitlines()
    return said, int(peak)


@pytest.mark.long
@pytest.mark.parametrize("fmt", ["idx", "npz"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, fmt):
    path = tmp_path / f"bomb.{fmt}"
    if fmt == "idx":
        bomb_idx(path, 600)
    else:
        bomb_npz(path, 600, 600)
    assert path.stat().st_size < 6_000_000
    said, peak = peak_mb(READ[fmt], path)
    assert "declare" in said
    assert peak < 200


def test_an_announcement_without_content_takes_no_memory(tmp_path):
    """Header and list of members lie about the size, too, so that nothing but the reading itself can tell."""
    path = tmp_path / "a.npz"
    bomb_npz(path, 500, 1)
    announced = struct.pack("<L", len(head("|u1", (500, 1000, 1000))) + 500_000_000)
    real = struct.pack("<L", len(head("|u1", (500, 1000, 1000))) + 1_000_000)
    data = path.read_bytes()
    assert data.count(real) == 2
    path.write_bytes(data.replace(real, announced))
    said, peak = peak_mb(READ["npz"], path)
    assert "cannot be read" in said
    assert peak < 200


def test_a_wrong_number_of_labels_is_found_before_the_images_are_read(tmp_path):
    """The images are damaged, which nobody who reads them could overlook."""
    np.savez(tmp_path / "a.npz", images=np.full((9, 6, 6), 77, np.uint8), labels=np.zeros(8, int))
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data.replace(bytes([77] * 99), bytes([78] * 99)))
    with pytest.raises(DataError, match=r"labels have the shape \(8,\), expected \(9,\)"):
        load_npz(tmp_path / "a.npz")
    dataset = from_arrays(np.full((9, 6, 6), 77, np.uint8), np.zeros(9, int))
    write_idx_folder(tmp_path / "i", dataset, None)
    images = tmp_path / "i" / "train-images-idx3-ubyte.gz"
    images.write_bytes(images.read_bytes()[:-9])
    write_idx(tmp_path / "i" / "train-labels-idx1-ubyte.gz", np.zeros(8, np.uint8))
    with pytest.raises(DataError, match="9 images but 8 labels"):
        load_idx_folder(tmp_path / "i")


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    head = b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w") as member:
            member.write(head)
            for _ in range(400):
                member.write(b" " * 1_000_000)
        archive.writestr("labels.npy", npy(np.zeros(2, int)))
    said, peak = peak_mb(READ["npz"], tmp_path / "a.npz")
    assert "cannot be read" in said
    assert peak < 200


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("ids", np.zeros(COUNT, "U100000")),
        ("classes", np.zeros(2**22, "U5")),
        ("layout", np.zeros((), "U2000")),
        ("labels", np.zeros(COUNT, "V5000")),
        ("classes", head("<U0", (2**40,))),
    ],
    ids=range(5),
)
def test_texts_have_a_length(tmp_path, name, array):
    members = {"images": EVIL, "labels": npy(np.arange(COUNT)), name: array if isinstance(array, bytes) else npy(array)}
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in members.items():
            archive.writestr(f"{key}.npy", data)
    with pytest.raises(DataError, match=f"{name!r} declares"):
        load_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["ids", "classes", "layout"])
def test_texts_are_text(tmp_path, name):
    array = np.frombuffer(b"\xff\xff\xff\x7f" * COUNT, "<U1")
    members = {"images": EVIL, "labels": npy(np.arange(COUNT)), name: npy(array)}
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for key, data in members.items():
            archive.writestr(f"{key}.npy", data)
    with pytest.raises(DataError, match=f"{name!r} holds numbers that are no letters"):
        load_npz(tmp_path / "a.npz")


def test_the_bounds_are_what_the_documentation_says():
    assert most_unpacked(1_000) == 2**29
    assert most_unpacked(10_000_000) == 1_000_000_000
    assert most_unpacked(2**40) == MOST_BYTES == 8 * 2**30
    assert (MOST_IMAGES, MOST_OF_ONE) == (2**22, 2**28)
    assert [most_images(size) for size in (1_000, 8_000_000, 2**40)] == [2**18, 1_000_000, MOST_IMAGES]
    assert [most_text(size) for size in (1_000, 12_000_000, 2**40)] == [2**26, 96_000_000, 2**29]


@pytest.mark.parametrize("member", ["images", "ids", "classes"])
def test_millions_of_nothing_in_a_small_file_are_refused(tmp_path, member):
    """Each image costs time and a row of the manifest, however well it is packed."""
    count = most_images(0) + 1
    few = {"images": np.zeros((9, 1, 1), np.uint8), "labels": np.zeros(9, np.uint8)}
    many = {"images": np.zeros((count, 1, 1), np.uint8)}.get(member, np.zeros(count, "U2"))
    np.savez_compressed(tmp_path / "a.npz", **few | {member: many})
    with pytest.raises(DataError, match=rf"'{member}' declares .*expected at most .*{count - 1}"):
        load_npz(tmp_path / "a.npz")


def test_long_ids_in_a_small_file_are_refused(tmp_path):
    ids = np.zeros(most_images(0), "U80")
    images, labels = np.zeros((len(ids), 1, 1), np.uint8), np.zeros(len(ids), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", images=images, labels=labels, ids=ids)
    with pytest.raises(DataError, match=rf"'ids' declares .*expected at most {2**26};"):
        load_npz(tmp_path / "a.npz")


def test_millions_of_images_in_a_small_idx_file_are_refused_and_as_many_labels_are_not(tmp_path):
    count = most_images(0) + 1
    write_idx(tmp_path / "a.gz", np.zeros((count, 1, 1), np.uint8))
    with pytest.raises(DataError, match=rf"expected at most {count - 1} images .* this file of \d+ may hold"):
        read_idx(tmp_path / "a.gz")
    write_idx(tmp_path / "b.gz", np.zeros(count, np.uint8))
    assert len(read_idx(tmp_path / "b.gz")) == count


def test_honest_data_sets_are_far_from_the_bounds():
    """MNIST has 160 bytes for each image, dSprites 37: packed images that somebody wants to learn from."""
    mnist = MNIST / "train-images-idx3-ubyte.gz"
    assert most_images(mnist.stat().st_size) > 60_000 * 15
    assert most_images(27_000_000) > 737_280 * 4
    assert 60_000 * 4 * len("train/00000") * 20 < most_text(mnist.stat().st_size)


def test_the_wrong_kind_of_numbers_is_said_though_the_file_is_damaged(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((6_000, 28, 28), np.float32), labels=np.zeros(6_000, int))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes().replace(bytes(900), bytes(899) + b"1", 1))
    with pytest.raises(DataError, match=r"the values are float32 .*, expected uint8"):
        load_npz(tmp_path / "a.npz")


@pytest.mark.long
@pytest.mark.parametrize("shape", [(MOST_IMAGES + 1, 1, 1), (1, 2**14, 2**14 + 1)])
def test_too_many_images_and_too_large_ones(tmp_path, shape):
    images = np.zeros(shape, np.uint8)
    np.savez_compressed(tmp_path / "a.npz", images=images, labels=np.zeros(len(images), np.uint8))
    with pytest.raises(DataError, match="'images' declares the shape"):
        load_npz(tmp_path / "a.npz")
    write_idx(tmp_path / "a.gz", images)
    with pytest.raises(DataError, match="declares the shape"):
        read_idx(tmp_path / "a.gz")


def test_an_end_of_64_bits_that_the_plain_one_counts_into_the_list(tmp_path, whole):
    """Python's own reader obeys it wherever it stands; it can tell of another list of members."""
    count, length, start = struct.unpack("<HII", whole[-12:-2])
    wide = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    wide += struct.pack("<4sIQI", b"PK\x06\x07", 0, len(whole) - 22, 1)
    path = tmp_path / "a.npz"
    path.write_bytes(whole[:-22] + wide + whole[-22:-10] + struct.pack("<I", length + len(wide)) + whole[-6:])
    with np.load(path) as found:
        assert len(found["images"]) == COUNT
    with pytest.raises(DataError, match="goes on after the last"):
        load_npz(path)
