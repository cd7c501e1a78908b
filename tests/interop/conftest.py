"""Programs of other people, set up by `make interop` in `.interop/`; without them the tests that need them are skipped.

With ``WHITESQUARE_INTEROP=required``, as `make interop` sets it, a missing program is a failure.
"""

import os
import shutil
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[2] / ".interop"


def missing(what: str) -> None:
    said = f"{what} is not there; `make interop` sets it up."
    if os.environ.get("WHITESQUARE_INTEROP") == "required":
        pytest.fail(said)
    pytest.skip(said)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    if shutil.which("node") is None:
        missing("Node.js")
    if not (PLACE / "node_modules" / "@sigstore" / "verify").is_dir():
        missing("@sigstore/verify")
    return PLACE / "node_modules"


@pytest.fixture(scope="session")
def foreign_python() -> Path:
    """A Python with `tests/interop/requirements.txt` and without whitesquare."""
    python = PLACE / "venv" / "bin" / "python"
    if not python.is_file():
        missing("The environment of foreign readers")
    return python


@pytest.fixture(scope="session")
def openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        missing("openssl")
    return str(found)
