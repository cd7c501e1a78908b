"""The embedded MNIST: there, the published one, and checked at every load."""

import hashlib
import shutil
import struct

import pytest

from whitesquare.data import load_mnist
from whitesquare.data.sources import mnist
from whitesquare.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("split", "first", "digest"),
    [
        ("train", [5, 0, 4, 1, 9], "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ("test", [7, 2, 1, 0, 4], "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ],
)
def test_is_the_published_one(split, first, digest):
    found = load_mnist(split)
    count = 60_000 if split == "train" else 10_000
    assert found.pixels.shape == (count, 1, 28, 28)
    assert found.classes == tuple("0123456789")
    assert found.ids[42] == f"{split}/00042"
    assert len(found.ids) == count
    assert found.labels[:5].tolist() == first
    # SHA-256 of the decompressed file of images, as published: four numbers, then the pixels
    header = struct.pack(">4I", 0x803, count, 28, 28)
    assert hashlib.sha256(header + found.pixels.tobytes()).hexdigest() == digest


def test_unknown_split():
    with pytest.raises(UsageError, match="no split named 'valid'"):
        load_mnist("valid")


def test_licence_states_the_checked_sums():
    text = (mnist.FOLDER / "LICENCE.md").read_text(encoding="utf-8")
    for file in mnist.FOLDER.glob("*.gz"):
        assert f"| `{file.name}` | `{hashlib.sha256(file.read_bytes()).hexdigest()}` |" in text


@pytest.mark.parametrize("part", ["images-idx3", "labels-idx1"])
def test_one_changed_byte(tmp_path, monkeypatch, part):
    folder = tmp_path / "mnist"
    shutil.copytree(mnist.FOLDER, folder)
    victim = folder / f"t10k-{part}-ubyte.gz"
    data = bytearray(victim.read_bytes())
    data[4] ^= 1  # the time in the gzip header: decompression alone would not notice
    victim.write_bytes(data)
    monkeypatch.setattr(mnist, "FOLDER", folder)
    with pytest.raises(DataError, match=rf"{victim.name} has changed: found SHA-256 .* expected .* reinstall"):
        load_mnist("test")


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "FOLDER", tmp_path)
    with pytest.raises(DataError, match="reinstall whitesquare"):
        load_mnist("train")
