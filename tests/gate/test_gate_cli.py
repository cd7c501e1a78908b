"""The two verbs as a person or a pipeline uses them: exit codes, files, and sentences that say what to do."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from whitesquare.cli import app
from whitesquare.gating.policy import load_policy
from whitesquare.provenance.attest import attest
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.evidence import SCAN, VSA
from whitesquare.provenance.types import BUNDLE, ENVELOPE, MANIFEST
from whitesquare.signing import times
from whitesquare.signing.keys import generate

from .world import ALARM, FULL, NOW, TRAINED, World, digest, keyring, scanned, signer, trusted


@pytest.fixture(autouse=True)
def _the_time_and_a_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(times, "_clock", lambda zone: NOW)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("WHITESQUARE_STATE", str(tmp_path / "state" / "accepted.json"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return World().write(tmp_path / "run")


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(FULL)
    (tmp_path / "keys").symlink_to(keyring() / "trusted")
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def gate(run: Path, policy: Path, *more: object) -> Result:
    return call("gate", run, "--policy", policy, *more)


def test_a_model_that_passes(run: Path, policy_file: Path) -> None:
    before = {path.name for path in run.iterdir()}
    found = gate(run, policy_file)
    assert found.exit_code == 0
    assert found.stdout.startswith("PASSED: 42 of 42 rules passed\n")
    assert "no proof that there is no poison" in " ".join(found.stdout.split())
    assert {path.name for path in run.iterdir()} == before


def test_a_model_that_fails(tmp_path: Path, policy_file: Path) -> None:
    run = World(scan=scanned(alarms=(ALARM,), verdict="suspicious")).write(tmp_path / "run")
    found = gate(run, policy_file)
    assert found.exit_code == 1
    assert found.stdout.startswith("FAILED: 41 of 42 rules passed\n")


def test_evidence_that_is_missing_has_an_exit_code_of_its_own(run: Path, policy_file: Path) -> None:
    (run / SCAN).unlink()
    assert gate(run, policy_file).exit_code == 3
    (run / "model.safetensors").write_bytes(b"other")
    assert gate(run, policy_file).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Give a run folder and --policy FILE"),
        (("{run}",), "Give a run folder and --policy FILE"),
        (("{run}", "--policy", "{tmp}/none.toml"), "There is no policy"),
        (("{tmp}/none", "--policy", "{policy}"), "There is no run folder"),
        (("{run}", "--policy", "{policy}", "--trust", "{tmp}/none"), "There is no folder of trusted keys"),
        (("{run}", "--policy", "{policy}", "-o", "vsa={tmp}/vsa.json"), "add --key gate.pem"),
        (("{run}", "--policy", "{policy}", "-o", "vsa"), "-o vsa=FILE"),
        (("{run}", "--policy", "{policy}", "-o", "yaml"), "no output named 'yaml'"),
        (("{run}", "--policy", "{policy}", "--key", "{tmp}/none.pem"), "There is no key"),
        (("{run}", "--policy", "{policy}", "-o", "json={tmp}"), "names a folder"),
        (("{run}", "--policy", "{policy}", "--state", "{tmp}/state.json"), "add --key gate.pem"),
        (("{run}", "--init", "{tmp}/new.toml"), "leave the run folder out"),
        (("--init", "{policy}"), "a policy is never overwritten"),
    ],
)
def test_what_cannot_be_decided(
    run: Path, policy_file: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    found = call("gate", *(one.format(run=run, policy=policy_file, tmp=tmp_path) for one in arguments))
    assert found.exit_code == 2
    assert told in found.stderr
    assert found.stdout == ""
    assert policy_file.read_text() == FULL


def test_a_policy_without_keys_wants_them_on_the_command_line(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text("[data]\n")
    found = gate(run, path)
    assert found.exit_code == 2
    assert "give --trust" in found.stderr
    assert gate(run, path, "--trust", keyring() / "trusted").exit_code == 0


def test_every_output_at_once(run: Path, policy_file: Path, tmp_path: Path) -> None:
    kinds = {"json": "a.json", "sarif": "a.sarif", "junit": "a.xml", "markdown": "a.md", "vsa": "a.vsa.json"}
    wanted = [part for kind, name in kinds.items() for part in ("-o", f"{kind}={tmp_path / name}")]
    found = gate(run, policy_file, "-o", "table", *wanted, "--key", keyring() / "gate.pem")
    assert found.exit_code == 0
    assert "PASSED" in found.stdout
    assert json.loads((tmp_path / "a.json").read_text())["result"] == "PASSED"
    assert json.loads((tmp_path / "a.sarif").read_text())["version"] == "2.1.0"
    assert Xml.fromstring((tmp_path / "a.xml").read_text()).get("tests") == "42"
    assert (tmp_path / "a.md").read_text(encoding="utf-8").startswith("## ")
    assert (tmp_path / "a.vsa.json").is_file()
    assert not (run / VSA).exists()


def test_json_on_stdout_is_json_alone(run: Path, policy_file: Path) -> None:
    assert json.loads(gate(run, policy_file, "-o", "json").stdout)["result"] == "PASSED"


def test_a_failed_verdict_is_signed_as_well_and_takes_the_place_of_a_passed_one(run: Path, policy_file: Path) -> None:
    assert gate(run, policy_file, "--key", keyring() / "gate.pem").exit_code == 0
    passed = (run / VSA).read_bytes()
    (run / SCAN).unlink()
    assert gate(run, policy_file, "--key", keyring() / "gate.pem").exit_code == 3
    assert (run / VSA).read_bytes() != passed


def test_without_a_model_no_verdict_is_signed(run: Path, policy_file: Path) -> None:
    (run / "model.safetensors").unlink()
    found = gate(run, policy_file, "--key", keyring() / "gate.pem")
    assert found.exit_code == 3
    assert not (run / VSA).exists()
    assert "No verdict was signed" in found.stderr


def test_a_locked_key_is_opened_with_the_password_of_the_environment(
    run: Path, policy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tmp_path / "locked", "ed25519", "secret", {"role": "gate"})
    policy_file.with_name("keys").unlink()
    shutil.copytree(keyring() / "trusted", tmp_path / "keys")
    for suffix in (".pub", ".toml"):
        shutil.copy(tmp_path / f"locked{suffix}", tmp_path / "keys")
    monkeypatch.setenv("WHITESQUARE_KEY_PASSWORD", "wrong")
    assert gate(run, policy_file, "--key", tmp_path / "locked.pem").exit_code == 2
    monkeypatch.setenv("WHITESQUARE_KEY_PASSWORD", "secret")
    assert gate(run, policy_file, "--key", tmp_path / "locked.pem").exit_code == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dave", "The key 'dave' is trusted, but of the role 'trainer'"),
        ("alice", "The key 'alice' is trusted, but of the role 'data'"),
        ("mallory", "is none of the 5 trusted ones"),
    ],
)
def test_a_key_that_is_not_the_gate_s_signs_no_verdict(
    run: Path, policy_file: Path, tmp_path: Path, name: str, told: str
) -> None:
    """A release would refuse it, days later and in another job."""
    found = gate(run, policy_file, "--key", keyring() / f"{name}.pem", "-o", f"vsa={tmp_path / 'vsa.json'}")
    assert found.exit_code == 2
    said = " ".join(found.stderr.split())
    assert told in said
    assert "sign with a key that is trusted in the role gate" in said
    assert "PASSED" not in found.stdout
    assert not (tmp_path / "vsa.json").exists()
    assert not (run / VSA).exists()
    assert not (tmp_path / "state").exists()


def test_a_key_of_the_gate_that_has_expired_signs_no_verdict(run: Path, policy_file: Path, tmp_path: Path) -> None:
    keys = shutil.copytree(keyring() / "trusted", tmp_path / "other")
    (keys / "gate.toml").write_text('role = "gate"\nnot_after = "2020-01-01T00:00:00Z"\n')
    found = gate(run, policy_file, "--trust", keys, "--key", keyring() / "gate.pem")
    assert found.exit_code == 2
    assert "'gate' is trusted, but one which expired at 2020-01-01" in " ".join(found.stderr.split())
    assert not (run / VSA).exists()


def test_gate_then_release(run: Path, policy_file: Path, tmp_path: Path) -> None:
    to = tmp_path / "release"
    asked = ("--to", to, "--policy", policy_file)
    assert call("release", run, *asked).exit_code == 3
    gate(run, policy_file, "--key", keyring() / "gate.pem")
    found = call("release", run, *asked)
    assert found.exit_code == 0
    assert "Released 12 files" in " ".join(found.stdout.split())
    (run / "model.safetensors").write_bytes(b"other")
    found = call("release", run, "--to", tmp_path / "second", "--policy", policy_file)
    assert found.exit_code == 1
    assert "changed since the verdict" in found.stderr
    assert not (tmp_path / "second").exists()
    assert call("release", run, "--to", to).exit_code == 2


def test_a_first_policy(tmp_path: Path) -> None:
    path = tmp_path / "new" / "policy.toml"
    assert call("gate", "--init", path).exit_code == 0
    (tmp_path / "new" / "keys").symlink_to(keyring() / "trusted")
    must = load_policy(path).scan.require_detectors
    scan = scanned(detectors=must)
    found = gate(World(scan=scan).write(tmp_path / "run"), path)
    assert found.exit_code == 0, found.stdout


def test_a_data_set_that_attest_signed(tmp_path: Path, policy_file: Path) -> None:
    """The real thing: images in class folders, signed by two, and evidence about that manifest."""
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), len(name), np.uint8)).save(tmp_path / "data" / name)
    signed = tmp_path / "signed"
    attest(str(tmp_path / "data"), [signer("alice"), signer("bob")], signed, now=NOW)
    dataset = read_dataset(signed / ENVELOPE, trusted(), NOW)
    split = dataset.predicate.splits["train"]
    run = World(
        scan=scanned(root=split.root, size=split.size), scan_of=dataset.sha256,
        training=replace(TRAINED, manifest=dataset.sha256, root=split.root, size=split.size),
    ).write(tmp_path / "run")  # fmt: skip
    for name in (MANIFEST, BUNDLE, ENVELOPE):
        (run / name).write_bytes((signed / name).read_bytes())
    policy_file.write_text('[keys]\ntrust="keys"\n[data]\nsignatures={data=1, review=1}\n[scan]\n[training]\n')
    found = gate(run, policy_file)
    assert found.exit_code == 0, found.stdout
    assert digest((run / MANIFEST).read_bytes()) == dataset.sha256


def test_the_gate_decides_without_numpy(run: Path, policy_file: Path) -> None:
    """The core install has none of the heavy parts; a finder that refuses them stands for that."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'numpy', 'PIL', 'scipy', 'sklearn', 'matplotlib', 'jinja2', 'torch'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import datetime\n"
        "from whitesquare.signing import times\n"
        "times._clock = lambda zone: datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)\n"
        "from whitesquare.cli import main\n"
        f"sys.argv = ['whitesquare', 'gate', {str(run)!r}, '--policy', {str(policy_file)!r}, '-o', 'table', '-o',\n"
        " 'sarif', '-o', 'junit', '-o', 'markdown', '-o', 'json']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASSED")


def test_a_release_after_a_later_failed_verdict(run: Path, policy_file: Path, tmp_path: Path) -> None:
    """The state file of both verbs is the same one, wherever it is."""
    for state in ((), ("--state", tmp_path / "mine.json")):
        signed = ("--key", keyring() / "gate.pem", *state)
        assert gate(run, policy_file, *signed).exit_code == 0
        passed, scan = (run / VSA).read_bytes(), (run / SCAN).read_bytes()
        (run / SCAN).unlink()
        times._clock = lambda zone: NOW + timedelta(minutes=1)  # the fixture puts it back
        assert gate(run, policy_file, *signed).exit_code == 3
        (run / SCAN).write_bytes(scan)
        (run / VSA).write_bytes(passed)
        found = call("release", run, "--to", tmp_path / "out", "--policy", policy_file, *state)
        assert found.exit_code == 1
        assert "this model was FAILED" in " ".join(found.stderr.split())
        assert not (tmp_path / "out").exists()
        times._clock = lambda zone: NOW
    assert (tmp_path / "state" / "decided.json").is_file()
    assert (tmp_path / "mine.json").is_file()


def test_a_policy_that_asks_for_data_alone_needs_no_model_and_releases_none(
    run: Path, policy_file: Path, tmp_path: Path
) -> None:
    policy_file.write_text('[keys]\ntrust = "keys"\n[data]\n')
    (run / "model.safetensors").unlink()
    found = gate(run, policy_file, "--key", keyring() / "gate.pem")
    assert found.exit_code == 0
    assert "data " + digest(World().rows)[:16] in found.stdout
    assert "no model can be released" in " ".join(found.stdout.split())
    (run / "model.safetensors").write_bytes(b"any file")
    found = call("release", run, "--to", tmp_path / "out", "--policy", policy_file)
    assert found.exit_code == 1
    assert "no rule of the policy covers the weights" in " ".join(found.stderr.split())


def test_what_a_release_leaves_out_is_said(run: Path, policy_file: Path, tmp_path: Path) -> None:
    (run / "victim.json").write_text("{}\n")
    found = gate(run, policy_file, "--key", keyring() / "gate.pem", "-o", "table", "-o", f"json={tmp_path / 'a.json'}")
    assert found.exit_code == 0
    assert "No rule vouches for victim.json: a release does not hold it." in " ".join(found.stdout.split())
    assert json.loads((tmp_path / "a.json").read_text())["left_out"] == ["victim.json"]
