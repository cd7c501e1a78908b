"""A repository whose files would take the place of the verifier, and a machine that runs the steps of a workflow."""

import hashlib
import re
import shlex
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import whitesquare

ROOT = Path(__file__).parents[1]
MODULES = (
    *("venv", "ensurepip", "pip", "site", "sitecustomize", "usercustomize", "runpy", "encodings", "whitesquare"),
    *("duckdb", "typer", "rich", "click", "cryptography", "securesystemslib", "numpy", "torch", "matplotlib", "PIL"),
    *(
        "scipy",
        "sklearn",
        "safetensors",
        "jinja2",
        "multiprocessing",
        "subprocess",
        "json",
        "re",
        "tempfile",
        "hashlib",
    ),
)
"""What the steps, or something that they start, import."""
_EVIL = """import os
open({marker!r}, "w").write(__name__)
print("VERIFIED: (fake)", flush=True)
os._exit(0)
"""
_EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")


def make_hostile(folder: Path, marker: Path) -> None:
    """Write modules that leave the marker when they are imported, and the files that configure programs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(MODULES):
        place = folder / f"{name}.py"
        if number % 3 == 0:  # a package goes before a module
            (folder / name).mkdir()
            (folder / name / "__main__.py").write_text(_EVIL.format(marker=str(marker)))
            place = folder / name / "__init__.py"
        place.write_text(_EVIL.format(marker=str(marker)))
    evil = "[global]\nno-index = true\nfind-links = .\ntarget = stolen\n[install]\ntarget = stolen\n"
    for name, text in {
        **dict.fromkeys(("pip.conf", "pip.ini", "setup.cfg"), evil),
        ".python-version": "2.7.0\n",
        "pyvenv.cfg": "home = .\ninclude-system-site-packages = true\n",
        ".duckdbrc": ".shell touch stolen\n",
        "matplotlibrc": "backend: module://venv\n::stop-commands::x\n",
        "constraints.txt": "whitesquare==0.0.0\n",
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'venv'\nbackend-path = ['.']\n",
    }.items():
        (folder / name).write_text(text)


@dataclass(frozen=True)
class Ran:
    """What became of a step."""

    code: int
    said: str
    output: dict[str, str]


@dataclass(frozen=True)
class Runner:
    """A build machine: its workspace holds a checkout, and nothing on it reaches a network."""

    folder: Path

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    @property
    def marker(self) -> Path:
        return self.folder / "marker"

    def run(self, script: str, env: dict[str, str], arguments: str = "") -> Ran:
        """Run a script as GitHub does, in the workspace, with variables that name it everywhere."""
        output = self.folder / "output"
        output.write_text("")
        (self.folder / "script.sh").write_text(script + arguments)
        here = str(self.workspace)
        own = {
            "PATH": f"{self.folder / 'programs'}:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "COLUMNS": "80",
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_WORKSPACE": here,
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "PYTHONPATH": here,
            "PYTHONSTARTUP": f"{here}/venv/__init__.py",
            "PYTHONWARNINGS": "ignore",
            "PIP_CONFIG_FILE": f"{here}/pip.conf",
            "PIP_CONSTRAINT": "constraints.txt",
            "WHITESQUARE_STATE": str(self.folder / "state.json"),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(self.folder / "script.sh")],
            cwd=self.workspace, env=own | env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        written = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Ran(done.returncode, done.stdout + done.stderr, written)

    def is_clean(self) -> bool:
        """Tell whether nothing of the tree was imported, run or obeyed."""
        return not self.marker.exists() and not list(self.folder.rglob("stolen"))


def make_runner(folder: Path) -> Runner:
    """Make a machine with the Python that runs this test, and a hostile checkout."""
    runner = Runner(folder)
    for name in ("temp", "home", "programs"):
        (folder / name).mkdir(parents=True)
    python = folder / "programs" / "python3"
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(str(base))} "$@"\n')
    python.chmod(0o755)
    make_hostile(runner.workspace, runner.marker)
    return runner


def make_wheel(folder: Path) -> Path:
    """Write a wheel that brings this code and what it needs as they lie here, as an editable install does."""
    name, version = "whitesquare", whitesquare.__version__
    info = f"{name}-{version}.dist-info"
    paths = [Path(whitesquare.__file__).parents[1], sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}-paths.pth", "".join(f"{one}\n" for one in dict.fromkeys(map(str, paths))))
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path


def requirements(wheel: Path) -> str:
    """Name a wheel with its hash."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{wheel.name.split('-')[0]} @ {wheel.as_uri()} --hash=sha256:{digest}\n"


def action_steps() -> dict[str, dict[str, Any]]:
    """The steps of the action that are scripts, by name."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return {one["name"]: one for one in action["runs"]["steps"] if "run" in one}


def documented() -> list[dict[str, Any]]:
    """The examples in YAML of the page about CI and of the README."""
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("docs/ci.md", "README.md"))
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def documented_steps(job: str) -> list[dict[str, Any]]:
    """The steps of a documented job that are scripts."""
    (found,) = [one["jobs"][job] for one in documented() if job in one.get("jobs", {})]
    return [one for one in found["steps"] if "run" in one]


def filled(env: dict[str, str], values: dict[str, str]) -> dict[str, str]:
    """Put values into the expressions of a step's environment; one that is not given is empty."""
    return {name: _EXPRESSION.sub(lambda hit: values.get(hit[1], ""), text) for name, text in env.items()}
