"""A real Ray cluster of two nodes on the loopback interface; one is killed in mid-grid."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE, until
from tests.test_bench import command, numbers, run, small_plan
from whitesquare.data import write_dataset
from whitesquare.errors import UsageError
from whitesquare.executor import make_executor

pytestmark = pytest.mark.ray
RAY = [str(Path(sys.executable).parent / "ray")]
ENV = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "COLUMNS": "80"}
LOOPBACK = "127.0.0.2"
"""Ray replaces 127.0.0.1 by an address other machines can reach; of this one, as much of the loopback, it does not."""

COUNT = """
import logging, sys, time
import ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
while sum(node["Alive"] for node in ray.nodes()) != int(sys.argv[2]):
    time.sleep(0.2)
"""
"""Answers by its end: Ray says what it likes, when it likes, on both of its outputs."""

ATTEMPTS = 5
"""A free port is free when it is looked for; somebody else can have taken it when Ray gets there."""

BOUNDS = ("--num-cpus=1", f"--object-store-memory={100 * 2**20}", "--disable-usage-stats", "--block")


def free_port():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def start(env, log, *arguments):
    """Start a node; what it says goes to a file."""
    with log.open("wb") as file:
        return subprocess.Popen([*RAY, "start", *arguments, *BOUNDS], env=env, stdout=file, stderr=file)


def raylet_of(node, log):
    """Wait for a node to be up, and return the process id of its raylet."""
    found = until(lambda: node.poll() is not None or raylet_below(node.pid), f"raylet; Ray's words are in {log}")
    assert node.poll() is None, log.read_text()
    return found


def head_node(env, log, temporary):
    """Start the first node of a cluster; return it and its address once it answers."""
    for _ in range(ATTEMPTS):
        address = f"{LOOPBACK}:{(port := free_port())}"
        where = (f"--node-ip-address={LOOPBACK}", f"--port={port}", f"--temp-dir={temporary}")
        node = start(env, log, "--head", "--include-dashboard=false", *where)
        try:
            until(lambda one=node: one.poll() is not None or raylet_below(one.pid), f"raylet; Ray's words are in {log}")
            until(lambda one=node, at=address: one.poll() is not None or has_nodes(env, at, 1), "cluster of one node")
        except BaseException:
            end(node)
            raise
        if node.poll() is None:
            return node, address
        end(node)
    raise AssertionError(f"no cluster in {ATTEMPTS} attempts: {log.read_text()}")


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
    node.wait(PATIENCE)


@pytest.fixture
def env(tmp_path):
    """An environment with a token made for this cluster alone.

    Ray listens on every interface whatever address it is given, so nobody else must be able to send it work; and what
    it keeps in the user's home must not decide whether the test passes.
    """
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    return ENV | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}


@pytest.fixture
def cluster(tmp_path, env):
    """Head and worker node of one CPU each; yields the address and the process id of the worker's raylet."""
    pytest.importorskip("ray")
    # A short folder: the paths of Ray's sockets must not exceed what the system allows.
    temporary = Path("/tmp") / f"ws-ray-{os.getpid()}"
    nodes, log = [], tmp_path / "worker.log"
    try:
        head, address = head_node(env, tmp_path / "head.log", temporary)
        nodes.append(head)
        nodes.append(start(env, log, f"--address={address}", f"--node-ip-address={LOOPBACK}"))
        raylet = raylet_of(nodes[1], log)
        until(lambda: has_nodes(env, address, 2), "cluster of two nodes")
        yield address, raylet
    finally:
        for node in nodes[::-1]:
            end(node)
        shutil.rmtree(temporary, ignore_errors=True)


def has_nodes(env, address, count):
    """Wait until so many nodes are alive; false if the cluster cannot be asked.

    A process of its own asks: this one must not be tied to a cluster that ends.
    """
    asked = [sys.executable, "-c", COUNT, address, str(count)]
    return subprocess.run(asked, env=env, capture_output=True, check=False, timeout=PATIENCE).returncode == 0


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:port"])
def test_an_address_where_nobody_answers_is_refused_at_once(address):
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match=f"no Ray cluster to be reached at {address}"):
        list(make_executor("ray", workers=1, address=address).run(len, [1], {}))


@pytest.mark.long
def test_a_cluster_of_our_own_asks_for_a_token_sees_no_password_and_leaves_nothing_in_the_home(tmp_path):
    pytest.importorskip("ray")
    code = (
        "import os\n"
        "from whitesquare.executor import make_executor\n"
        "outcome, = make_executor('ray', workers=1).run(divmod, [7], {'shared': __import__('numpy').zeros(1)})\n"
        "assert 'unsupported operand' in outcome.failure, outcome\n"
        "assert os.environ['RAY_AUTH_MODE'] == 'token'\n"
        "place = make_executor('ray', workers=1)\n"
        "assert [one.value for one in place.run(os.getenv, ['HOME'], {})] == [os.environ['HOME']]\n"
        "outcome, = place.run(os.getenv, ['WHITESQUARE_KEY_PASSWORD'], {})\n"
        "assert outcome.failure is None and outcome.value != 'secret', outcome\n"
        "assert os.environ['WHITESQUARE_KEY_PASSWORD'] == 'secret'\n"
    )
    own = {name: value for name, value in ENV.items() if not name.startswith("RAY_AUTH")} | {
        "HOME": str(tmp_path),
        "WHITESQUARE_KEY_PASSWORD": "secret",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=own, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".ray").exists()


@pytest.mark.slow
def test_a_grid_survives_the_loss_of_a_node_with_the_same_numbers(cluster, env, tmp_path, small_train, small_test):
    address, raylet = cluster
    write_dataset(tmp_path / "data", small_train, small_test, "npz")
    plan = small_plan(tmp_path / "data", tmp_path / "plan.toml", seeds=3, epochs=1)
    assert run(plan, tmp_path / "local").finished == 12

    out = tmp_path / "ray"
    asked = command(plan, out, "--executor", "ray", "--address", address, "--workers", 3)
    grid = subprocess.Popen(asked, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: grid.poll() is not None or len(list(out.glob("cells/*.json"))) >= 2, "finished cell")
        assert grid.poll() is None, grid.communicate()
        assert len(list(out.glob("cells/*.json"))) < 12
        os.kill(raylet, signal.SIGKILL)
        _, errors = grid.communicate(timeout=PATIENCE)
    finally:
        grid.kill()
        grid.wait()
    assert grid.returncode == 0, errors
    # The grid can be done before the head has missed the node for long enough to call it dead.
    until(lambda: has_nodes(env, address, 1), "loss of a node noticed")
    result = json.loads((out / "results.json").read_text())
    assert result["finished"] == result["cells"] == 12
    assert numbers(out) == numbers(tmp_path / "local")
