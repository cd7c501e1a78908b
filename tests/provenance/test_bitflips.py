"""One bit of a bundle or a manifest that is the other way round is always noticed."""

import random

import pytest

from .edits import flipped
from .signed import make_signed

TRIALS = 200
"""In every run; a thousand where there is time."""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_signed(tmp_path_factory.mktemp("flips"), 12, pixels=True)


@pytest.mark.parametrize("trials", [TRIALS, pytest.param(5 * TRIALS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["manifest.sigstore.json", "manifest.parquet"])
def test_one_flipped_bit_is_always_rejected(case, name, trials) -> None:
    path = case.bundle.with_name(name)
    good = path.read_bytes()
    draw = random.Random(name)
    case.verify(code=0)
    for _ in range(trials):
        path.write_bytes(flipped(good, draw))
        done = case.verify()
        assert done.exit_code == 1, done.output
        assert done.stdout.startswith("NOT VERIFIED: ")
    path.write_bytes(good)
    case.verify(code=0)


def test_a_flipped_bit_of_the_envelope_is_rejected(case) -> None:
    path = case.bundle.with_name("manifest.dsse.json")
    good = path.read_bytes()
    draw = random.Random(7)
    for _ in range(TRIALS // 2):
        path.write_bytes(flipped(good, draw))
        assert case.verify(bundle=path).exit_code == 1
    path.write_bytes(good)
    case.verify(bundle=path, code=0)


def test_a_manifest_cut_off_or_longer_is_rejected(case) -> None:
    path = case.bundle.with_name("manifest.parquet")
    good = path.read_bytes()
    for other in (good[:-1], good + b"\0", b"", good[: len(good) // 2]):
        path.write_bytes(other)
        assert "bytes" in case.found()["reason"]
    path.write_bytes(good)
