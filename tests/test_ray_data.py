"""A scan in shards by Ray Data, on two nodes of the loopback interface: one is killed, then the driver."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import whitesquare as ws
from tests.data.forms import pngs, write_tar
from tests.patience import PATIENCE, until
from tests.provenance.attesting import key_pair
from tests.test_ray import cluster, end, env, head_node  # noqa: F401 - fixtures
from tests.test_scan import planted
from tests.test_sharded import places, same
from whitesquare.executor.engine import Way
from whitesquare.jobs.scan import scan
from whitesquare.provenance.types import BUNDLE, MANIFEST
from whitesquare.scanning.settings import ScanSettings

pytestmark = [pytest.mark.ray, pytest.mark.slow]
DETECTORS = ("pixel-contrast", "noise-residual", "patch-contrast")
SHARDS, PER_SHARD = 30, 50
MOST = 100 * 2**20
"""Bytes that the object store may hold: images never go there."""

USED = """
import logging, sys
import ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
from ray._private.internal_api import memory_summary
total = ray.cluster_resources()["object_store_memory"]
print(total - ray.available_resources().get("object_store_memory", total))
"""


@pytest.fixture
def shards(tmp_path):
    """1,500 images in 30 tar files, a patch on some of one class."""
    found, _ = planted(0.3)
    samples = pngs(found.images, found.labels)
    for number in range(SHARDS):
        some = samples[number::SHARDS]
        members = [one for key, label, png in some for one in ((f"{key}.png", png), (f"{key}.cls", label.encode()))]
        write_tar(tmp_path / "data" / f"train-{number:04d}.tar", members)
    return tmp_path / "data"


def started(shards, address, kept, env, out):  # noqa: F811
    """Begin a scan on the cluster."""
    asked = [sys.executable, "-m", "whitesquare.cli", "scan", shards, "--model-free", "--ray", address]
    how = ["--resume", kept, "--workers", 2, "--detectors", ",".join(DETECTORS), "-o", f"json={out}"]
    with out.with_suffix(".log").open("wb") as said:
        return subprocess.Popen(list(map(str, [*asked, *how])), env=env, stdout=said, stderr=said)


def test_a_node_and_the_driver_are_killed_and_the_report_is_that_of_one_process(shards, cluster, env, tmp_path):  # noqa: F811
    address, raylet = cluster
    kept, out = tmp_path / "kept", tmp_path / "scan.json"
    settings = ScanSettings(model_free=True, detectors=DETECTORS)
    alone = scan(str(shards), settings, way=Way()).json()

    first = started(shards, address, kept, env, out)
    try:
        until(lambda: first.poll() is not None or len(list(kept.glob("pixels/*.kept"))) >= 3, "shard that was read")
        assert first.poll() is None, out.with_suffix(".log").read_text()
        os.kill(raylet, signal.SIGKILL)
        count = len(list(kept.glob("pixels/*.kept")))
        until(lambda: first.poll() is not None or len(list(kept.glob("pixels/*.kept"))) > count + 2, "more shards")
        assert len(list(kept.glob("pixels/*.kept"))) < SHARDS
        before = places(kept, "pixels")
    finally:
        first.kill()
        first.wait()

    second = started(shards, address, kept, env, out)
    try:
        second.wait(PATIENCE)
    finally:
        second.kill()
        second.wait()
    assert second.returncode == 1, out.with_suffix(".log").read_text()
    assert same(out.read_text(), alone)
    after = places(kept, "pixels")
    assert before.items() <= after.items()
    assert len(after) == SHARDS
    assert not list(kept.rglob("*.part"))
    used = subprocess.run([sys.executable, "-c", USED, address], env=env, capture_output=True, text=True, check=True)
    assert float(used.stdout) <= MOST
    assert json.loads(out.read_text())["sharding"]["shards"] == SHARDS


def test_a_manifest_that_a_cluster_makes_is_that_of_one_process(shards, cluster, env, tmp_path):  # noqa: F811
    address, _ = cluster
    (tmp_path / "trust").mkdir()
    signer = key_pair(tmp_path / "trust" / "carol", secrets=tmp_path / "secret")
    ws.attest(str(shards), [signer], tmp_path / "alone")
    cli, how = [sys.executable, "-m", "whitesquare.cli"], ["--ray", address, "--workers", 2, "--resume"]
    attest = ["attest", shards, "--key", tmp_path / "secret" / "carol.pem", "-o", tmp_path / "there"]
    verify = ["verify", shards, "--bundle", tmp_path / "there" / BUNDLE, "--trust", tmp_path / "trust"]
    verify += ["--state", tmp_path / "state.json"]
    for asked, kept in ((attest, "kept"), (verify, "checked")):
        command = list(map(str, [*cli, *asked, *how, tmp_path / kept]))
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(places(tmp_path / kept, "hashed")) == SHARDS
    assert (tmp_path / "there" / MANIFEST).read_bytes() == (tmp_path / "alone" / MANIFEST).read_bytes()


def test_a_node_of_another_version_is_named_and_computes_nothing(shards, env, tmp_path):  # noqa: F811
    other = tmp_path / "site" / "numpy-1.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    temporary, kept, out = Path("/tmp") / f"ws-ray-{os.getpid()}", tmp_path / "kept", tmp_path / "scan.json"
    head, address = head_node(env | {"PYTHONPATH": str(other.parent)}, tmp_path / "head.log", temporary)
    try:
        asked = started(shards, address, kept, env, out)
        assert asked.wait(PATIENCE) == 2
    finally:
        end(head)
        shutil.rmtree(temporary, ignore_errors=True)
    said = " ".join(out.with_suffix(".log").read_text().split())
    assert f"The node {platform.node()} has numpy 1.0 (expected {np.__version__})" in said
    assert not out.exists()
    assert not list(kept.glob("pixels/*.kept"))
