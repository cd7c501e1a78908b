"""What is kept is used again only where it would come out the same: same libraries, and files that hold still."""

import shutil
from dataclasses import replace
from importlib import metadata

import duckdb
import numpy as np
import pytest

import whitesquare as ws
from tests.data.forms import GREY
from tests.provenance.attesting import key_pair
from tests.test_sharded import places
from whitesquare._base import machine
from whitesquare._base.cache import Cache
from whitesquare.data import open_dataset
from whitesquare.data.sized import Sized
from whitesquare.errors import ChangedError, DataError
from whitesquare.executor.engine import Engine, Way
from whitesquare.jobs.scan import scan
from whitesquare.loops.recordings import digest_of_recording
from whitesquare.scanning import losses as reading
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.sharded import scoring
from whitesquare.scanning.sharded.listed import as_read, list_all

FREE = ScanSettings(model_free=True, detectors=("noise-residual", "patch-contrast"))
LOSSES = ScanSettings(model_free=True, detectors=("loss-trajectories",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty images of three classes, as files."""
    images = np.random.default_rng(2).integers(0, 256, (60, 1, 12, 12), np.uint8)
    return GREY["folder"](tmp_path_factory.mktemp("images") / "data", images, np.arange(60) % 3)


@pytest.fixture
def other_version(monkeypatch):
    """Pretend that another version of a library is installed, from now on."""
    real = metadata.version

    def pretend(library):
        monkeypatch.setattr(machine, "version", lambda name: "99.0" if name == library else real(name))
        machine.making_digest.cache_clear()

    yield pretend
    monkeypatch.undo()
    machine.making_digest.cache_clear()


@pytest.mark.parametrize("library", ["pillow", "torch", "numpy"])
def test_a_scan_that_goes_on_with_another_library_uses_nothing_of_before(folder, tmp_path, other_version, library):
    way = Way(folder=tmp_path / "kept")
    scan(str(folder), FREE, way=way)
    before = {kind: places(way.folder, kind) for kind in ("index", "pixels", "scores")}
    scan(str(folder), FREE, way=way)
    assert all(places(way.folder, kind) == known for kind, known in before.items())
    other_version(library)
    scan(str(folder), FREE, way=way)
    for kind, known in before.items():
        after = places(way.folder, kind)
        assert len(after) == 2 * len(known) > 0, kind
        assert known.items() <= after.items()


def test_a_manifest_of_decoded_pixels_is_made_anew_with_another_library(folder, tmp_path, other_version):
    signer, way = key_pair(tmp_path / "carol", secrets=tmp_path / "secret"), Way(folder=tmp_path / "kept")
    ws.attest(str(folder), [signer], tmp_path / "one", pixels=True, way=way)
    before = places(way.folder, "hashed")
    other_version("pillow")
    ws.attest(str(folder), [signer], tmp_path / "two", pixels=True, way=way)
    assert len(places(way.folder, "hashed")) == 2 * len(before) > 0


def test_a_crafted_poison_is_made_anew_with_another_library(tmp_path, other_version):
    cache = Cache(tmp_path)
    for expected in (["misses"], ["misses", "hits"]):
        cache.arrays("poison", {"seed": 0}, lambda: {"x": np.zeros(3)})
        assert [name for name in ("misses", "hits") if getattr(cache, name)] == expected
    other_version("torch")
    cache.arrays("poison", {"seed": 0}, lambda: {"x": np.ones(3)})
    assert len(cache.misses) == 2


def write_losses(path, ids, epochs):
    """Losses that fall."""
    table = {"id": np.repeat(np.array(ids, object), epochs), "epoch": np.tile(np.arange(epochs), len(ids))}
    table["loss"] = (np.exp(-table["epoch"] / 2) + np.repeat(np.arange(len(ids)), epochs) / 100).astype(np.float32)
    with duckdb.connect() as db:
        db.register("rows", table)
        db.execute(f"COPY rows TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize("way", [None, Way()], ids=["one piece", "shards"])
@pytest.mark.parametrize(("moment", "change"), [("_rows", "grown"), ("_compared", "grown"), ("_compared", "gone")])
def test_a_recording_that_changes_while_it_is_read_is_refused(folder, tmp_path, monkeypatch, way, moment, change):
    ids, path = open_dataset(str(folder)).ids, tmp_path / "losses.parquet"
    write_losses(path, ids, 4)
    other = write_losses(tmp_path / "other.parquet", ids, 5)
    step = getattr(reading, moment)

    def meddled(*given):
        found = step(*given)
        shutil.copy(other, path) if change == "grown" else path.unlink()
        return found

    monkeypatch.setattr(reading, moment, meddled)
    with pytest.raises(ChangedError, match="was changed while it was read: a training still writes to it"):
        scan(str(folder), LOSSES, losses=path, way=way)


def test_a_recording_that_grows_between_its_hash_and_its_reading_is_refused(folder, tmp_path, monkeypatch):
    ids, path = open_dataset(str(folder)).ids, tmp_path / "losses.parquet"
    write_losses(path, ids, 4)

    def hashed(name):
        found = digest_of_recording(name)
        write_losses(path, ids, 5)
        return found

    monkeypatch.setattr("whitesquare.scanning.sharded.recorded.digest_of_recording", hashed)
    way = Way(folder=tmp_path / "kept")
    with pytest.raises(ChangedError, match="was changed while it was read"):
        scan(str(folder), LOSSES, losses=path, way=way)
    assert not places(way.folder, "recorded")


def test_a_size_that_was_found_when_the_images_were_listed_is_not_looked_for_again(folder, tmp_path, monkeypatch):
    dataset = open_dataset(str(folder))
    assert isinstance(dataset, Sized)
    listing = list_all(dataset, tmp_path, Engine(Way()))
    again = as_read(open_dataset(str(folder)), listing)

    def looked(self, i):
        raise DataError(f"the header of {i} was read again")

    monkeypatch.setattr(type(again.base), "header", looked)
    assert again.frame is listing.frame is None
    assert not again.headers  # what is not decided is looked for, as before
    assert replace(again, is_decided=False).frame is None


def test_a_detector_that_crashed_in_a_shard_is_tried_again(folder, tmp_path, monkeypatch):
    """It may have found no memory; the same command is what its user gives when there is some."""
    way, known = Way(folder=tmp_path / "kept"), scoring.run_one

    def crashed(evidence, name):
        return None, replace(known(evidence, name)[1], reason="it crashed: MemoryError", crashed=True)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "run_one", crashed)
        assert any(run.crashed for run in scan(str(folder), FREE, way=way).scan.result.runs)
    assert not any(run.crashed for run in scan(str(folder), FREE, way=way).scan.result.runs)
    before = places(way.folder, "scores")
    scan(str(folder), FREE, way=way)
    assert places(way.folder, "scores") == before
