"""What `cleanse` writes back is read by webdataset, pyarrow and datasets as what they themselves have written."""

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whitesquare.data import open_dataset
from whitesquare.data.sized import unsized
from whitesquare.types import Rewritable

pytestmark = pytest.mark.interop
KEPT = (0, 1, 2, 4, 7, 8, 11)


@pytest.fixture
def ask(foreign_python: Path, tmp_path: Path):
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**known, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}

    def run(verb: str, folder: Path) -> Any:
        command = [foreign_python, Path(__file__).with_name("read_images.py"), verb, folder]
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)

    return run


def test_copies_are_read_as_the_originals(ask, tmp_path):
    (tmp_path / "in").mkdir()
    ask("write", tmp_path / "in")
    before = ask("read", tmp_path / "in")
    for form in ("tar", "parquet"):
        opened = unsized(open_dataset(tmp_path / "in" / form))
        pixels = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in opened.images(slice(None))]
        ours = [[int(label), sha256(image).hexdigest()] for label, image in zip(opened.labels, pixels, strict=True)]
        assert all(ours == before[name] for name in (("webdataset",) if form == "tar" else ("datasets", "pyarrow")))
        assert isinstance(opened, Rewritable)
        opened.rewrite(tmp_path / "out" / form, np.array(KEPT))
    after = ask("read", tmp_path / "out")
    assert after["names"] == before["names"] == ["cat", "dog", "owl"]
    for name in ("webdataset", "datasets", "pyarrow"):
        assert after[name] == [before[name][i] for i in KEPT]
