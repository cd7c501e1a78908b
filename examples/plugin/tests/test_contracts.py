"""What whitesquare checks on its own parts, on ours."""

import numpy as np
import pytest

from whitesquare.data import from_arrays
from whitesquare.detectors.types import Evidence
from whitesquare.errors import DataError, UsageError
from whitesquare.testing import check_attack, check_detector, check_source, check_trigger
from whitesquare_example.brightness import Brightness
from whitesquare_example.cifar_binary import RECORD, CifarBinary
from whitesquare_example.cross import Cross
from whitesquare_example.washed import Washed

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(60) % 3


def test_the_trigger():
    check_trigger(Cross())
    check_trigger(Cross(size=5, value=0), (3, 32, 32))
    with pytest.raises(UsageError, match="odd size"):
        Cross(size=4)
    with pytest.raises(UsageError, match="does not fit"):
        Cross(size=33)(PIXELS)


def test_the_attack():
    check_attack(Washed(), from_arrays(PIXELS, LABELS), target=1, count=5)


def test_the_detector_finds_what_is_bright():
    images = PIXELS // 4
    images[7] = 255
    evidence = Evidence(images, LABELS, ("a", "b", "c"), np.zeros(60, np.bool_))
    check_detector(Brightness(), evidence)
    assert Brightness().score(evidence).scores.argmax() == 7


def test_the_source(tmp_path):
    records = np.concatenate([LABELS[:, None].astype(np.uint8), PIXELS.reshape(60, -1)], axis=1)
    for number, part in enumerate(np.split(records, 2), start=1):
        part.tofile(tmp_path / f"data_batch_{number}.bin")
    check_source(CifarBinary(), str(tmp_path))
    opened = CifarBinary().open(str(tmp_path), "train")
    assert np.array_equal(opened.images(slice(None)), PIXELS)
    assert np.array_equal(opened.labels, LABELS)
    with pytest.raises(DataError, match="no test split"):
        CifarBinary().open(str(tmp_path), "test")
    (tmp_path / "test_batch.bin").write_bytes(b"\0" * (RECORD - 1))
    with pytest.raises(DataError, match="multiple of 3073"):
        CifarBinary().open(str(tmp_path), "test")
