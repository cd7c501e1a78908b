"""The password of a key is for one process: whatever that process starts does not see it."""

import ast
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import whitesquare
from tests.patience import until
from whitesquare._base.environment import KEY_PASSWORD, child_environment, hidden_secrets
from whitesquare.cli import app
from whitesquare.executor import make_executor
from whitesquare.provenance import listing, workers
from whitesquare.provenance.listing import make_manifest
from whitesquare.provenance.types import BUNDLE
from whitesquare.signing.keys import generate

SECRET = "correct horse"
STARTERS = {"subprocess", "multiprocessing", "ray", "pty"}
"""Modules that start programs."""


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv(KEY_PASSWORD, SECRET)


def given(pid):
    """What a process was given when it was started, as the kernel keeps it."""
    path = Path("/proc") / str(pid) / "environ"
    if not path.is_file():
        pytest.skip("the environment of a process is told by /proc")
    return path.read_bytes()


def what_is_given(item, shared):
    """Run by a worker: everything it was given, and what it would give on."""
    return given("self").decode() + repr(dict(os.environ))


@pytest.mark.long
def test_a_worker_of_the_executor_does_not_see_it():
    (outcome,) = make_executor("processes", workers=1).run(what_is_given, [0], {})
    assert "PATH" in outcome.value, outcome
    assert KEY_PASSWORD not in outcome.value
    assert SECRET not in outcome.value
    assert os.environ[KEY_PASSWORD] == SECRET


@pytest.fixture
def started(monkeypatch):
    """What each process that hashes is given, and whether the one that starts it holds the password still."""
    seen, real = [], workers.Popen

    def spy(*arguments, **options):
        process = real(*arguments, **options)
        # The kernel tells it a moment after the program has begun.
        told = until(lambda: given(process.pid), "environment of a process")
        seen.append((told, os.environ.get(KEY_PASSWORD)))
        return process

    monkeypatch.setattr(workers, "Popen", spy)
    return seen


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data set of two files that other processes hash, few as they are."""
    alone = workers.hash_all
    monkeypatch.setattr(listing, "hash_all", lambda *given, **named: alone(*given, **named | {"workers": 2}))
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.png").write_bytes(name.encode())
    return tmp_path / "data"


def test_attest_opens_a_locked_key_and_its_workers_do_not_see_the_password(data, started, tmp_path):
    generate(tmp_path / "locked", "ed25519", SECRET)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["attest", str(data), "--key", str(tmp_path / "locked.pem"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert (out / BUNDLE).is_file()
    assert len(started) == 2
    for environment, kept in started:
        assert b"PATH=" in environment
        assert KEY_PASSWORD.encode() not in environment
        assert kept is None
    assert os.environ[KEY_PASSWORD] == SECRET  # whoever called the command line from Python finds it as it was


def test_a_program_that_attests_by_the_library_gives_no_password_on(data, started, tmp_path):
    make_manifest(str(data), tmp_path / "manifest.parquet")
    assert len(started) == 2
    for environment, kept in started:
        assert b"PATH=" in environment
        assert KEY_PASSWORD.encode() not in environment
        assert kept == SECRET


def test_each_call_of_the_command_line_has_the_password_of_its_own_environment(data, tmp_path, monkeypatch):
    generate(tmp_path / "locked", "ed25519", SECRET)
    asked = ["attest", str(data), "--key", str(tmp_path / "locked.pem"), "-o", str(tmp_path / "out")]
    monkeypatch.setenv(KEY_PASSWORD, "wrong")
    assert "does not open" in CliRunner().invoke(app, asked).output
    monkeypatch.delenv(KEY_PASSWORD)
    assert "no terminal to ask" in " ".join(CliRunner().invoke(app, asked).output.split())
    monkeypatch.setenv(KEY_PASSWORD, SECRET)
    assert CliRunner().invoke(app, asked).exit_code == 0


def test_secrets_are_hidden_for_a_while_and_come_back_after_an_error():
    def fail():
        with hidden_secrets():
            raise ValueError(os.environ.get(KEY_PASSWORD))

    with pytest.raises(ValueError, match="None"):
        fail()
    assert os.environ[KEY_PASSWORD] == SECRET
    assert KEY_PASSWORD not in child_environment()
    assert child_environment()["PATH"] == os.environ["PATH"]


def test_every_module_that_starts_programs_hides_the_secrets():
    """Whoever adds one gives it an environment of ours."""
    starting = set()
    for path in Path(whitesquare.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if {name.partition(".")[0] for name in plain | named} & STARTERS:
            starting.add(path.name)
            assert "whitesquare._base.environment" in named, (
                f"{path} starts programs that inherit the password of a key"
            )
    assert {"workers.py", "processes.py", "cluster.py"} <= starting
