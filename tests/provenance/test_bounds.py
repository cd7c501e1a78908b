"""Untrusted folders: only what was signed is read, time grows with what lies there, and a short read is no end."""

import hashlib
import json
import os
from array import array
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.memory import measured
from whitesquare.data import open_dataset
from whitesquare.data.layouts import MAX_IMAGE_BYTES
from whitesquare.errors import DataError
from whitesquare.provenance import reading, walk
from whitesquare.provenance.hashing import Piece, hash_files
from whitesquare.provenance.listing import make_manifest
from whitesquare.provenance.manifest import read_items, survey
from whitesquare.provenance.reading import MOVED, SMALL, SignedSizes, TooLargeError

from .signed import make_signed, run

HUGE = 2**40


@pytest.fixture
def case(tmp_path):
    return make_signed(tmp_path / "case", 6)


@pytest.fixture
def opened(tmp_path):
    (tmp_path / "d").mkdir()
    root = os.open(tmp_path / "d", os.O_RDONLY)
    yield root
    os.close(root)


def sparse(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


def listed(source, tmp_path, **options):
    path = tmp_path / "m.parquet"
    return make_manifest(str(source), path, **options), {item.id: item for item in read_items(path)}


def never_larger(monkeypatch, most):
    """Let whoever reads more than that fail: a terabyte must not be read to know that it is not the signed file."""
    told = Counter()
    readv = os.readv

    def counted(file, buffers):
        found = readv(file, buffers)
        told["read"] += found
        assert told["read"] <= most
        return found

    monkeypatch.setattr(reading.os, "readv", counted)


@pytest.mark.long
@pytest.mark.parametrize("place", ["signed", "added", "no sample"])
def test_a_file_of_a_size_that_nobody_signed_is_not_read(case, monkeypatch, place):
    signed = sorted(case.data.glob("train/*/*.png"))[0]
    path = {"signed": signed, "added": signed.with_name("new.png"), "no sample": case.data / "weights.bin"}[place]
    id = path.relative_to(case.data).as_posix()
    sparse(path, HUGE)
    never_larger(monkeypatch, 2**20)
    record = case.found()
    assert not record["ok"]
    assert record["counts"]["changed" if place == "signed" else "added"] == 1
    assert record["refused"] == {id: f"was not read, for no such file of {HUGE} bytes is signed"}
    shown = case.verify(code=1).stdout
    assert "too large:" in shown


def test_a_large_file_that_was_signed_is_read_under_its_name_and_a_moved_one_up_to_a_size(tmp_path):
    sizes = {"a/x.bin": SMALL + 5, "a/y.bin": MOVED + 7}
    for name, size in sizes.items():
        sparse(tmp_path / "d" / name, size)
    _, items = listed(tmp_path / "d", tmp_path)
    known = survey(tmp_path / "m.parquet", SMALL, MOVED)
    assert (known.rows, list(known.sizes), known.named) == (2, sorted(sizes.values()), {"a/y.bin": MOVED + 7})
    signed = SignedSizes(known.sizes, known.named)
    found, again = listed(tmp_path / "d", tmp_path, strict=False, signed=signed)
    assert (found.refused, again) == ({}, items)
    for name in sizes:
        (tmp_path / "d" / name).rename(tmp_path / "d" / name.replace("/", "/moved "))
    found, again = listed(tmp_path / "d", tmp_path, strict=False, signed=signed)
    assert again["a/moved x.bin"].sha256 == items["a/x.bin"].sha256
    assert list(found.refused) == ["a/moved y.bin"]
    sizes, named = json.loads(json.dumps(signed.message()))
    again = SignedSizes(array("q", sizes), named)
    assert again == signed
    with pytest.raises(TooLargeError):
        again.check("a/moved y.bin", MOVED + 7)
    again.check("a/y.bin", MOVED + 7)


def test_worker_processes_know_the_signed_sizes(tmp_path):
    for number in range(2100):
        sparse(tmp_path / "d" / "a" / f"{number}.png", 1)
    listed(tmp_path / "d", tmp_path)
    known = survey(tmp_path / "m.parquet", SMALL, MOVED)
    signed = SignedSizes(known.sizes, known.named)
    sparse(tmp_path / "d" / "a" / "2099.png", HUGE)
    found, items = listed(tmp_path / "d", tmp_path, strict=False, signed=signed)
    assert list(found.refused) == ["a/2099.png"]
    assert items["a/2099.png"].size == HUGE


def test_a_sample_that_is_larger_than_an_image_can_be_is_not_attested(tmp_path):
    sparse(tmp_path / "d" / "cat" / "a.png", MAX_IMAGE_BYTES + 1)
    with pytest.raises(DataError, match=rf"'cat/a.png' in .* has {MAX_IMAGE_BYTES + 1} bytes, more than"):
        listed(tmp_path / "d", tmp_path)


@pytest.mark.long
def test_pixels_of_a_file_of_holes_take_no_memory(case, tmp_path):
    sparse(case.data / "large.png", 2**30)  # no sample, so it may have any size, and is read bit by bit
    done = measured(
        tmp_path, "attest", case.data, "--key", case.folder / "private" / "alice.pem", "-o", tmp_path / "o", "--pixels"
    )
    assert done.code == 0, done.output
    assert done.memory < 400


# --- folders ----------------------------------------------------------------------------------------------------


def nested(root, depth):
    """Make folders in each other, deeper than a path can name."""
    (root / "cat").mkdir(parents=True)
    (root / "cat" / "a.png").write_bytes(b"1")
    above = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("n", dir_fd=above)
        below = os.open("n", os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    os.close(os.open("x.txt", os.O_CREAT | os.O_WRONLY, dir_fd=above))
    os.close(above)


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_folders_too_deep_are_named_and_not_walked_through(tmp_path, monkeypatch):
    nested(tmp_path / "d", walk.DEPTH + 30)
    calls = Counter()
    scandir = os.scandir
    monkeypatch.setattr(walk.os, "scandir", lambda folder: calls.update(["scandir"]) or scandir(folder))
    deepest = "/".join(["n"] * (walk.DEPTH + 1))
    with pytest.raises(DataError, match=rf"'{deepest}' in .* is a folder more than 64 folders deep"):
        listed(tmp_path / "d", tmp_path)
    found, items = listed(tmp_path / "d", tmp_path, strict=False, on_progress=lambda *_: None)
    assert list(found.refused) == [deepest]
    assert set(items) == {"cat/a.png", deepest}
    assert calls["scandir"] < 4 * walk.DEPTH + 20


def test_each_folder_is_opened_once_from_the_one_above_it(tmp_path, monkeypatch):
    """Opened from the root anew, 60 levels would cost 60 times as much."""
    nested(tmp_path / "d", 60)
    calls = Counter()
    opened = os.open
    monkeypatch.setattr(walk.os, "open", lambda *given, **more: calls.update(["open"]) or opened(*given, **more))
    root = opened(tmp_path / "d", os.O_RDONLY)
    try:
        before = open_files()
        told = list(walk.walk(root))
        assert open_files() == before
    finally:
        os.close(root)
    assert [one.names for one in told if one.names] == [["a.png"], ["x.txt"]]
    assert calls["open"] == 62


def test_a_walk_that_is_left_closes_its_folders(tmp_path):
    nested(tmp_path / "d", 20)
    root = os.open(tmp_path / "d", os.O_RDONLY)
    before = open_files()
    steps = walk.walk(root)
    while next(steps).folder.count("n") < 20:
        pass
    assert open_files() > before + 15
    steps.close()
    assert open_files() == before
    os.close(root)


@pytest.mark.parametrize("names", [("a.png", "a.png."), ("a.png", "a.png "), ("A.png. .", "a.png"), ("a.", "a ")])
@pytest.mark.parametrize("as_folder", [False, True])
def test_names_that_differ_by_a_dot_or_space_at_the_end_are_refused(tmp_path, names, as_folder):
    for number, name in enumerate(names):
        path = tmp_path / "d" / "cat" / name / "x.png" if as_folder else tmp_path / "d" / "cat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]))
    sparse(tmp_path / "d" / "dog" / "x.png", 1)  # of one class alone its folders would be taken for the classes
    with pytest.raises(DataError, match="wherever a dot or a space at the end does not count"):
        listed(tmp_path / "d", tmp_path)
    found, _ = listed(tmp_path / "d", tmp_path, strict=False)
    assert len(found.refused) == 1


def test_a_lone_name_that_ends_in_a_dot_or_a_space_is_a_name(tmp_path):
    for name in ("a.png.", "b ", "...", ". ."):
        sparse(tmp_path / "d" / "cat" / name, 1)
    found, items = listed(tmp_path / "d", tmp_path)
    assert (len(items), found.refused) == (4, {})


@pytest.mark.parametrize("empty", ["train/cat/deep", "train/cat/deep/er"])
def test_an_empty_folder_inside_a_class_folder_is_named_for_no_manifest_lists_it(case, empty):
    before = open_dataset(case.data).ids
    (case.data / empty).mkdir(parents=True)
    assert open_dataset(case.data).ids == before
    record = case.found()
    assert record["refused"] == {empty: "is an empty folder inside a class folder, which no manifest lists"}
    assert not record["ok"]
    with pytest.raises(DataError, match=f"'{empty}' in .* is an empty folder inside a class folder"):
        case.attest("again")


@pytest.mark.parametrize("empty", ["train/cat/.cache", "other", "other/cat/x", ".git/refs"])
def test_empty_folders_elsewhere_change_nothing(case, empty):
    (case.data / empty).mkdir(parents=True)
    open_dataset(case.data)
    assert case.found()["ok"]


# --- reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 5000, 2**18, 2**18 + 1, 700_000])
def test_a_short_read_does_not_end_a_file(opened, tmp_path, monkeypatch, size):
    content = np.random.default_rng(0).bytes(size)
    (tmp_path / "d" / "a.png").write_bytes(content)
    readv = os.readv
    monkeypatch.setattr(reading.os, "readv", lambda file, buffers: readv(file, [buffers[0][:1001]]))
    found = hash_files(opened, [Piece("", "", "", ["a.png"])], pixels=False)
    assert (found.sizes, found.failed) == ([size], {})
    assert found.digests == hashlib.sha256(content).digest()


@pytest.mark.parametrize("by", [-1, 1, 300_000])
@pytest.mark.parametrize("size", [400, 500_000])
@pytest.mark.parametrize("pixels", [False, True])
def test_a_file_that_grows_or_shrinks_while_it_is_read_is_named(opened, tmp_path, monkeypatch, by, size, pixels):
    path = tmp_path / "d" / "a.png"
    path.write_bytes(bytes(size))
    fstat = os.fstat

    def then_changed(file):
        found = fstat(file)
        os.truncate(path, size + by)
        return found

    monkeypatch.setattr(reading.os, "fstat", then_changed)
    found = hash_files(opened, [Piece("", "", "", ["a.png"])], pixels=pixels)
    assert "was changed meanwhile" in found.failed[0]
    assert found.digests == bytes(32)


def test_a_file_that_the_system_makes_up_as_it_is_read_is_refused():
    root = os.open("/proc/self", os.O_RDONLY)
    try:
        found = hash_files(root, [Piece("", "", "", ["maps"])], pixels=False)
    finally:
        os.close(root)
    assert "is no file to keep" in found.failed[0]


# --- what images say of themselves ------------------------------------------------------------------------------


def write_images(root, count=3):
    pixels, exif = np.zeros((4, 6, 3), np.uint8), Image.Exif()
    exif[0x0112] = 6
    (root / "a").mkdir(parents=True)
    for i in range(count):
        picture = Image.fromarray(pixels)
        picture.save(root / "a" / f"{i}.png")
        picture.save(root / "a" / f"turned {i}.jpg", exif=exif)
        picture.save(root / "a" / f"see through {i}.png", transparency=(1, 2, 3))
    picture.save(root / "a" / "many.png", save_all=True, append_images=[Image.fromarray(pixels + 1)])
    picture.save(root / "no sample.jpg", exif=exif)


@pytest.mark.parametrize("count", [3, 700])
@pytest.mark.parametrize("pixels", [False, True])
def test_attest_counts_what_samples_say_of_themselves(tmp_path, count, pixels):
    """A few in this process, and many in several."""
    write_images(tmp_path / "d", count)
    found, _ = listed(tmp_path / "d", tmp_path, pixels=pixels)
    assert found.traits == {"alpha": count, "frames": 1, "orientation": count}


def test_traits_are_signed_and_shown(case, tmp_path):
    assert case.found()["ok"]
    write_images(case.data / "train")
    done = run(
        *("attest", case.data, "--key", case.folder / "private" / "alice.pem", "-o", tmp_path / "again"),
    )
    assert done.exit_code == 0
    assert "traits     3 may be transparent, 1 have several frames, 3 are to be turned" in done.stdout
    from whitesquare.provenance.dataset import read_claim
    from whitesquare.signing.keys import load_trusted
    from whitesquare.signing.times import utc_now

    claim = read_claim(tmp_path / "again" / "manifest.sigstore.json", load_trusted(case.trust), utc_now())
    assert claim.predicate.traits == {"alpha": 3, "frames": 1, "orientation": 3}


def test_a_trait_at_the_end_of_a_large_file_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    (tmp_path / "d" / "a").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "d" / "a" / "x.webp", exif=exif, lossless=True)
    assert (tmp_path / "d" / "a" / "x.webp").stat().st_size > 2**18
    assert listed(tmp_path / "d", tmp_path)[0].traits == {"orientation": 1}


def test_large_images_are_decoded_one_after_the_other_whatever_the_number_of_processes(tmp_path):
    """Two of 64 million pixels at once would take more than a gigabyte."""
    import multiprocessing
    import tempfile

    from tests.data.test_room import png
    from whitesquare.provenance import pixels

    content, context = png(2100, 2000), multiprocessing.get_context("fork")
    with tempfile.TemporaryFile() as file:

        def other(done):
            pixels.pixel_digest(content, "a.png", file.fileno())
            done.set()

        done = context.Event()
        with pixels._alone(file.fileno()):
            process = context.Process(target=other, args=(done,))
            process.start()
            assert not done.wait(2)
        assert done.wait(60)
        process.join()
    small = png(20, 20)
    assert pixels.pixel_digest(small, "a.png", -1) == pixels.pixel_digest(small, "a.png")
