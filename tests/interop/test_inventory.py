"""The inventory, read by the projects whose formats it is in."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.core_install import run_core
from tests.inventory.evidence import Place, make_place

pytestmark = pytest.mark.interop
STRICT = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))
"""
RECORDS = """
import json, sys
import mlcroissant
samples = mlcroissant.Dataset(sys.argv[1]).records("samples")
print(json.dumps([[value.decode() if isinstance(value, bytes) else int(value) for value in one.values()]
                  for one in samples]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = make_place(tmp_path_factory.mktemp("place"))
    outputs = (f"cyclonedx={made.folder / 'bom.json'}", f"croissant={made.folder / 'croissant.json'}")
    done = run_core("inventory", made.folder, "--trust", made.keys, "-o", outputs[0], "-o", outputs[1])
    assert done.returncode == 0, done.stderr
    return made


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([str(python), *arguments], capture_output=True, text=True, check=False, env=env)


def test_the_strict_validator_of_cyclonedx_has_nothing_to_say(place: Place, foreign_python: Path) -> None:
    done = run(foreign_python, "-c", STRICT, str(place.folder / "bom.json"))
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


def test_mlcroissant_validates(place: Place, foreign_python: Path) -> None:
    command = str(foreign_python.with_name("mlcroissant"))
    done = run(foreign_python, command, "validate", "--jsonld", str(place.folder / "croissant.json"))
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("  -  ")]
    assert [line for line in said if "citeAs" not in line] == []  # who is to be cited is not known


def test_mlcroissant_reads_the_samples(place: Place, foreign_python: Path) -> None:
    done = run(foreign_python, "-c", RECORDS, str(place.folder / "croissant.json"))
    assert done.returncode == 0, done.stderr
    found: Any = json.loads(done.stdout)
    assert ["train/cat/1.png", "cat", "train", 10] in found
    assert len(found) == 5


def test_mlcroissant_refuses_another_manifest(place: Place, foreign_python: Path, tmp_path: Path) -> None:
    other = make_place(tmp_path, ids=("train/cat/9.png",))
    (other.folder / "croissant.json").write_bytes((place.folder / "croissant.json").read_bytes())
    done = run(foreign_python, "-c", RECORDS, str(other.folder / "croissant.json"))
    assert done.returncode != 0
    assert "GenerationError" in done.stderr
