"""What a cleansed copy keeps of files beside their bytes, and what of a folder it says that it leaves out."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import whitesquare as ws
from whitesquare.cli import app
from whitesquare.data import load_mnist
from whitesquare.scanning.settings import ScanSettings

MODEL_FREE = ScanSettings(model_free=True, detectors=("patch-contrast",))
TIME = 1_000_000_000


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Private files with a mark on half of one class, in splits of which the copy has two."""
    folder, mnist = tmp_path_factory.mktemp("copied"), load_mnist()
    for label in range(8):
        for number, i in enumerate(np.flatnonzero(mnist.labels == label)[: 20 if label else 120].tolist()):
            image = mnist.images(slice(i, i + 1))[0, 0].copy()
            if not label and not number % 2:
                image[1:4, 1:4] = 255 * (np.indices((3, 3)).sum(0) % 2 == 0)
            for split in ("train",) if number else ("train", "test", "val"):
                path = folder / "data" / split / str(label) / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
                path.chmod(0o600)
                os.utime(path, (TIME, TIME))
    (folder / "data" / "LICENCE").write_text("ours")
    (folder / "scan.json").write_text(ws.scan(folder / "data", MODEL_FREE).json())
    return folder


def test_files_keep_permissions_and_times_and_what_is_left_out_is_told(scanned, tmp_path):
    asked = ["cleanse", scanned / "data", "--scan", scanned / "scan.json", "--top", 3, "-o", tmp_path / "out"]
    done = CliRunner().invoke(app, [str(one) for one in asked])
    assert done.exit_code == 0, done.output
    assert "Not read, and not in the copy: “LICENCE”, “val” in" in done.stdout
    removed = {one["id"] for one in json.loads((tmp_path / "out" / "removed.json").read_text())["removed"]}
    found = {path.relative_to(tmp_path / "out").as_posix(): path.stat() for path in (tmp_path / "out").rglob("*.png")}
    before = {path.relative_to(scanned / "data").as_posix() for path in (scanned / "data").rglob("*.png")}
    assert found.keys() == {name for name in before - removed if not name.startswith("val/")}
    assert {(one.st_mode & 0o777, one.st_mtime) for one in found.values()} == {(0o600, TIME)}


def test_another_form_names_nothing_beside_it(scanned, tmp_path):
    done = ws.cleanse(scanned / "data", scanned / "scan.json", tmp_path / "out", top=3, fmt="npz")
    assert done.beside == ()
