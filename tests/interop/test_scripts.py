"""The scripts of the review page, read by the checker of TypeScript: types stand in comments, and nothing is built."""

import subprocess
from pathlib import Path

import pytest

import whitesquare

ASSETS = Path(whitesquare.__file__).parent / "reviewing" / "assets"
STRICT = ("--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "es2022")
WHERE = ("--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable")

pytestmark = pytest.mark.interop


def check(node_modules: Path, *scripts: Path) -> subprocess.CompletedProcess[str]:
    program = node_modules / ".bin" / "tsc"
    return subprocess.run([program, *STRICT, *WHERE, *scripts], capture_output=True, text=True, check=False)


def test_every_script_says_that_it_is_checked_and_is_typed(node_modules: Path) -> None:
    scripts = sorted(ASSETS.glob("*.js"))
    assert len(scripts) > 3
    for script in scripts:
        assert script.read_text().startswith("// @ts-check\n"), script
    done = check(node_modules, *scripts)
    assert done.returncode == 0, done.stdout


def test_the_checker_finds_what_is_wrong(node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.js").write_text('// @ts-check\n/** @type {number} */\nconst n = "text";\n')
    assert "not assignable" in check(node_modules, tmp_path / "wrong.js").stdout
