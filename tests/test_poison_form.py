"""What `poison` writes has the form of what it read, unless that cannot hold it, or another is asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.data import from_arrays, write_dataset
from whitesquare.data.layouts import dataset_kinds

COLOUR = np.random.default_rng(0).integers(0, 255, (40, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(40) % 2


def poison(source: object, out: Path, *more: object) -> str:
    asked = ["poison", source, "--attack", "stamp", "--target", "cat", "--count", 3, "-q", "-o", out, *more]
    done = CliRunner().invoke(app, list(map(str, asked)))
    assert done.exit_code == 0, done.stderr
    (kind,) = dataset_kinds(out)
    return kind


def written(folder: Path, fmt: str) -> Path:
    grey = COLOUR[:, :1] if fmt == "idx" else COLOUR
    data = from_arrays(grey, LABELS, classes=("bird", "cat"))
    write_dataset(folder, data, data, fmt)
    return folder


@pytest.mark.parametrize("fmt", ["npz", "cifar10", "png-folder"])
def test_it_is_that_of_the_source(fmt: str, tmp_path: Path) -> None:
    source = written(tmp_path / "source", fmt)
    assert poison(source, tmp_path / "run") == fmt
    assert json.loads((tmp_path / "run" / "config.json").read_text())["format"] == fmt
    assert poison(source, tmp_path / "other", "--format", "npz") == "npz"


def test_class_folders_without_a_test_split_stay_class_folders(tmp_path: Path) -> None:
    source = written(tmp_path / "source", "png-folder")
    assert poison(source / "train", tmp_path / "run") == "png-folder"


def test_a_table_becomes_class_folders(tmp_path: Path) -> None:
    rows = ["image,label"]
    for i, image in enumerate(COLOUR):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{('bird', 'cat')[LABELS[i]]}")
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    assert poison(tmp_path / "train.csv", tmp_path / "run") == "png-folder"


def test_the_error_of_a_form_that_was_asked_for_names_the_folder_that_was(tmp_path: Path) -> None:
    source = written(tmp_path / "source", "npz")
    asked = ["poison", source, "--attack", "stamp", "--target", "cat", "--count", 3, "--format", "idx"]
    done = CliRunner().invoke(app, [*map(str, asked), "-o", str(tmp_path / "run")])
    said = " ".join(done.stderr.split())
    assert done.exit_code == 2
    assert f"{tmp_path / 'run'}: IDX files hold grey images" in said
    assert ".part" not in said
    assert not (tmp_path / "run").exists()


def test_that_a_set_is_poisoned_already_is_told(tmp_path: Path) -> None:
    """Its ground truth is left behind: who measures by the new one counts the first poisons as clean."""
    source = written(tmp_path / "source", "npz")
    poison(source, tmp_path / "once")
    asked = [
        "poison",
        tmp_path / "once",
        "--attack",
        "label-flip",
        "--target",
        "cat",
        "--count",
        2,
        "-o",
        tmp_path / "two",
    ]
    done = CliRunner().invoke(app, list(map(str, asked)))
    assert done.exit_code == 0, done.stderr
    assert "is poisoned already (3 samples by 'stamp')" in " ".join(done.stderr.split())
