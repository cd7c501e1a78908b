"""A real Ray cluster of two nodes on the loopback interface; one is killed in mid-grid."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_bench import command, numbers, run, small_plan
from whitesquare.data import write_dataset
from whitesquare.errors import UsageError
from whitesquare.executor import make_executor

pytestmark = pytest.mark.ray
RAY = [str(Path(sys.executable).parent / "ray")]
ENV = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "COLUMNS": "80"}
BOUNDS = ("--num-cpus=1", f"--object-store-memory={100 * 2**20}", "--disable-usage-stats", "--block")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(*arguments):
    """Start a node in a session of its own: everything it starts can be ended by its group."""
    return subprocess.Popen(
        [*RAY, "start", *arguments, *BOUNDS],
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def family(pid):
    """The process ids below ``pid``, itself included."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += parents.get(found[-1], [])
    return found


def raylet_below(pid):
    for one in family(pid):
        try:
            command = (Path("/proc") / str(one) / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        if command.endswith(b"/raylet"):
            return one
    return None


def end(node):
    for pid in family(node.pid)[::-1]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    node.wait(30)


def until(true, seconds, what):
    for _ in range(int(seconds / 0.1)):
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {what} within {seconds} s")


@pytest.fixture
def cluster(tmp_path):
    """Head and worker node of one CPU each; yields the address and the worker's process."""
    pytest.importorskip("ray")
    port = free_port()
    address = f"127.0.0.1:{port}"
    # A short folder: the paths of Ray's sockets must not exceed what the system allows.
    temporary = Path("/tmp") / f"ws-ray-{os.getpid()}"
    nodes = [
        start("--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false",
              f"--temp-dir={temporary}"),
    ]  # fmt: skip
    try:
        until(lambda: raylet_below(nodes[0].pid), 40, "head")
        nodes.append(start(f"--address={address}", "--node-ip-address=127.0.0.1"))
        until(lambda: raylet_below(nodes[1].pid), 40, "worker node")
        until(lambda: alive(address) == 2, 40, "cluster of two nodes")
        yield address, nodes[1]
    finally:
        for node in nodes[::-1]:
            end(node)
        subprocess.run(["rm", "-rf", str(temporary)], check=False)


def alive(address):
    """The number of nodes alive, asked by a process of its own: this one must not be tied to a cluster that ends."""
    code = (
        "import logging, ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR); "
        "print(sum(node['Alive'] for node in ray.nodes()))"
    )
    done = subprocess.run([sys.executable, "-c", code, address], env=ENV, capture_output=True, text=True, check=False)
    return int(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else 0


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:port"])
def test_an_address_where_nobody_answers_is_refused_at_once(address):
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match=f"no Ray cluster to be reached at {address}"):
        list(make_executor("ray", workers=1, address=address).run(len, [1], {}))


def test_a_grid_survives_the_loss_of_a_node_with_the_same_numbers(cluster, tmp_path, small_train, small_test):
    address, worker = cluster
    write_dataset(tmp_path / "data", small_train, small_test, "npz")
    plan = small_plan(tmp_path / "data", tmp_path / "plan.toml", seeds=3, epochs=1)
    assert run(plan, tmp_path / "local").finished == 12

    out = tmp_path / "ray"
    asked = command(plan, out, "--executor", "ray", "--address", address, "--workers", 3)
    grid = subprocess.Popen(asked, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: grid.poll() is not None or len(list(out.glob("cells/*.json"))) >= 2, 60, "finished cell")
        assert grid.poll() is None, grid.communicate()
        os.kill(raylet_below(worker.pid), signal.SIGKILL)
        _, errors = grid.communicate(timeout=120)
    finally:
        grid.kill()
        grid.wait()
    assert grid.returncode == 0, errors
    assert alive(address) == 1
    result = json.loads((out / "results.json").read_text())
    assert result["finished"] == result["cells"] == 12
    assert numbers(out) == numbers(tmp_path / "local")
