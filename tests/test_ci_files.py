"""The GitHub Action and the pre-commit hook: their scripts are run by a real bash, with a whitesquare that writes down
how it was called.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from whitesquare.cli import app

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")
HOSTILE = ("a b", "; touch pwned", "$(touch pwned)", "`touch pwned`", '"; touch pwned; "', "'; touch pwned; '",
           "--help", "-rf", "a\n::set-output name=x::y", "${IFS}", "*")  # fmt: skip
FAKE = """#!{python}
import json, os, pathlib, sys
where = [os.getcwd(), *(name for name in os.environ if name.startswith(("PYTHON", "PIP_")))]
pathlib.Path(os.environ["RECORD"]).write_text(json.dumps([sys.argv[1:], where]))
for argument in sys.argv[1:]:
    kind, _, path = argument.removeprefix("--output=").partition("=")
    if argument.startswith("--output=") and path and os.environ["WRITES"]:
        pathlib.Path(path).write_text("written as " + kind)
sys.exit(int(os.environ["CODE"]))
"""


@dataclass(frozen=True)
class Done:
    """What a step did: exit code, how Python was called, and what GitHub was told."""

    code: int
    called: list[str] | None
    summary: str
    output: str
    said: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace, a temporary folder of the runner with a fake whitesquare, and files of GitHub."""
    for name in ("work", "temp/whitesquare/bin", "github"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "temp/whitesquare/bin/python"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(0o755)
    return tmp_path


def step(name: str) -> dict[str, Any]:
    return next(one for one in STEPS if one["name"] == name)


def run(folder: Path, name: str, inputs: dict[str, str], *, code: int = 0, writes: bool = True, path: str = "") -> Done:
    """Run a step as GitHub does: its script in a file, its inputs in the environment, `bash -eo pipefail`."""
    found = step(name)
    given = {key: INPUT.sub(lambda hit: inputs.get(hit[1], ""), value) for key, value in found["env"].items()}
    (folder / "script.sh").write_text(found["run"])
    env = {
        "PATH": f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin",
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_WORKSPACE": str(folder / "work"),
        "PIP_CONFIG_FILE": "pip.conf",
        "PYTHONPATH": ".",
        "GITHUB_ACTION_PATH": "/the/action",
        "GITHUB_STEP_SUMMARY": str(folder / "github/summary"),
        "GITHUB_OUTPUT": str(folder / "github/output"),
        "RECORD": str(folder / "record"),
        "CODE": str(code),
        "WRITES": "yes" if writes else "",
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(folder / "script.sh")],
        cwd=folder / "work", env=env | given, capture_output=True, text=True, check=False,
    )  # fmt: skip

    def read(path: str) -> str:
        return (folder / path).read_text() if (folder / path).exists() else ""

    called, where = json.loads(read("record") or "[null, []]")
    assert called is None or where[0] == str(folder / "temp")
    assert [one for one in where[1:] if name != "Decide" or not one.startswith("PIP_")] == []
    return Done(done.returncode, called, read("github/summary"), read("github/output"), done.stdout + done.stderr)


VERIFY = {"command": "verify", "data": "data", "bundle": "b.json", "trust": "keys"}
GATE = {"command": "gate", "run": "run", "policy": "policy.toml"}
CALL = ["-I", "-m", "whitesquare.cli"]
PINS = {"dataset": "urn:example:digits", "min-version": "3", "manifest": "ab" * 32, "signatures": "data=1,review=1"}


def test_every_input_is_used_and_every_used_one_exists() -> None:
    assert set(INPUT.findall(json.dumps(STEPS))) == set(ACTION["inputs"])
    assert all(one["description"] for one in ACTION["inputs"].values())
    assert ACTION["runs"]["using"] == "composite"


def test_no_input_is_put_into_a_script_and_foreign_actions_are_pinned() -> None:
    for one in STEPS:
        assert "${{" not in one.get("run", "")
        assert ("shell" in one) == ("run" in one)
        if "uses" in one:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one["uses"])


def test_verify_is_called_with_its_inputs(folder: Path) -> None:
    done, work = run(folder, "Decide", VERIFY), folder / "work"
    assert done.called == [*CALL, "verify", "--output=table", f"--bundle={work}/b.json", f"--trust={work}/keys", "--",
                           f"{work}/data"]  # fmt: skip
    assert (done.code, done.summary, done.output) == (0, "", "")


def test_verify_is_told_what_is_pinned_and_where_it_remembers(folder: Path) -> None:
    done, work = run(folder, "Decide", VERIFY | PINS | {"state": "state.json"}), folder / "work"
    assert done.called
    assert done.called[5:-2] == [
        f"--bundle={work}/b.json", *(f"--{name}={value}" for name, value in PINS.items()), f"--state={work}/state.json",
        f"--trust={work}/keys",
    ]  # fmt: skip


def test_gate_is_called_with_its_inputs_and_its_summary_is_shown(folder: Path) -> None:
    done, work = run(folder, "Decide", GATE | {"trust": "keys", "sarif": "gate.sarif"}), folder / "work"
    summary = f"--output=markdown={folder}/temp/whitesquare-summary.md"
    assert done.called == [*CALL, "gate", "--output=table", f"--policy={work}/policy.toml", summary,
                           f"--trust={work}/keys", f"--output=sarif={work}/gate.sarif",
                           "--", f"{work}/run"]  # fmt: skip
    assert (done.code, done.summary, done.output) == (0, "written as markdown", "sarif=written\n")


def test_an_absolute_path_stays_as_it_is(folder: Path) -> None:
    done = run(folder, "Decide", {name: f"/{value}" for name, value in VERIFY.items()} | {"command": "verify"})
    assert done.called == [*CALL, "verify", "--output=table", "--bundle=/b.json", "--trust=/keys", "--", "/data"]


@pytest.mark.parametrize("name", ["data", "bundle", *PINS, "state"])
def test_gate_does_not_take_a_pin_in_silence(folder: Path, name: str) -> None:
    done = run(folder, "Decide", GATE | {name: "1"})
    assert (done.code, done.called) == (2, None)
    assert "the rest stands in the policy" in done.said


@pytest.mark.parametrize("name", ["run", "policy"])
def test_verify_does_not_take_a_policy_in_silence(folder: Path, name: str) -> None:
    done = run(folder, "Decide", VERIFY | {name: "1"})
    assert (done.code, done.called) == (2, None)


def test_the_policy_names_the_keys_where_the_workflow_does_not(folder: Path) -> None:
    assert not [one for one in run(folder, "Decide", GATE).called or [] if one.startswith("--trust")]


@pytest.mark.parametrize("code", [0, 1, 2, 3])
@pytest.mark.parametrize("inputs", [VERIFY, GATE])
def test_the_exit_code_is_the_verb_s_and_the_summary_is_shown_all_the_same(
    folder: Path, inputs: dict[str, str], code: int
) -> None:
    done = run(folder, "Decide", inputs | {"sarif": "found.sarif"}, code=code)
    assert done.code == code
    assert done.output == "sarif=written\n"
    assert done.summary == ("written as markdown" if inputs is GATE else "")


def test_findings_and_summary_of_an_earlier_step_are_not_taken_for_this_one_s(folder: Path) -> None:
    (folder / "work/found.sarif").write_text("old")
    (folder / "temp/whitesquare-summary.md").write_text("old")
    done = run(folder, "Decide", GATE | {"sarif": "found.sarif"}, code=2, writes=False)
    assert (done.code, done.summary, done.output) == (2, "", "")


@pytest.mark.parametrize("missing", ["data", "bundle", "trust", "run", "policy", "command"])
def test_a_missing_input_stops_before_anything_runs(folder: Path, missing: str) -> None:
    inputs = GATE if missing in ("run", "policy") else VERIFY
    done = run(folder, "Decide", inputs | {missing: ""})
    assert (done.code, done.called) == (2, None)
    assert f"'{missing}'" in done.said


def test_an_unknown_command_is_refused_and_not_repeated(folder: Path) -> None:
    done = run(folder, "Decide", VERIFY | {"command": "attest\n::add-mask::x"})
    assert (done.code, done.called) == (2, None)
    assert "add-mask" not in done.said


@pytest.mark.parametrize("value", HOSTILE)
def test_no_input_is_ever_run_or_split(folder: Path, value: str) -> None:
    work = folder / "work"
    named = ("data", "bundle", "trust", "sarif", "state")
    done = run(folder, "Decide", VERIFY | dict.fromkeys((*named, *PINS), value), writes=False)
    assert done.called == [*CALL, "verify", "--output=table", f"--bundle={work}/{value}",
                           *(f"--{name}={value}" for name in PINS), f"--state={work}/{value}",
                           f"--trust={work}/{value}", f"--output=sarif={work}/{value}",
                           "--", f"{work}/{value}"]  # fmt: skip
    done = run(folder, "Decide", GATE | dict.fromkeys(("run", "policy"), value))
    assert done.called
    assert (done.called[-2:], f"--policy={work}/{value}" in done.called) == (["--", f"{work}/{value}"], True)
    assert not list(folder.rglob("pwned"))


@pytest.mark.parametrize(("version", "wanted"), [("", "/the/action"), ("1.2.3", "whitesquare==1.2.3"),
                                                 ("1; touch pwned", "whitesquare==1; touch pwned")])  # fmt: skip
def test_what_is_installed(folder: Path, version: str, wanted: str) -> None:
    (folder / "fake").mkdir()
    for program in (folder / "fake/python3", folder / "temp/whitesquare/bin/python"):
        program.write_text(FAKE.format(python=sys.executable))
        program.chmod(0o755)
    done = run(folder, "Install whitesquare", {"version": version}, path=str(folder / "fake"))
    assert done.code == 0
    assert done.called
    assert done.called[:4] == ["-I", "-m", "pip", "install"]
    assert done.called[-1] == wanted
    assert not list(folder.rglob("pwned"))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("name", [one["name"] for one in STEPS if "run" in one])
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    done = subprocess.run(
        ["shellcheck", "--shell=bash", "-"],
        input=f"set -eo pipefail\n{step(name)['run']}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_hook_is_a_command_that_needs_no_file_names() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [one["id"] for one in hooks] == ["whitesquare-verify", "whitesquare-scan"]
    assert all((one["language"], one["pass_filenames"]) == ("python", False) for one in hooks)
    assert [one["entry"].split() for one in hooks] == [
        ["python", *CALL, "verify"],
        ["python", *CALL, "scan", "--model-free", "--no-config"],
    ]


def test_the_hook_that_scans_installs_what_the_extra_names() -> None:
    hook = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[1]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert hook["additional_dependencies"] == [re.split("[<>=]", one)[0] for one in extras["scan"]]


SCAN = {"command": "scan", "data": "data"}


def test_scan_is_called_with_its_inputs_and_no_configuration(folder: Path) -> None:
    given = SCAN | {"model-free": "true", "baseline": "known.json", "fail-on": "confirmed", "size": "32",
                    "html": "scan.html", "sarif": "scan.sarif"}  # fmt: skip
    done, work = run(folder, "Decide", given), folder / "work"
    assert done.called == [*CALL, "scan", "--output=table", "--model-free", "--no-config",
                           f"--baseline={work}/known.json", "--fail-on=confirmed", "--size=32",
                           f"--output=html={work}/scan.html", f"--output=sarif={work}/scan.sarif",
                           "--", f"{work}/data"]  # fmt: skip
    assert (done.code, done.output) == (0, "sarif=written\n")
    assert run(folder, "Decide", SCAN, code=3).code == 3


@pytest.mark.parametrize("name", ["run", "policy", "bundle", "trust", *PINS, "state"])
def test_scan_does_not_take_an_input_of_another_command_in_silence(folder: Path, name: str) -> None:
    done = run(folder, "Decide", SCAN | {name: "1"})
    assert (done.code, done.called) == (2, None)


@pytest.mark.parametrize("name", ["model-free", "baseline", "fail-on", "size", "html"])
@pytest.mark.parametrize("inputs", [VERIFY, GATE])
def test_no_other_command_takes_an_input_of_scan_in_silence(folder: Path, inputs: dict[str, str], name: str) -> None:
    done = run(folder, "Decide", inputs | {name: "true"})
    assert (done.code, done.called) == (2, None)


@pytest.mark.parametrize(("free", "wanted"), [("", "/the/action[train]"), ("true", "/the/action[scan]")])
def test_a_scan_installs_what_it_computes_with(folder: Path, free: str, wanted: str) -> None:
    (folder / "fake").mkdir()
    for program in (folder / "fake/python3", folder / "temp/whitesquare/bin/python"):
        program.write_text(FAKE.format(python=sys.executable))
        program.chmod(0o755)
    done = run(folder, "Install whitesquare", SCAN | {"model-free": free}, path=str(folder / "fake"))
    assert done.called
    assert done.called[-1] == wanted


@pytest.mark.parametrize(
    ("inputs", "verb"),
    [
        (VERIFY, "verify"),
        (VERIFY | PINS | {"state": "s.json"}, "verify"),
        (GATE | {"trust": "keys"}, "gate"),
        (SCAN | {"model-free": "true", "baseline": "b", "fail-on": "confirmed", "size": "8", "html": "h"}, "scan"),
    ],
)
def test_the_verb_takes_what_the_action_gives(folder: Path, inputs: dict[str, str], verb: str) -> None:
    called = run(folder, "Decide", inputs | {"sarif": "found.sarif"}).called or []
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert verb in commands
    known = {name for parameter in commands[verb].params for name in parameter.opts}
    options = {one.partition("=")[0] for one in called if one.startswith("--") and one != "--"}
    assert options
    assert options <= known


def test_the_examples_of_the_documentation_fit_action_and_hook() -> None:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    steps = [one for example in examples for job in example.get("jobs", {}).values() for one in job["steps"]]
    ours = [one["with"] for one in steps if "/whitesquare@" in one.get("uses", "")]
    assert sorted(one["command"] for one in ours) == ["gate", "scan", "verify"]
    assert all(set(one) <= set(ACTION["inputs"]) for one in ours)
    assert all("${{" not in one.get("run", "") for one in steps)
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    used = [one["id"] for example in examples for repo in example.get("repos", []) for one in repo["hooks"]]
    assert used == [one["id"] for one in hooks]
