"""What is attested and holds no images, or no samples, is told where it is signed."""

import io
import tarfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import whitesquare as ws
from tests.data.forms import write_tar
from tests.data.tables import write_parquet
from whitesquare.cli import app
from whitesquare.cli.exits import PASS
from whitesquare.data import Part
from whitesquare.provenance.opened import sample_rows

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"


def _signed(tmp_path, data, *more):
    made = CliRunner().invoke(app, ["keygen", "-o", str(tmp_path / "key"), "--no-password", "--role", "data"])
    assert made.exit_code == PASS, made.output
    done = CliRunner().invoke(
        app, ["attest", str(data), "--key", str(tmp_path / "key.pem"), "-o", str(tmp_path / "out"), *map(str, more)]
    )
    assert done.exit_code == PASS, done.output
    return " ".join((done.stdout + done.stderr).split())


def _image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (5, 5)).save(path)


def test_pointers_and_empty_files_are_counted(tmp_path):
    for i in range(6):
        _image(tmp_path / "data" / "cat" / f"{i}.png")
    for i in range(3):
        (tmp_path / "data" / "cat" / f"{i}.png").write_bytes(POINTER)
    (tmp_path / "data" / "cat" / "3.png").write_bytes(b"")
    said = _signed(tmp_path, tmp_path / "data")
    assert "3 are pointers of Git LFS and no images (git lfs pull)" in said
    assert "1 are empty files and no images" in said
    assert "No file is signed as a sample" not in said


@pytest.mark.parametrize("side", [5, 600])
def test_damaged_images_are_counted(tmp_path, side):
    """Of PNG, in one part and in many, of which a byte is another or the end is gone; of JPEG, of which the end is."""
    folder = tmp_path / "data" / "cat"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
    for name in ("whole.png", "changed.png", "cut.png", "whole.jpg", "cut.jpg"):
        Image.fromarray(noise).save(folder / name)
    content = bytearray((folder / "changed.png").read_bytes())
    content[content.rindex(b"IEND") - 9] ^= 1
    (folder / "changed.png").write_bytes(content)
    small = Image.Exif()
    small[0x9286] = _encoded(noise[:5, :5], "JPEG")  # a picture of itself has an end of its own
    Image.fromarray(noise).save(folder / "cut-within.jpg", exif=small)
    for name in ("cut.png", "cut.jpg", "cut-within.jpg"):
        (folder / name).write_bytes((folder / name).read_bytes()[:-30])
    assert "traits 4 are damaged, so that not every program reads them" in _signed(tmp_path, tmp_path / "data")


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("form", ["tar", "parquet"])
def test_damaged_images_are_counted_in_tables_and_tar_files_too(form, shards, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (9, 9), np.uint8)
    images = [_encoded(noise, kind) for kind in ("PNG", "PNG", "JPEG", "JPEG")]
    images[1] = images[1][:-30]
    images[2] = images[2][:-30]
    if form == "tar":
        members = [
            (f"{i}.{kind}", one) for i, both in enumerate(images) for kind, one in (("png", both), ("cls", b"0"))
        ]
        write_tar(tmp_path / "data" / "train-0.tar", members, tarfile.USTAR_FORMAT)
    else:
        rows = [({"bytes": one, "path": f"{i}.png"}, i % 2) for i, one in enumerate(images)]
        write_parquet(tmp_path / "data" / "train.parquet", rows, names=("cat", "dog"))
    more = ("--resume", tmp_path / "kept") if shards else ()
    assert "traits 2 are damaged, so that not every program reads them" in _signed(tmp_path, tmp_path / "data", *more)
    if shards:  # what was kept says so as well
        (tmp_path / "again").mkdir()
        assert "traits 2 are damaged" in _signed(tmp_path / "again", tmp_path / "data", *more)


@pytest.mark.parametrize("between", [b"", b"\xff\xff", bytes(2)])
def test_what_follows_the_end_of_a_jpeg_file_damages_nothing(between, tmp_path):
    """Phones put a film behind a photograph."""
    (tmp_path / "data" / "cat").mkdir(parents=True)
    whole = _encoded(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8), "JPEG")
    at = whole.index(b"\xff\xdb")
    whole = whole[:at] + between + whole[at:]
    film = bytes(3 * 2**20)
    (tmp_path / "data" / "cat" / "moving.jpg").write_bytes(whole + film)
    (tmp_path / "data" / "cat" / "cut.jpg").write_bytes(whole[:-9] + film)
    (tmp_path / "data" / "cat" / "early.jpg").write_bytes(whole[:9] + film)
    assert "traits 2 are damaged" in _signed(tmp_path, tmp_path / "data")


def test_damaged_images_are_counted_in_a_part_of_a_data_set(tmp_path):
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "dog").mkdir()
    whole = _encoded(np.zeros((9, 9), np.uint8), "JPEG")
    for i in range(6):
        (tmp_path / "data" / ("cat", "dog")[i % 2] / f"{i}.jpg").write_bytes(whole[: -30 if i % 3 == 0 else None])
    part = Part(ws.open_dataset(tmp_path / "data"), np.array([0, 1, 2]))
    traits = Counter()
    list(sample_rows({"train": part}, pixels=False, traits=traits))
    assert traits == {"damaged": 1}


def _encoded(pixels, kind):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format=kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("place", "why"),
    [("train", "no class folders"), ("", "without one")],
)
def test_that_no_file_is_a_sample_is_told_with_the_reason(tmp_path, place, why):
    for name in ("cat", "dog"):
        for i in range(3):
            _image(tmp_path / "data" / place.format(name) / f"{name}-{i}.png")
    said = _signed(tmp_path, tmp_path / "data")
    assert "No file is signed as a sample" in said
    assert why in said
