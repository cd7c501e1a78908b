"""No step of the action, of the hook or of a documented workflow imports, runs or obeys anything of the judged tree.

The steps are taken out of the files and run by a real bash, with a real venv, pip and whitesquare, in a checkout whose
files would take their place.
"""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from whitesquare.provenance.attest import attest
from whitesquare.provenance.countersign import countersign
from whitesquare.provenance.types import BUNDLE, ENVELOPE
from whitesquare.signing.keys import generate, load_signer, load_trusted

from .hostile_tree import (
    MODULES,
    ROOT,
    Ran,
    Runner,
    action_steps,
    documented,
    documented_steps,
    filled,
    make_hostile,
    make_runner,
    make_wheel,
    requirements,
)
from .provenance.edits import make_tree

INPUTS = {"command": "verify", "data": "data", "bundle": f"attest/{ENVELOPE}", "trust": "keys"}


def nobody(path: str) -> str:
    raise AssertionError(f"{path} has no password")


def make_repository(folder: Path, private: Path) -> None:
    """Write data, what is signed about them by two people, and their public keys."""
    make_tree(folder / "data", 30)
    (folder / "keys").mkdir()
    signers = {}
    for name, role in (("alice", "data"), ("bob", "review")):
        generate(private / name, "ed25519", None, {"role": role})
        signers[name] = load_signer(str(private / f"{name}.pem"), nobody)
        for suffix in (".pub", ".toml"):
            shutil.copy(private / f"{name}{suffix}", folder / "keys")
    attest(str(folder / "data"), [signers["alice"]], folder / "attest", name="urn:example:digits")
    countersign(folder / "attest" / BUNDLE, signers["bob"], load_trusted(folder / "keys"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """A machine on which the action's own step has installed whitesquare."""
    runner = make_runner(tmp_path_factory.mktemp("runner"))
    make_repository(runner.workspace, runner.folder / "private")
    step = action_steps()["Install whitesquare"]
    done = runner.run(step["run"], {"VERSION": "", "GITHUB_ACTION_PATH": str(make_wheel(runner.folder))})
    assert done.code == 0, done.said
    assert runner.is_clean(), runner.marker.read_text()
    assert "VERIFIED" not in done.said
    yield runner
    assert runner.is_clean()


@pytest.fixture
def runner(built: Runner, tmp_path: Path) -> Runner:
    """The same machine with a checkout of its own."""
    copy = replace(built, folder=tmp_path / "runner")
    for name in ("home", "programs", "temp", "private"):
        (copy.folder / name).parent.mkdir(exist_ok=True)
        (copy.folder / name).symlink_to(built.folder / name)
    shutil.copytree(built.workspace, copy.workspace)
    text = (copy.workspace / "venv" / "__init__.py").read_text()
    for path in copy.workspace.rglob("*.py"):
        path.write_text(text.replace(str(built.marker), str(copy.marker)))
    return copy


def decide(runner: Runner, **inputs: str) -> Ran:
    step = action_steps()["Decide"]
    return runner.run(step["run"], filled(step["env"], {f"inputs.{name}": one for name, one in inputs.items()}))


def test_the_tree_is_hostile_indeed(tmp_path: Path) -> None:
    """Each module takes over where it can: else these tests would prove nothing."""
    make_hostile(tmp_path / "tree", tmp_path / "marker")
    for name in ("venv", "pip", "whitesquare"):
        done = subprocess.run(
            [sys.executable, "-m", name], cwd=tmp_path / "tree", capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "VERIFIED: (fake)\n")
        assert (tmp_path / "marker").exists()
        (tmp_path / "marker").unlink()
    assert len(MODULES) > 25


@pytest.mark.long
def test_the_action_verifies_with_its_own_code(runner: Runner) -> None:
    done = decide(runner, **INPUTS)
    assert done.code == 0, done.said
    assert done.said.startswith("VERIFIED: this is version 1 of urn:example:digits: 30 items.")
    assert runner.is_clean()


def test_the_action_finds_what_was_changed(runner: Runner) -> None:
    victim = next((runner.workspace / "data" / "train").rglob("*.png"))
    victim.write_bytes(b"something else")
    done = decide(runner, **INPUTS, sarif="found.sarif")
    assert (done.code, done.output) == (1, {"sarif": "written"})
    assert done.said.startswith("NOT VERIFIED")
    assert (runner.workspace / "found.sarif").exists()
    assert runner.is_clean()


def test_hostile_files_inside_the_data_are_only_findings(runner: Runner) -> None:
    make_hostile(runner.workspace / "data" / "train" / "hostile", runner.marker)
    done = decide(runner, **INPUTS)
    assert done.code == 1
    assert done.said.startswith("NOT VERIFIED")
    assert runner.is_clean()


def test_the_action_decides_with_its_own_code(runner: Runner) -> None:
    (runner.workspace / "run").mkdir()
    (runner.workspace / "policy.toml").write_text('[keys]\ntrust = "keys/"\n[data]\nsignatures = { data = 1 }\n')
    done = decide(runner, command="gate", run="run", policy="policy.toml")
    assert done.code in (1, 3), done.said
    assert "FAILED" in done.said
    assert "FAILED" in (runner.folder / "summary").read_text()
    assert runner.is_clean()


def test_the_hook_verifies_with_its_own_code(runner: Runner) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (hook,) = [one for one in hooks if one["id"] == "whitesquare-verify"]
    used, *_ = [one for found in documented() for repo in found.get("repos", []) for one in repo["hooks"]]
    assert used["id"] == hook["id"]
    path = {"PATH": f"{runner.temp / 'whitesquare' / 'bin'}:/usr/bin:/bin"}
    done = runner.run(hook["entry"], path, " " + " ".join(used["args"]))
    assert done.code == 0, done.said
    assert done.said.startswith("VERIFIED: this is version 1")
    next((runner.workspace / "data" / "train").rglob("*.png")).unlink()
    assert runner.run(hook["entry"], path, " " + " ".join(used["args"])).code == 1
    assert runner.is_clean()


def test_the_pins_are_those_of_the_protected_branch(runner: Runner) -> None:
    (step,) = documented_steps("verify")
    for name, text in {"base": "dataset=urn:example:digits\nmin-version=3\n", "change": "min-version=1\n"}.items():
        make_hostile(runner.workspace / name, runner.marker)
        (runner.workspace / name / "pins").write_text(text)
    done = runner.run(step["run"], {})
    assert (done.code, done.output) == (0, {"dataset": "urn:example:digits", "min-version": "3"})
    (runner.workspace / "base" / "pins").write_text("dataset=urn:example:digits\nmin-version=\n")
    assert runner.run(step["run"], {}).code != 0, "a job without its pins stops"
    assert runner.is_clean()


@pytest.fixture(scope="module")
def prepared(built: Runner, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A machine on which the documented step has installed whitesquare, and nothing that has another hash."""
    runner = replace(built, folder=tmp_path_factory.mktemp("prepared"))
    (runner.folder / "temp").mkdir()
    for name in ("home", "programs"):
        (runner.folder / name).symlink_to(built.folder / name)
    shutil.copytree(built.workspace, runner.workspace)
    wheel = make_wheel(runner.folder)
    (runner.workspace / "requirements.txt").write_text(requirements(wheel))
    (install,) = {documented_steps(job)[0]["run"] for job in ("train", "judge")}
    honest = wheel.read_bytes()
    wheel.write_bytes(honest + b"\0")
    done = runner.run(install, {})
    assert done.code != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.said
    wheel.write_bytes(honest)
    # The environment is there, and takes seconds to make.
    (runner.folder / "python3").symlink_to(shutil.which("true") or "/bin/true")
    done = runner.run(install, {"PATH": f"{runner.folder}:/usr/bin:/bin"})
    assert done.code == 0, done.said
    assert not built.marker.exists()
    return runner


@pytest.mark.long
@pytest.mark.parametrize("job", ["train", "judge"])
def test_the_documented_jobs_run_their_own_code_and_hide_their_key(built: Runner, prepared: Runner, job: str) -> None:
    work = documented_steps(job)[1]
    secret = "no key, so that the work ends when everything is loaded and the attestation has been verified"
    values = {f"secrets.{name}_KEY": secret for name in ("TRAINER", "SCANNER")}
    done = prepared.run(work["run"], filled(work["env"], values))
    assert done.code == 2, done.said
    assert "holds no private key in PEM" in " ".join(done.said.split())
    key = prepared.temp / {"train": "trainer.pem", "judge": "scanner.pem"}[job]
    assert (key.read_text(), stat.S_IMODE(key.stat().st_mode)) == (secret, 0o600)
    assert built.is_clean()
    assert prepared.is_clean()


@pytest.mark.parametrize("name", ["verify", "train", "judge"])
def test_every_documented_script_leaves_the_tree_before_anything_else(name: str) -> None:
    for step in documented_steps(name):
        assert step["run"].splitlines()[0] == 'cd "$RUNNER_TEMP"'
        started = re.findall(r"\S*python3?(?= )(?: -\S+)*", step["run"])
        assert all(" -I" in one for one in started)
        assert re.search(r"(?m)^\s*(pip|whitesquare|python)\b", step["run"]) is None


def test_keys_policy_and_pins_come_from_the_protected_branch() -> None:
    for name in ("verify", "gate"):
        (job,) = [one["jobs"][name] for one in documented() if name in one.get("jobs", {})]
        checkouts = {
            one["with"].get("path"): one["with"] for one in job["steps"] if "/checkout@" in one.get("uses", "")
        }
        assert checkouts["base"]["ref"] == "main"
        (ours,) = [one["with"] for one in job["steps"] if "/whitesquare@" in one.get("uses", "")]
        assert all(ours[key].startswith("base/") for key in ("trust", "policy") if key in ours)
        assert {"trust", "policy"} & set(ours)


def test_documented_workflows_pin_every_action_and_keep_no_credentials() -> None:
    jobs = [job for found in documented() for job in found.get("jobs", {}).values()]
    steps = [step for job in jobs for step in job["steps"]]
    for step in steps:
        assert re.fullmatch(r"[\w/-]+@COMMIT", step.get("uses", "x@COMMIT"))
        if "/checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
