"""A core install, made of this one: a Python in which the extras cannot be imported."""

import os
import subprocess
import sys
from pathlib import Path

from .patience import PATIENCE

MISSING = (
    *("numpy", "scipy", "sklearn", "PIL", "matplotlib", "jinja2", "torch", "safetensors", "ray", "pyarrow"),
    *("onnx", "onnxruntime", "timm", "torchvision", "transformers", "mlflow", "pandas"),
    *("starlette", "uvicorn", "umap", "hdbscan"),
)
"""Modules of the extras: all that the core does without."""

_BARE = f"import sys\nsys.modules.update(dict.fromkeys({MISSING!r}))\n"  # None there is Python's own "not found"
_CLI = "from whitesquare.cli import app\napp(prog_name='whitesquare')\n"


def run_core(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line without any extra; a traceback is a failure whatever the exit code."""
    done = subprocess.run(
        [sys.executable, "-c", _BARE + _CLI, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "80"},
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def import_in_core(*modules: str) -> None:
    """Import modules where no extra can be imported."""
    subprocess.run(
        [sys.executable, "-c", _BARE + "".join(f"import {name}\n" for name in modules)], check=True, timeout=PATIENCE
    )
