"""Imports point one way, and what needs no torch does not load it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import whitesquare

ROOT = Path(whitesquare.__file__).parent
LAYERS = [
    {"errors"},
    {"types"},
    {
        "jsonio",
        "taxonomy",
        "fingerprints",
        "layouts",
        "streams",
        "estimates",
        "machine",
        "recipes",
        "traits",
        "weights",
        "safe_text",
        "environment",
        "owned",
    },
    {"folders", "gallery", "cache", "rows", "data", "triggers", "provenance"},
    {"networks", "models", "label_check"},
    {"augment", "executor"},
    {"train"},
    {"features"},
    {"attacks", "measure", "detectors"},
    {"scan"},
    {"runs", "experiment", "testing", "bench"},
    {"results", "victims"},
    {"gate"},
    {"report", "inventory"},
    {"demo", "catalogue", "terminal"},
    {"cli"},
]
"""A module imports from its own layer or one above it in this list, never from one below."""
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
TORCH_FREE = (
    *("types", "errors", "data", "triggers", "attacks", "recipes", "estimates", "cache", "folders", "gallery"),
    *("runs", "results", "rows", "report", "label_check", "catalogue", "terminal", "cli", "testing"),
    *("detectors.types", "detectors.registry", "bench.plan", "bench.cells", "bench.store", "bench.summary"),
    *("scan.types", "scan.files", "scan.run", "scan.cleanse"),
    *("taxonomy", "inventory.facts", "inventory.cyclonedx", "inventory.croissant"),
    *("report.bench", "report.scan", "report.sarif", "report.junit", "report.rules"),
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
        assert LEVEL[name] <= LEVEL[own], f"{path.name} imports {name}, which stands on it"


def test_every_module_has_a_layer():
    assert {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in sources()} == set(LEVEL)


def test_no_file_and_no_function_is_too_long():
    for path in sources():
        text = path.read_text()
        assert len(text.splitlines()) <= 340, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                code = node.body[1:] if ast.get_docstring(node) else node.body
                lines = node.end_lineno - code[0].lineno + 1 if code else 0
                assert lines <= 50, f"{path.name}: {node.name} has {lines} lines"


def test_what_needs_no_torch_does_not_load_it():
    modules = ", ".join(f"whitesquare.{name}" for name in TORCH_FREE)
    code = f"import sys, {modules}\nassert 'torch' not in sys.modules, 'torch was loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_does_not_load_the_heavy_parts():
    code = (
        "import sys, whitesquare.cli\n"
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'matplotlib', 'jinja2', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
