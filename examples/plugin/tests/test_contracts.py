"""What whitesquare checks on its own parts, on ours."""

import numpy as np
import pytest

from whitesquare.data import from_arrays
from whitesquare.detectors.types import Evidence
from whitesquare.errors import DataError, UsageError
from whitesquare.testing import check_attack, check_detector, check_source, check_trigger
from whitesquare_example.brightness import Brightness
from whitesquare_example.cross import Cross
from whitesquare_example.netpbm import NetpbmList
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
    for position, image in enumerate(PIXELS):
        (tmp_path / f"{position:02d}.ppm").write_bytes(b"P6\n32 32\n255\n" + image.transpose(1, 2, 0).tobytes())
    lines = [f"{position:02d}.ppm {'abc'[label]}\n" for position, label in enumerate(LABELS)]
    (tmp_path / "labels.txt").write_text("".join(lines))
    check_source(NetpbmList(), str(tmp_path))
    opened = NetpbmList().open(str(tmp_path), "train")
    assert np.array_equal(opened.images(slice(None)), PIXELS)
    assert np.array_equal(opened.labels, LABELS)
    assert opened.classes == ("a", "b", "c")
    with pytest.raises(DataError, match="no test split"):
        NetpbmList().open(str(tmp_path), "test")
    (tmp_path / "grey.pgm").write_bytes(b"P5 # one\n2 3 255\n" + bytes(6))
    for text, said in (
        ("00.ppm a\n00.ppm a\n", "line 2"),
        ("../00.ppm a\n", "line 1"),
        ("00.ppm a\ngrey.pgm a\n", "another size or kind"),
        ("gone.pgm a\n", "cannot be read"),
    ):
        (tmp_path / "test-labels.txt").write_text(text)
        with pytest.raises(DataError, match=said):
            NetpbmList().open(str(tmp_path), "test")
    for content, said in ((b"P6\n32 32\n255\n" + bytes(9), "9 bytes of pixels"), (b"P2\n1 1\n255\n0", "no binary")):
        (tmp_path / "00.ppm").write_bytes(content)
        with pytest.raises(DataError, match=said):
            NetpbmList().open(str(tmp_path), "train")
