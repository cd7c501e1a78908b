"""A folder in which work in shards was kept, and what may befall it between two runs: never another result."""

import json
import os
import stat

import numpy as np
import pytest

from tests.data.forms import write_tar
from tests.test_sharded import as_members
from whitesquare.errors import UsageError
from whitesquare.executor.engine import Way
from whitesquare.jobs.scan import scan
from whitesquare.scanning.settings import ScanSettings

QUICK = ScanSettings(model_free=True, detectors=("noise-residual",))


@pytest.fixture
def tars(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(3):
        images, labels = rng.integers(0, 256, (20, 1, 12, 12), np.uint8), rng.integers(0, 4, 20)
        write_tar(tmp_path / "data" / f"train-{number}.tar", as_members(images, labels, f"{number}"))
    return tmp_path / "data"


@pytest.fixture
def way(tmp_path):
    return Way(folder=tmp_path / "kept")


def found(tars, way):
    said = json.loads(scan(str(tars), QUICK, way=way).json())
    return {name: said[name] for name in ("digest", "size", "classes", "flagged", "verdict")}


@pytest.mark.parametrize("kind", ["listing", "index", "pixels"])
def test_files_that_took_each_other_s_place_are_made_again(tars, way, kind):
    before = found(tars, way)
    one, other = sorted((way.folder / kind).glob("*.kept"))[:2]
    whole, content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content)
    other.write_bytes(whole)
    assert found(tars, way) == before
    assert (one.read_bytes(), other.read_bytes()) == (whole, content)


def test_what_others_could_have_written_in_it_is_not_believed(tars, way):
    found(tars, way)
    inner = way.folder / "pixels"
    file = next(inner.glob("*.kept"))
    for place, mode in ((inner, 0o777), (file, 0o666)):
        way.folder.chmod(0o755)
        inner.chmod(0o755)
        before = stat.S_IMODE(place.stat().st_mode)
        place.chmod(mode)
        with pytest.raises(UsageError, match=f"{place.name} can be written by others"):
            found(tars, way)
        way.folder.chmod(0o700)  # where nobody gets in, nobody has written anything
        found(tars, way)
        place.chmod(before)


def test_nobody_else_gets_into_it_whatever_the_user_lets_others_do(tars, way):
    way.folder.mkdir(mode=0o755)
    before = os.umask(0o002)
    try:
        found(tars, way)
        found(tars, way)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(place.stat().st_mode) for place in way.folder.iterdir() if place.is_dir()} == {0o700}


def test_it_does_not_lie_in_the_data(tars, way):
    with pytest.raises(UsageError, match="lies in the data set"):
        found(tars, Way(folder=tars / "kept"))
    assert not (tars / "kept").exists()
