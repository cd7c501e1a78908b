"""Decoded images are held in memory where they are few, else in a file, and nobody who looks at them can tell."""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.own_data import OwnEncoded
from whitesquare.data import cache_size, dataset_digest, held, holding, load_image_folder, readable_part, stored
from whitesquare.data.cache_size import CacheSize, asked_size, usual_size
from whitesquare.data.holding import pixels_of
from whitesquare.data.pixels import chosen, joined, parts_of, row_of
from whitesquare.data.stored import StoredPixels
from whitesquare.detectors import codes
from whitesquare.errors import DataError, NothingToDoError, UsageError
from whitesquare.jobs.scan import scan
from whitesquare.learning.probe import probe
from whitesquare.learning.recipes import COLOUR
from whitesquare.learning.shrunk import training_data
from whitesquare.learning.tensors import TensorData
from whitesquare.learning.train import make_card
from whitesquare.learning.whitened import shrinking, shrunk
from whitesquare.scanning.settings import ScanSettings

COUNT, SHAPE = 37, (3, 19, 13)
ONE = int(np.prod(SHAPE))
ALL, HALF, NONE = (CacheSize(size, "for a test") for size in (2**30, 20 * ONE, 0))


def noise(count=COUNT, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def kept(images, size, again=None):
    found = StoredPixels(len(images), images.shape[1:], size, again or (lambda index: images[index]))
    for start in range(0, len(images), 10):
        found.write(start, images[start : start + 10])
    return found


@pytest.fixture
def large(monkeypatch):
    """Let every data set be too large for memory."""
    monkeypatch.setattr(holding, "SMALL", 0)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of 300 pictures of five classes, a third of them of another size, 40 of one class with a white spot."""
    root = tmp_path_factory.mktemp("photographs")
    pixels = np.clip(np.random.default_rng(1).normal(110, 30, (300, 20, 20, 3)), 0, 230).astype(np.uint8)
    pixels[:40, 4:7, 4:7] = 255
    for i, image in enumerate(pixels):
        path = root / "abcde"[i // 60] / f"{i:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image if i % 3 else image[:18]).save(path)
    return root


# --- images in a file -------------------------------------------------------------------------------------------


@given(
    size=st.sampled_from([ALL, HALF, NONE]),
    index=st.one_of(
        st.slices(COUNT), st.lists(st.integers(-COUNT, COUNT - 1), max_size=9).map(lambda at: np.array(at, np.int64))
    ),
    row=st.integers(0, SHAPE[1] - 1),
    columns=st.slices(SHAPE[2]),
)
def test_whatever_is_asked_for_is_what_an_array_would_give(size, index, row, columns):
    images = noise()
    found = kept(images, size)
    assert (len(found), found.shape, found.kept) == (COUNT, images.shape, min(COUNT, size.most // ONE))
    np.testing.assert_array_equal(found[index], images[index])
    np.testing.assert_array_equal(row_of(found, row, columns), images[:, :, row, columns])


@pytest.mark.parametrize("size", [ALL, HALF, NONE])
def test_more_images_and_some_of_them_are_what_arrays_would_give(size):
    images, more, some = noise(), noise(5, seed=1), np.array([40, 3, 36, 37, 0])
    both = joined(kept(images, size), more)
    few = chosen(both, some)
    expected = joined(images, more)
    assert isinstance(expected, np.ndarray)
    assert (both.shape, few.shape) == (expected.shape, (5, *SHAPE))
    np.testing.assert_array_equal(both[np.array([41, 0, 36])], expected[[41, 0, 36]])
    np.testing.assert_array_equal(few[1:4], expected[some[1:4]])
    np.testing.assert_array_equal(row_of(few, 18, slice(2, 9)), expected[some][:, :, 18, 2:9])
    parts = list(parts_of(few, np.array([4, 4, 1]), most=2))
    assert [part for part, _ in parts] == [slice(0, 2), slice(2, 3)]
    np.testing.assert_array_equal(np.concatenate([found for _, found in parts]), expected[some[[4, 4, 1]]])


def test_images_that_were_left_out_at_the_end_are_gone():
    images = noise()
    for size, left in ((ALL, 30), (HALF, 30), (HALF, 12)):
        found = kept(images, size)
        found.cut(left)
        assert found.shape == (left, *SHAPE)
        np.testing.assert_array_equal(found[:], images[:left])
        np.testing.assert_array_equal(found[::-1], images[:left][::-1])
        np.testing.assert_array_equal(row_of(found, 9, slice(None)), images[:left, :, 9])


def test_an_image_that_is_decoded_again_must_be_what_it_was():
    images = noise()
    found = kept(images, HALF, lambda index: images[index])
    images[30] += 1
    np.testing.assert_array_equal(found[:30], images[:30])
    with pytest.raises(DataError, match="Image 30 of the data set was changed since it was decoded"):
        found[25:35]
    with pytest.raises(DataError, match="Image 30"):
        row_of(found, 0, slice(None))


def test_rows_are_decoded_again_once_for_many(monkeypatch):
    images, times = noise(), Counter()

    def again(index):
        times.update(index.tolist())
        return images[index]

    monkeypatch.setattr(stored, "_AGAIN", 17 * SHAPE[0] * SHAPE[2] * 5)  # five rows of the 17 that find no room
    found = kept(images, HALF, again)
    for row in range(SHAPE[1]):
        np.testing.assert_array_equal(row_of(found, row, slice(None)), images[:, :, row])
    assert times == dict.fromkeys(range(20, COUNT), 4)


def test_where_no_file_can_be_made_images_are_decoded_again(monkeypatch, large):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    said = []
    data = OwnEncoded(noise(), np.arange(COUNT) % 2)
    found = held(data, cache=ALL, on_note=said.append)
    np.testing.assert_array_equal(found.images(slice(None)), noise())
    assert "has room for 0 of them" in said[0]
    assert "give a larger --cache-size, or set TMPDIR to a larger disk" in said[0]


def test_a_disk_that_is_full_all_the_same_is_told(monkeypatch, large):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DataError, match=r"could not be kept in .* give a smaller --cache-size"):
        held(OwnEncoded(noise(), np.arange(COUNT) % 2), cache=ALL)


# --- a data set whose images lie there --------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "room"), [(ALL, "kept in a temporary file"), (HALF, "room for 20 of them")])
def test_images_too_large_for_memory_are_held_in_a_file(size, room, large):
    data, said = OwnEncoded(noise(), np.arange(COUNT) % 2), []
    found = held(data, cache=size, on_note=said.append)
    assert isinstance(pixels_of(found), StoredPixels)
    assert held(found, cache=size) is found
    assert room in said[0]
    assert len(said) == 1
    assert max(data.decodes.values()) == 1
    assert found.content(-1) == data.content(-1)
    assert dataset_digest(found) == dataset_digest(held(OwnEncoded(noise(), data.labels)))


def test_few_images_are_held_in_memory_and_nobody_is_told():
    said = []
    assert isinstance(
        pixels_of(held(OwnEncoded(noise(), np.arange(COUNT) % 2), cache=ALL, on_note=said.append)), np.ndarray
    )
    assert not said


@pytest.mark.parametrize("size", [ALL, HALF, NONE])
def test_what_cannot_be_read_is_left_out_as_ever(tmp_path, size, monkeypatch):
    for i, image in enumerate(noise(40)):
        path = tmp_path / "ab"[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0) if i % 11 else image[0]).save(path)
        if i % 7 == 3:
            path.write_bytes(path.read_bytes()[:200])
    expected, left_out = readable_part(load_image_folder(tmp_path))
    monkeypatch.setattr(holding, "SMALL", 0)
    found, skipped = readable_part(load_image_folder(tmp_path), cache=size)
    assert skipped == left_out
    assert len(skipped) > 6
    assert found.ids == expected.ids
    np.testing.assert_array_equal(found.images(slice(None)), expected.images(slice(None)))


def test_files_of_which_none_can_be_decoded_are_refused_as_ever(tmp_path, large):
    (tmp_path / "a").mkdir()
    Image.fromarray(noise(1)[0].transpose(1, 2, 0)).save(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "x.png").write_bytes((tmp_path / "a" / "x.png").read_bytes()[:-40])
    with pytest.raises(NothingToDoError, match="None of the 1 files"):
        readable_part(load_image_folder(tmp_path), cache=ALL)


# --- scans ------------------------------------------------------------------------------------------------------


def same(one, other):
    assert one.scan.result.digest == other.scan.result.digest
    assert repr(one.alarms) == repr(other.alarms)
    assert one.scan.result.flagged == other.scan.result.flagged
    np.testing.assert_equal(vars(one.scan.scores), vars(other.scan.scores))


@pytest.fixture(scope="module")
def expected(photographs):
    """The scan of what lies in memory."""
    found = scan(photographs, ScanSettings(model_free=True))
    assert found.alarms
    return found


@pytest.mark.long
@pytest.mark.parametrize("size", ["1G", "100K", "0"])
def test_a_scan_of_what_lies_in_a_file_is_the_same_bit_for_bit(photographs, expected, size, monkeypatch):
    monkeypatch.setattr(holding, "SMALL", 0)
    monkeypatch.setattr(codes, "_TILE", 300 * 3 * 4)  # four columns at a time
    said = []
    found = scan(photographs, ScanSettings(model_free=True), cache_size=size, on_note=said.append)
    assert any("once they are decoded" in one for one in said)
    same(found, expected)
    assert found.fingerprints() == expected.fingerprints()


@pytest.mark.parametrize("model", ["whitened", "cnn"])
def test_what_models_are_trained_on_is_the_same_bit_for_bit(model):
    images, labels = noise(80, (3, 66, 61)), np.arange(80) % 2
    recipe = replace(COLOUR, model=model)
    expected = TensorData(torch.from_numpy(images), torch.from_numpy(labels))
    for size in (CacheSize(2**30, ""), CacheSize(20 * 3 * 66 * 61, "")):
        found = training_data(kept(images, size), labels, recipe, "cpu")
        cards = [make_card(data, recipe, ("a", "b"), seed=0) for data in (found, expected)]
        assert cards[0] == cards[1]
        assert found.images.shape[2] == (33 if model == "whitened" else 66)
        assert len(found.images) == (80 if model == "whitened" else 0)
    if model == "whitened":
        torch.testing.assert_close(found.images, shrunk(expected.images, shrinking(66)), rtol=0, atol=0)
        known = probe(images, labels, 0)
        assert known is not None
        assert probe(kept(images, HALF), labels, 0) == known
    else:
        some = torch.tensor([79, 3, 40])
        for one, other in zip(found.batch(some), expected.batch(some), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


KILLED = """
import os, signal, sys
from whitesquare.data import held, holding, open_dataset
from whitesquare.data.cache_size import usual_size
holding.SMALL = 0
found = held(open_dataset(sys.argv[1]), cache=usual_size())
assert found.pixels.kept == 300
print(os.listdir(os.environ["TMPDIR"]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_of_a_scan_that_is_killed(tmp_path, photographs):
    place = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(holding.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, photographs], env=place, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "[]\n"), done.stderr
    assert not list(tmp_path.iterdir())


# --- how much may be kept ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("500", 500), ("20G", 20 * 2**30), ("1.5 gib", 3 * 2**29), (" 7MB ", 7 * 2**20)]
)
def test_a_size_is_read_with_its_unit(text, size):
    assert asked_size(text).most == size


@pytest.mark.parametrize("text", ["", "G", "many", "-1", "-1G", "nan", "inf", "1e40", "5X", "1 2"])
def test_what_is_no_size_is_refused(text, photographs):
    with pytest.raises(UsageError, match="expected bytes, such as 20G, 500M or 0"):
        scan(photographs, ScanSettings(model_free=True), cache_size=text)


def test_half_of_the_disk_is_used_and_a_quarter_of_the_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(cache_size.shutil, "disk_usage", lambda _: type("", (), {"free": 1000}))
    monkeypatch.setattr(cache_size, "available_memory", lambda: 800)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for system, most in (("ext4", 500), ("tmpfs", 200)):
        lines = f"/dev/x / ext4 rw 0 0\nnone {tmp_path.resolve()} {system} rw 0 0\n"
        monkeypatch.setattr(Path, "read_text", lambda *_, lines=lines, **__: lines)
        found = usual_size()
        assert found.most == most
        assert str(tmp_path) in found.why


def test_large_images_are_decoded_side_by_side_in_their_order_and_the_first_fault_is_told(tmp_path):
    images = noise(21, (1, 190, 180))
    for number, image in enumerate(images):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(image[0]).save(folder / f"{number:02d}.png")
    found = load_image_folder(tmp_path)
    order = [int(name.split("/")[1][:2]) for name in found.ids]
    assert np.array_equal(held(found).images(slice(None)), images[order])
    for number, side in ((14, 179), (4, 170)):
        Image.fromarray(images[number, 0, :side]).save(tmp_path / "a" / f"{number:02d}.png")
    with pytest.raises(DataError, match=r"04\.png is 180x170"):
        held(load_image_folder(tmp_path))


def test_single_images_from_all_over_the_file_take_little_memory():
    """A row of one image brings its neighbours in the file with it."""
    images = kept(noise(3000, (3, 64, 256)), CacheSize(2**29, "for a test"))
    images[:1]
    before, most = mapped(), 0
    for position in np.random.default_rng(0).permutation(3000)[:40]:
        images[position : position + 1]
        most = max(most, mapped() - before)
    assert most < 80 * 2**20


def mapped():
    """Return the bytes of files that are in the memory of this process."""
    return 1024 * int(Path("/proc/self/status").read_text().partition("RssFile:")[2].split()[0])
