"""Files are whole or absent; folders that are not ours stay; the cache never lies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.patience import PATIENCE, heed_interrupts, worked
from whitesquare._base.cache import Cache, default_cache
from whitesquare._base.files import is_stream, whole_file, write_text
from whitesquare._base.folders import MARKER, check_output, folder_kind, output_folder
from whitesquare.data import write_npz
from whitesquare.data.gallery import read_gallery, write_gallery
from whitesquare.errors import DataError, UsageError
from whitesquare.types import Gallery

from .data.hostile import NPZ


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    write_text(path, "old")

    def fail():
        with whole_file(path) as part:
            part.write_text("ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_what_is_the_system_s_is_written_to_and_stays_what_it_is(tmp_path):
    ours, theirs = os.pipe()
    write_text(Path(f"/dev/fd/{theirs}"), "result")  # as a shell's >(...) is named
    os.close(theirs)
    with os.fdopen(ours) as stream:
        assert stream.read() == "result"
    assert is_stream(Path("/dev/null"))  # asked of no write: a test as root would else break the machine
    os.mkfifo(tmp_path / "pipe")
    assert not any(is_stream(path) for path in (tmp_path, tmp_path / "pipe", tmp_path / "new", Path(__file__)))


def test_a_new_folder_appears_whole(tmp_path):
    place = tmp_path / "deep" / "run"
    with output_folder(place, "run", ["a"]) as part:
        (part / "a").write_text("1")
        assert not place.exists()
    assert (place / "a").read_text() == "1"
    assert folder_kind(place) == "run"
    assert [entry.name for entry in place.parent.iterdir()] == ["run"]


def test_our_own_folder_is_replaced_and_a_failure_keeps_the_old_one(tmp_path):
    place = tmp_path / "run"
    for content in ("1", "2"):
        with output_folder(place, "run", ["a"]) as part:
            (part / "a").write_text(content)

    def fail():
        with output_folder(place, "run", ["a"]) as part:
            (part / "a").write_text("3")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (place / "a").read_text() == "2"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "content", ["a stranger's file", "a file in our folder", "a file of that name", "a broken marker"]
)
def test_a_folder_that_is_not_ours_alone_is_refused_and_left_alone(tmp_path, content):
    place = tmp_path / "out"
    if content == "a file of that name":
        place.write_text("precious")
    elif content == "a stranger's file":
        place.mkdir()
        (place / "thesis.txt").write_text("precious")
    else:
        with output_folder(place, "run", ["a"]) as part:
            (part / "a").write_text("1")
        (place / "victim-7").mkdir()
        if content == "a broken marker":
            (place / MARKER).write_text("{")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=r"was not written by whitesquare|a new run would delete|a file of that name"):
        check_output(place)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_the_current_folder_is_no_output(monkeypatch, tmp_path):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    for place in (".", ".."):
        with pytest.raises(UsageError, match="current folder or one above"):
            check_output(Path(place))


def test_the_cache_computes_once_and_again_when_anything_changes(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3), "empty": np.zeros((0, 2), np.uint8)}

    cache = Cache(tmp_path)
    for key in ({"seed": 0}, {"seed": 0}, {"seed": 1}):
        assert np.array_equal(cache.arrays("poison", key, compute)["x"], np.arange(3))
    cache.arrays("other", {"seed": 0}, compute)
    assert len(calls) == 3
    assert (cache.hits, cache.misses) == (["poison"], ["poison", "poison", "other"])


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "foreign"])
def test_a_damaged_result_is_computed_again(tmp_path, damage, caplog):
    cache = Cache(tmp_path)
    cache.arrays("poison", {}, lambda: {"x": np.arange(300)})
    (path,) = tmp_path.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"cut": content[:-50], "flipped": content, "emptied": b"", "foreign": b"hello" * 9}[damage])
    assert np.array_equal(cache.arrays("poison", {}, lambda: {"x": np.arange(300)})["x"], np.arange(300))
    assert cache.hits == []
    assert "computing it anew" in caplog.text
    assert np.array_equal(cache.arrays("poison", {}, lambda: {})["x"], np.arange(300))


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    found = Cache(tmp_path / "file").arrays("poison", {}, lambda: {"x": np.arange(3)})
    assert np.array_equal(found["x"], np.arange(3))
    assert "could not be kept" in caplog.text


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("WHITESQUARE_CACHE", str(tmp_path))
    assert default_cache().folder == tmp_path
    monkeypatch.delenv("WHITESQUARE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache().folder == tmp_path / "whitesquare"


@pytest.mark.long
def test_an_interrupted_crafting_leaves_nothing_behind(tmp_path, small_train):
    out, cache = tmp_path / "run", tmp_path / "cache"
    write_npz(tmp_path / "data.npz", small_train)
    command = ["poison", str(tmp_path / "data.npz"), "--attack", "adaptive", "--target", "0", "--count", "400", "-o"]
    process = subprocess.Popen(
        [sys.executable, "-m", "whitesquare.cli", *command, str(out)],
        env=os.environ | {"WHITESQUARE_CACHE": str(cache)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    try:
        assert any("crafting" in line for line in process.stderr)
        worked(process.pid, 1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 2
    assert "Interrupted" in errors
    assert not out.exists()
    assert list(tmp_path.rglob("*.safetensors")) == []
    assert list(tmp_path.rglob("*.part")) == []


def test_a_gallery_survives_its_file(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 1, 8, 8), dtype=np.uint8)
    gallery = Gallery(images[0], images[1], {"a:b": images}, {"a:b": images[::-1].copy()}, {"a:b": ("x", "<y>", "z")})
    write_gallery(tmp_path / "gallery.npz", gallery)
    again = read_gallery(tmp_path / "gallery.npz")
    assert again.poison_ids == gallery.poison_ids
    assert np.array_equal(again.poisons["a:b"], gallery.poisons["a:b"])
    assert np.array_equal(again.example, gallery.example)
    whole = (tmp_path / "gallery.npz").read_bytes()
    for bad in (b"PK no zip", b"in front" + whole, whole + b"behind", NPZ["damaged lzma"](whole), whole[:-30]):
        (tmp_path / "gallery.npz").write_bytes(bad)
        with pytest.raises(DataError, match="cannot be read as"):
            read_gallery(tmp_path / "gallery.npz")


@pytest.mark.long
def test_a_gallery_is_no_bomb(tmp_path):
    np.savez_compressed(tmp_path / "gallery.npz", example=np.zeros(2**29, np.uint8))
    with pytest.raises(DataError, match="expected at most 268435456"):
        read_gallery(tmp_path / "gallery.npz")
