"""A core install, made of this one: a Python in which the extras cannot be imported."""

import os
import subprocess
import sys
from pathlib import Path

MISSING = ("numpy", "scipy", "sklearn", "PIL", "matplotlib", "jinja2", "torch", "safetensors", "ray")
"""Modules of the extras [scan], [train] and [ray]."""

_CODE = (
    "import sys\n"
    "sys.modules.update(dict.fromkeys({missing!r}))\n"  # None there is what Python itself takes for "not found"
    "from whitesquare.cli import app\n"
    "app(prog_name='whitesquare')\n"
)


def run_core(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line without any extra; a traceback is a failure whatever the exit code."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE.format(missing=MISSING), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "80"},
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done
