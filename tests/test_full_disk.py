"""A bench on a disk that is really full: a small file system in memory, where the machine lets us mount one."""

import os
import subprocess

import numpy as np
import pytest

from tests.programs import python
from tests.provenance.attesting import key_pair
from whitesquare.data import from_arrays, write_dataset
from whitesquare.provenance.attest import attest
from whitesquare.provenance.types import BUNDLE
from whitesquare.study.bench.store import RESULTS, write_parquet

PAGE = 4096
PLAN = """
baseline = false
[victims.quick]
epochs = 1
[[grid]]
data = {data!r}
attack = ["stamp", "label-flip"]
count = 5
victim = "quick"
victim_seeds = 3
"""


@pytest.fixture
def small_disk(tmp_path):
    """A file system of nine pages, and a function that enlarges it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.sysconf("SC_PAGE_SIZE") != PAGE:
        pytest.skip("the sizes of this test are counted in pages of 4 kB")
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={9 * PAGE}", "tmpfs", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here, it takes root on Linux: {error}")

    def enlarge():
        subprocess.run(["mount", "-o", "remount,size=8m", folder], check=True)

    yield folder, enlarge
    subprocess.run(["umount", folder], check=True)


def data_set(folder):
    """Thirty random images, under a name so long that a result takes two pages and a failure one."""
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    split = from_arrays(rng.integers(0, 255, (30, 12, 12)).astype(np.uint8), labels)
    write_dataset(folder, split, split, "npz")
    return f"{folder.parent}/{'./' * 850}{folder.name}"


def bench(plan, out):
    done = python("-m", "whitesquare.cli", "bench", plan, "-o", out, "--workers", 1)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, " ".join(done.stderr.split())


@pytest.mark.long
def test_a_full_disk_costs_cells_and_is_told(small_disk, tmp_path):
    disk, enlarge = small_disk
    plan, out = tmp_path / "plan.toml", disk / "out"
    plan.write_text(PLAN.format(data=data_set(tmp_path / "data")))
    code, said = bench(plan, out)
    # Nine pages: the marker, the plan, three results of two pages, one failure; there is no room for the rest.
    kept = {path: path.read_bytes() for path in out.glob("cells/*.json")}
    (failure,) = out.glob("failed/*.json")
    assert code == 2
    assert len(kept) == 3
    assert "No space left on device" in failure.read_text()
    assert "The failure of a cell could not be written down" in said
    assert "3 of 6 cells are kept, 3 failed" in said
    assert not (out / RESULTS).exists()
    assert not list(out.rglob("*.part"))

    enlarge()
    assert bench(plan, out)[0] == 0
    assert len(list(out.glob("cells/*.json"))) == 6
    assert {path: path.read_bytes() for path in kept} == kept
    assert (out / RESULTS).is_file()
    assert not list(out.glob("failed/*.json"))


def test_a_table_that_does_not_fit_is_an_error_of_the_system(small_disk):
    disk, _ = small_disk
    rng = np.random.default_rng(0)
    with pytest.raises(OSError, match="No space left on device"):
        write_parquet(disk / "table.parquet", [{"x": value} for value in rng.random(10_000).tolist()])
    assert not list(disk.iterdir())


@pytest.mark.long
@pytest.mark.parametrize("verb", ["attest", "verify", "scan"])
def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(small_disk, tmp_path, verb):
    disk, _ = small_disk
    rng = np.random.default_rng(0)
    split = from_arrays(rng.integers(0, 255, (900, 12, 12)).astype(np.uint8), np.arange(900) % 3)
    data, keys, signed = tmp_path / "data", tmp_path / "keys", tmp_path / "signed"
    write_dataset(data, split, None, "png-folder")
    keys.mkdir()
    signer = key_pair(keys / "carol", secrets=tmp_path / "secret")
    attest(str(data), [signer], signed)
    free = ("scan", data, "--model-free", "--detectors", "pixel-contrast")
    asked = {
        "attest": ("attest", data, "--key", tmp_path / "secret" / "carol.pem", "-o", disk / "out"),
        "verify": ("verify", data, "--bundle", signed / BUNDLE, "--trust", keys, "--resume", disk / "kept"),
        "scan": (*free, "--resume", disk / "kept"),
    }[verb]
    done = python("-m", "whitesquare.cli", *asked)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, said
    assert "Traceback" not in said
    assert "No space left on device" in said or "is full" in said or "has 0.0 GiB left" in said, said
    assert not (disk / "out").exists()
    assert not list(disk.rglob("*.part"))
