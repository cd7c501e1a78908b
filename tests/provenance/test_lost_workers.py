"""What is lost while data are hashed is no verdict on them: a killed worker, memory that is used up, a full disk."""

import multiprocessing
import os
import signal
import time
from threading import Event, Thread

import numpy as np
import pytest

import whitesquare as ws
from tests.data.forms import write_tar
from tests.provenance.attesting import key_pair, run
from tests.test_sharded import as_members
from whitesquare.data import from_arrays, write_dataset
from whitesquare.errors import ChangedError, UnfinishedError
from whitesquare.executor import engine
from whitesquare.executor.engine import Way
from whitesquare.provenance import hashing, listing, workers
from whitesquare.provenance.types import BUNDLE
from whitesquare.signing.keys import load_trusted

DIES = "import os; os.kill(os.getpid(), 9)\n"
NO_HANDLES = "import resource, signal; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
NO_MEMORY = (
    "import whitesquare.provenance.hashing as h\nclass Full(h.Reader):\n def read(self, *_): raise MemoryError\n"
    "h.Reader = Full\n"
)


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Images as files and in tar files, their attestations, and the folder of the keys."""
    folder = tmp_path_factory.mktemp("signed")
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (24, 1, 9, 9), np.uint8), np.arange(24) % 2
    write_dataset(folder / "files", from_arrays(images, labels, layout="NCHW"), None, "png-folder")
    for number, key in enumerate("ab"):
        write_tar(folder / "tars" / f"train-{number}.tar", as_members(images, labels, key))
    (folder / "trust").mkdir()
    signer = key_pair(folder / "trust" / "carol", secrets=folder / "secret")
    for kind in ("files", "tars"):
        ws.attest(str(folder / kind), [signer], folder / f"{kind}-signed")
    return folder


def asked(signed, kind, *more):
    bundle = signed / f"{kind}-signed" / BUNDLE
    return ("verify", signed / kind, "--bundle", bundle, "--trust", signed / "trust", *more)


@pytest.fixture
def worker_that(monkeypatch):
    """Let the processes that hash files begin with something else."""

    def begins(code):
        monkeypatch.setattr(workers, "_WORKER", workers._WORKER.replace("serve({root}", f"{code}serve({{root}}"))

    return begins


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (DIES, "A process that reads files was killed (signal 9)"),
        ("import sys; sys.exit(7)\n", "ended early (exit code 7)"),
        (NO_MEMORY, "had no memory, or no file handle, left"),
        (NO_HANDLES, "had no memory, or no file handle, left"),
    ],
)
@pytest.mark.parametrize("verb", ["verify", "attest"])
def test_a_worker_that_is_lost_is_no_verdict(signed, tmp_path, worker_that, code, said, verb):
    worker_that(code)
    keys = ("--key", signed / "secret" / "carol.pem", "-o", tmp_path / "out")
    order = asked(signed, "files") if verb == "verify" else ("attest", signed / "files", *keys)
    done = run(*order, "--workers", 1, code=2)
    told = " ".join(done.stderr.split())
    assert said in told
    assert "so nothing is known of the data" in told
    assert not done.stdout
    assert not list(tmp_path.iterdir())


def test_data_that_cannot_be_hashed_here_for_want_of_handles_are_not_changed(signed, tmp_path, monkeypatch):
    def none_left(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(hashing.Reader, "read", none_left)
    done = run(*asked(signed, "files"), code=2)
    assert "Too many open files" in done.stderr


@pytest.mark.slow
def test_workers_in_shards_that_are_killed_are_no_verdict(signed, tmp_path):
    over = Event()

    def kill():
        while not over.is_set():
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.05)

    watcher = Thread(target=kill)
    watcher.start()
    try:
        with pytest.raises(UnfinishedError, match=r"died \(signal 9\).*take fewer --workers"):
            verified(signed, "tars", tmp_path, 2)
    finally:
        over.set()
        watcher.join()


def verified(signed, kind, folder, count):
    bundle, trusted = signed / f"{kind}-signed" / BUNDLE, load_trusted(signed / "trust")
    way = Way(workers=count, folder=folder / "kept")
    return ws.verify(signed / kind, bundle, trusted, folder / "work", way=way)


@pytest.mark.parametrize("kind", ["files", "tars"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("3 GiB were asked for"), "The memory that a process may take is used up.*take fewer --workers"),
        (OSError(28, "No space left on device"), "is full: .* make room"),
        (KeyError("x"), "The step of hashing (files|shards) came to no end: KeyError"),
    ],
)
def test_what_befalls_a_shard_is_no_verdict(signed, kind, tmp_path, monkeypatch, error, said):
    def befallen(*_, **__):
        raise error

    replaced = os.replace
    if isinstance(error, OSError):
        moved = lambda self, to: befallen() if self.parent.name == "hashed" else replaced(self, to)  # noqa: E731
        monkeypatch.setattr("pathlib.Path.replace", moved)
    else:
        monkeypatch.setattr("whitesquare.provenance.shards._named", befallen)
    with pytest.raises(UnfinishedError, match=said):
        verified(signed, kind, tmp_path, 1)


@pytest.mark.parametrize("kind", ["files", "tars"])
def test_data_that_change_under_a_verification_are_no_verdict(signed, kind, tmp_path, monkeypatch):
    data = tmp_path / "data"
    for path in (signed / kind).rglob("*.*"):
        target = data / path.relative_to(signed / kind)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    victim = next(data.rglob("*.png" if kind == "files" else "*.tar"))
    given = engine.Engine.map

    def meddled(self, step, work, items, **more):
        def later(item, shared):
            named = "whitesquare.provenance.shards._named"
            with monkeypatch.context() as patch:
                patch.setattr(named, lambda *_: victim.write_bytes(b"another") and tmp_path / "nothing")
                return work(item, shared)

        return given(self, step, later, items, **more)

    monkeypatch.setattr(engine.Engine, "map", meddled)
    bundle, trusted = signed / f"{kind}-signed" / BUNDLE, load_trusted(signed / "trust")
    with pytest.raises(ChangedError, match="changed while they were read"):
        ws.verify(data, bundle, trusted, tmp_path / "work", way=Way(folder=tmp_path / "kept"))


@pytest.mark.parametrize("form", ["idx", "npz", "one file"])
def test_containers_that_change_under_a_verification_are_no_verdict(signed, tmp_path, monkeypatch, form):
    rng = np.random.default_rng(5)
    made = from_arrays(rng.integers(0, 256, (12, 1, 14, 14), np.uint8), np.arange(12) % 2, layout="NCHW")
    write_dataset(tmp_path / "data", made, None, "idx" if form == "idx" else "npz")
    data = tmp_path / "data" / "train.npz" if form == "one file" else tmp_path / "data"
    ws.attest(str(data), [key_pair(tmp_path / "trust" / "eve", secrets=tmp_path / "secret")], tmp_path / "signed")
    order = ("verify", data, "--bundle", tmp_path / "signed" / BUNDLE, "--trust", tmp_path / "trust")
    run(*order)
    victim = next(path for path in (tmp_path / "data").iterdir() if "labels" not in path.name)
    name = f"whitesquare.provenance.listing.read_{'idx_folder' if form == 'idx' else 'npz'}"
    read = getattr(listing, name.rpartition(".")[2])

    def meddled(*given, **more):
        victim.write_bytes(victim.read_bytes()[:-5])
        return read(*given, **more)

    monkeypatch.setattr(name, meddled)
    assert "changed while they were read" in " ".join(run(*order, code=2).stderr.split())
    monkeypatch.undo()
    assert "cannot be read as the signed one could" in " ".join(run(*order, code=1).output.split())
