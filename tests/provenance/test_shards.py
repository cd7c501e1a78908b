"""A manifest that workers make is that of one process, byte for byte; what was done is not done twice."""

import multiprocessing
import os
import shutil
import signal
import time
from threading import Thread

import numpy as np
import pytest

import whitesquare as ws
from tests.data.forms import GREY, pngs, write_tar
from tests.programs import python
from tests.provenance.attesting import key_pair
from tests.test_sharded import as_members, places
from whitesquare.data import open_dataset
from whitesquare.data.listing import shards_in
from whitesquare.errors import DataError, UsageError
from whitesquare.executor.engine import Engine, Way
from whitesquare.provenance import shards as in_shards
from whitesquare.provenance.hashing import Piece
from whitesquare.provenance.shards import ToHashFiles, hash_task
from whitesquare.provenance.types import BUNDLE, MANIFEST
from whitesquare.scanning.sharded.reading import ToList, list_shard
from whitesquare.signing.keys import load_trusted

COUNT = 90


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (COUNT, 1, 12, 12), np.uint8), np.arange(COUNT) % 3


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    (folder / "trust").mkdir()
    return folder, key_pair(folder / "trust" / "carol", secrets=folder / "secret")


@pytest.fixture(scope="module")
def signer(keys):
    return keys[1], load_trusted(keys[0] / "trust")


@pytest.fixture
def secret(keys):
    return keys[0] / "secret" / "carol.pem"


@pytest.fixture
def tars(pictures, tmp_path):
    """Three tar files, whose ids are in another order than the files."""
    images, labels = pictures
    for number in range(3):
        part = slice(number, None, 3)
        write_tar(tmp_path / "data" / f"train-{number}.tar", as_members(images[part], labels[part], "zyx"[number]))
    return tmp_path / "data"


@pytest.fixture
def files(pictures, tmp_path):
    images, labels = pictures
    for key, label, content in pngs(images, labels):
        path = tmp_path / "data" / label / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "data" / "LICENCE").write_text("free")
    return tmp_path / "data"


def manifest(source, signer, folder, way=None, *, pixels=False):
    ws.attest(str(source), [signer[0]], folder, way=way, pixels=pixels)
    return (folder / MANIFEST).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("form", ["tar", "parquet", "folder", "npz"])
def test_the_manifest_is_that_of_one_process(form, pixels, pictures, signer, tmp_path):
    place = GREY[form](tmp_path / "data", *pictures)
    plain = manifest(place, signer, tmp_path / "plain", pixels=pixels)
    way = Way(folder=tmp_path / "kept")
    assert manifest(place, signer, tmp_path / "kept_there", way, pixels=pixels) == plain
    assert manifest(place, signer, tmp_path / "alone", Way(workers=1), pixels=pixels) == plain


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 8])
def test_the_number_of_workers_decides_nothing(tars, files, signer, tmp_path, workers):
    plain = manifest(tars, signer, tmp_path / "plain")
    way = Way(workers=workers, folder=tmp_path / "kept")
    assert manifest(tars, signer, tmp_path / "sharded", way) == plain


@pytest.mark.parametrize("kind", ["tars", "files"])
def test_every_edit_is_named_as_without_shards(kind, signer, tmp_path, request, monkeypatch):
    data = request.getfixturevalue(kind)
    monkeypatch.setattr("whitesquare.provenance.pieces.RUN", 7)
    way, bundle = Way(folder=tmp_path / "kept"), tmp_path / "signed" / BUNDLE
    manifest(data, signer, tmp_path / "signed")
    assert ws.verify(data, bundle, signer[1], tmp_path, way=way).ok
    before = len(places(way.folder, "hashed"))
    assert before >= 3
    if kind == "tars":
        members = as_members(np.zeros((2, 1, 12, 12), np.uint8), np.array([0, 1]), "w")
        write_tar(data / "train-2.tar", members)
    else:
        (data / "0" / "00000.png").write_bytes((data / "1" / "00001.png").read_bytes())
        (data / "2" / "00002.png").rename(data / "1" / "00002.png")
        (data / "LICENCE").unlink()
        (data / "0" / "new.png").symlink_to("00003.png")
    plain = ws.verify(data, bundle, signer[1], tmp_path)
    found = ws.verify(data, bundle, signer[1], tmp_path, way=way)
    assert not found.ok
    assert (found.reason, found.counts, found.refused) == (plain.reason, plain.counts, plain.refused)
    assert 0 < len(places(way.folder, "hashed")) - before < before + 2


def test_work_that_was_killed_is_taken_up_again_and_nothing_hashed_twice(files, signer, secret, tmp_path, monkeypatch):
    plain = manifest(files, signer, tmp_path / "plain")
    kept = tmp_path / "kept"
    code = (
        "import os, signal, sys\n"
        "import whitesquare as ws\n"
        "from pathlib import Path\n"
        "from whitesquare.executor.engine import Way\n"
        "from whitesquare.provenance import pieces, shards\n"
        "from whitesquare.signing.keys import load_signer\n"
        "pieces.RUN = 10\n"
        "hashed, done = shards.hash_files, []\n"
        "def dying(*known, **more):\n"
        "    done.append(1)\n"
        "    if len(done) == 4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return hashed(*known, **more)\n"
        "shards.hash_files = dying\n"
        "data, key, out, kept = sys.argv[1:]\n"
        "ws.attest(data, [load_signer(key, str)], Path(out), way=Way(folder=Path(kept)))\n"
    )
    done = python("-c", code, files, secret, tmp_path / "out", kept)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr
    assert not (tmp_path / "out").exists()
    before = places(kept, "hashed")
    assert len(before) == 3
    monkeypatch.setattr("whitesquare.provenance.pieces.RUN", 10)
    assert manifest(files, signer, tmp_path / "again", Way(folder=kept)) == plain
    assert before.items() <= places(kept, "hashed").items()


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_task_and_nothing_else(tars, signer, tmp_path):
    killed = []

    def kill():
        end = time.monotonic() + 60
        while not killed and time.monotonic() < end:
            for child in multiprocessing.active_children()[:1]:
                os.kill(child.pid, signal.SIGKILL)
                killed.append(child.pid)

    plain, watcher = manifest(tars, signer, tmp_path / "plain"), Thread(target=kill)
    watcher.start()
    found = manifest(tars, signer, tmp_path / "sharded", Way(workers=2, folder=tmp_path / "kept"))
    watcher.join()
    assert killed
    assert found == plain


def test_a_file_that_was_exchanged_under_its_old_time_is_read_again(files, signer, tmp_path):
    way, victim = Way(folder=tmp_path / "kept"), files / "0" / "00000.png"
    manifest(files, signer, tmp_path / "one", way)
    state, content = victim.stat(), bytearray(victim.read_bytes())
    content[-20] ^= 1
    victim.write_bytes(content)
    os.utime(victim, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert manifest(files, signer, tmp_path / "two", way) == manifest(files, signer, tmp_path / "three")


def test_files_that_change_while_they_are_read_end_the_work(files, tmp_path, monkeypatch):
    task = ToHashFiles(str(files), [Piece("0/", "train", "0", ["00000.png"])], tmp_path, False, None)
    hashed = in_shards.hash_files

    def meddled(*known, **more):
        found = hashed(*known, **more)
        (files / "0" / "00000.png").write_bytes(b"another")
        return found

    monkeypatch.setattr(in_shards, "hash_files", meddled)
    with pytest.raises(DataError, match="changed while they were read"):
        hash_task(task, {})
    assert not list(tmp_path.rglob("*.kept"))


def test_what_could_not_be_read_is_read_again(files, signer, tmp_path, monkeypatch):
    way, reading = Way(folder=tmp_path / "kept"), "whitesquare.provenance.hashing.Reader.read"

    def broken(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(reading, broken)
        with pytest.raises(DataError, match="Input/output error"):
            manifest(files, signer, tmp_path / "one", way)
    assert manifest(files, signer, tmp_path / "one", way) == manifest(files, signer, tmp_path / "two")


def test_tar_files_in_a_folder_are_read_by_the_workers_that_are_asked_for(tars, tmp_path, signer, monkeypatch):
    asked = []
    given = Engine.map
    monkeypatch.setattr(Engine, "map", lambda self, *args, **more: asked.append(args[0]) or given(self, *args, **more))
    manifest(tars, signer, tmp_path / "one", Way(workers=1))
    assert asked == ["hashing shards"]


def test_a_path_that_is_no_text_names_a_folder_of_work_too(files, signer, tmp_path):
    place = files.rename(files.with_name(os.fsdecode(b"d\xff")))
    way = Way(folder=tmp_path / "kept")
    assert manifest(place, signer, tmp_path / "one", way) == manifest(place, signer, tmp_path / "two", way)
    with pytest.raises(UsageError, match="data was"):
        manifest(place.rename(place.with_name("e")), signer, tmp_path / "three", way)


def test_a_folder_of_other_work_and_one_in_the_data_are_refused(files, signer, tmp_path):
    way = Way(folder=tmp_path / "kept")
    manifest(files, signer, tmp_path / "one", way)
    with pytest.raises(UsageError, match="pixels was False, and is True"):
        manifest(files, signer, tmp_path / "two", way, pixels=True)
    with pytest.raises(UsageError, match="not what a verification in shards writes"):
        ws.verify(files, tmp_path / "one" / BUNDLE, signer[1], tmp_path / "work", way=way)
    with pytest.raises(UsageError, match="lies in the data set"):
        manifest(files, signer, tmp_path / "three", Way(folder=files / "kept"))


def test_shards_of_equal_labels_and_places_in_files_of_equal_size_and_time_are_two(signer, tmp_path):
    rng = np.random.default_rng(1)
    for number in range(2):
        images, labels = rng.integers(0, 256, (6, 1, 8, 8), np.uint8), np.arange(6) % 2
        header = b"P5 8 8 255 "
        members = [
            (f"{number}{i}.{kind}", content)
            for i, (image, label) in enumerate(zip(images, labels, strict=True))
            for kind, content in (("pgm", header + image.tobytes()), ("cls", str(label).encode()))
        ]
        path = write_tar(tmp_path / "data" / f"train-{number}.tar", members)
        os.utime(path, ns=(10**18, 10**18))
    plain = manifest(tmp_path / "data", signer, tmp_path / "plain")
    assert manifest(tmp_path / "data", signer, tmp_path / "sharded", Way(folder=tmp_path / "kept")) == plain
    dataset = open_dataset(str(tmp_path / "data"))
    folder = tmp_path / "scan"
    listed = [list_shard(ToList(one.listing, folder), {}).path for one in shards_in(dataset, folder)]
    assert len(set(listed)) == 2


@pytest.mark.long
def test_the_commands_take_workers_and_a_folder(tars, signer, secret, tmp_path):
    trust = tmp_path / "trust"
    shutil.copytree(secret.parent.parent / "trust", trust)
    how = ("--workers", 1, "--resume")
    cli = ("-m", "whitesquare.cli")
    done = python(*cli, "attest", tars, "--key", secret, "-o", tmp_path / "out", *how, tmp_path / "kept")
    assert done.returncode == 0, done.stderr
    asked = ("--bundle", tmp_path / "out" / BUNDLE, "--trust", trust, "--state", tmp_path / "state.json")
    done = python(*cli, "verify", tars, *asked, *how, tmp_path / "checked")
    assert done.returncode == 0, done.stderr
    (tars / "train-0.tar").unlink()
    done = python(*cli, "verify", tars, *asked, *how, tmp_path / "checked")
    assert done.returncode == 1
    assert "30 removed" in " ".join(done.stdout.split())
    done = python(*cli, "attest", tars, "--key", secret, "-o", tmp_path / "out", "--ray", "127.0.0.1:1")
    assert done.returncode == 2
    assert "--resume DIR" in done.stderr
