"""The notebook is what a reader finds it to be: it runs from its first cell to its last, with public names only."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "scan.ipynb"
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def code():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_it_uses_public_names_only():
    """Those of the face, and those that the page about the library describes."""
    described = set(re.findall(r"auto(?:function|class|module):: ([\w.]+)", API))
    for node in ast.walk(ast.parse(code())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("whitesquare"):
            for alias in node.names:
                assert {node.module, f"{node.module}.{alias.name}"} & described, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[2] == "" for alias in node.names)


def printed(tmp_path, text):
    """Run the code in a folder of its own, and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        cwd=tmp_path,
        env=os.environ | {"WHITESQUARE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


TEST = 'ws.open_dataset("mnist", "test")'
LESS = {
    TEST: f'(lambda all: ws.open_dataset({{"test": (all.images(slice(0, 500)), all.labels[:500])}}, "test"))({TEST})',
    "slice(0, 6000)": "slice(0, 800)",
    "[:6000]": "[:800]",
    "count=300": "count=60",
    'make_attack("adaptive", {"rounds": 8})': 'make_attack("label-flip")',
    "epochs=16": "epochs=8",
}
"""What makes the notebook quick: fewer images, and an attack that needs no models to be made."""


@pytest.mark.long
def test_it_runs_from_its_first_cell_to_its_last(tmp_path):
    """Every call as it is written, on less; the figures that it shows are those of the slow test."""
    text = code()
    for written, less in LESS.items():
        assert text.count(written) == 1, written
        text = text.replace(written, less)
    planted, before, scan, refused, *reasons, removed, after, end = printed(tmp_path, text)
    assert planted.startswith("60 of 800 images, ")
    assert re.fullmatch(r"clean accuracy [\d.]+%; the square turns [\d.]+% of the other digits into a 0", before)
    assert "confirmed; class 0" in scan
    assert refused == "gate: FAILED"
    assert any("scan-alarms" in reason for reason in reasons)
    found, right, of = map(int, re.findall(r"\d+", removed))
    assert right > 0.9 * of == 54
    assert found - right < 0.1 * of
    assert re.fullmatch(r"clean accuracy [\d.]+%; the square turns [\d.]+% of the other digits into a 0", after)
    assert end.startswith("scan: nothing found; gate: ")


@pytest.mark.slow
def test_it_shows_what_it_says(tmp_path):
    planted, before, scan, refused, *reasons, removed, after, end = printed(tmp_path, code())
    assert "300 of 6000 images, 0 labels changed" in planted
    shares = [float(share) for share in re.findall(r"([\d.]+)%", before + after)]
    clean_before, attack_before, clean_after, attack_after = shares
    assert attack_before > 50 > 5 > attack_after
    assert min(clean_before, clean_after) > 95
    assert "confirmed; class 0" in scan
    assert refused == "gate: FAILED"
    assert any("measure-attack" in reason for reason in reasons)
    found, right, of = map(int, re.findall(r"\d+", removed))
    assert right > 0.9 * of
    assert found - right < 0.1 * of
    assert end == "scan: nothing found; gate: PASSED"
