"""Imports point one way, and what needs no torch does not load it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import whitesquare

ROOT = Path(whitesquare.__file__).parent
ROOMS = [
    {"errors", "records"},
    {"types", "_base"},
    {"plugins"},
    {"signing", "data", "triggers", "executor"},
    {"learning", "provenance"},
    {"deciding"},
    {"attacks", "detectors", "gating", "inventory", "loops"},
    {"scanning", "testing", "auditing"},
    {"study"},
    {"report"},
    {"reviewing"},
    {"jobs"},
    {"cli"},
    {"__main__"},
]
"""A room imports from those above it in this list and from itself, never from one beside or below it."""
LEVEL = {name: level for level, names in enumerate(ROOMS) for name in names}
LOOSE = {"__init__", "__main__", "errors", "records", "types", "testing", "plugins"}
"""Modules that lie in no room."""
TORCH_FREE = (
    *("records", "types", "errors", "testing", "plugins", "data", "triggers", "attacks", "cli", "cli.terminal"),
    *("_base.cache", "_base.folders", "_base.taxonomy", "data.gallery", "learning.recipes", "learning.estimates"),
    *("learning.label_check", "detectors.types", "detectors.registry", "study.rows"),
    *("loops", "loops.losses", "loops.recordings", "loops.positions", "loops.training"),
    *("study.bench.plan", "study.bench.cells", "study.bench.store", "study.bench.summary"),
    *(
        "jobs.runs",
        "jobs.results",
        "jobs.catalogue",
        "jobs.cleanse",
        "scanning.types",
        "scanning.files",
        "scanning.run",
        "scanning.gather",
        "scanning.judge",
        "scanning.sharded.steps",
        "executor.inline",
    ),
    *("inventory.facts", "inventory.cyclonedx", "inventory.croissant"),
    *("report.measurement.page", "report.bench.page", "report.scan.page", "report.scan.sarif", "report.scan.junit"),
    *("jobs.review_page", "reviewing.review", "reviewing.serve", "reviewing.asking"),
)


def sources():
    return [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def imported(path):
    """Names of the whitesquare modules a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("whitesquare."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "whitesquare":
            yield from (alias.name for alias in node.names if alias.name in LEVEL)


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imported(path):
        assert name == own or LEVEL[name] < LEVEL[own], f"{path.name} imports {name}, which stands beside it or on it"


def test_every_room_has_its_place_and_says_what_it_holds():
    assert {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in sources()} == set(LEVEL)
    for path in ROOT.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_few_modules_lie_in_no_room():
    assert {path.stem for path in ROOT.glob("*.py")} == LOOSE


def test_a_class_name_stands_once():
    found = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert node.name not in found, f"{node.name} stands in {path} and in {found[node.name]}"
                found[node.name] = path


def test_no_file_and_no_function_is_too_long():
    for path in sources():
        text = path.read_text()
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                code = node.body[1:] if ast.get_docstring(node) else node.body
                lines = node.end_lineno - code[0].lineno + 1 if code else 0
                assert lines <= 50, f"{path.name}: {node.name} has {lines} lines"


@pytest.mark.long
def test_what_needs_no_torch_does_not_load_it():
    modules = ", ".join(f"whitesquare.{name}" for name in TORCH_FREE)
    code = f"import sys, {modules}\nassert 'torch' not in sys.modules, 'torch was loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_does_not_load_the_heavy_parts():
    code = (
        "import sys, whitesquare.cli\n"
        "heavy = {'pydantic', 'torch', 'numpy', 'scipy', 'sklearn', 'matplotlib', 'jinja2', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
