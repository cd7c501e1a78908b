"""Whoever starts a verb inside the data that it judges gets the same answer: no file there is imported or obeyed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import whitesquare
from whitesquare.data import ArrayDataset, from_arrays, write_dataset

from .hostile_tree import make_hostile

ROOT = Path(whitesquare.__file__).parents[1]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    make_hostile(tmp_path / "tree", tmp_path / "marker")
    (tmp_path / "tree" / "matplotlibrc").write_bytes(b"backend: module://venv\n::stop-commands::x\nfont.size: \xff\n")
    return tmp_path / "tree"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Random images of three classes."""
    rng = np.random.default_rng(0)

    def split(size: int) -> ArrayDataset:
        labels = np.arange(size) % 3
        images = rng.integers(0, 80, (size, 12, 12)) + 80 * labels[:, None, None]
        return from_arrays(images.astype(np.uint8), labels)

    write_dataset(tmp_path / "data", split(120), split(60), "npz")
    return tmp_path / "data"


def start(cwd: Path, code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Start Python as a console script does: a file outside, its folder on the path, nothing of the working folder."""
    script = cwd.parent / "bin" / "whitesquare"
    script.parent.mkdir(exist_ok=True)
    script.write_text(code)
    # Of the environment only what a console script has: neither PYTHONSAFEPATH nor a path that is not absolute.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        cwd=cwd, env=env | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"}, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip


CONSOLE = "from whitesquare.cli import main\nif __name__ == '__main__':\n    main()\n"
PROCESSES = """
from whitesquare import cli
from whitesquare.executor import make_executor

def work(item, shared):
    return item + 1

def verb(**settings):
    print([one.value for one in make_executor("processes", workers=1).run(work, [1, 2], {})])

if __name__ == "__main__":
    cli.app = verb  # in the place of `bench`, which trains for a minute
    cli.main()
"""


def test_no_matplotlibrc_of_the_folder_has_a_say(hostile: Path, data: Path) -> None:
    page = hostile.parent / "scan.html"
    options = ("--model-free", "--detectors", "pixel-contrast", "-o", f"html={page}")
    done = start(hostile, CONSOLE, "scan", data, *options)
    assert done.returncode == 3, done.stderr  # so few images
    assert "matplotlibrc" not in done.stderr
    assert page.exists()
    assert not (hostile.parent / "marker").exists()


@pytest.mark.long
def test_worker_processes_import_nothing_from_the_folder(hostile: Path) -> None:
    done = start(hostile, PROCESSES)
    assert not (hostile.parent / "marker").exists(), (hostile.parent / "marker").read_text()
    assert (done.returncode, done.stdout) == (0, "[2, 3]\n"), done.stderr


def test_processes_that_hash_import_nothing_from_the_folder(hostile: Path, data: Path) -> None:
    """Not even where the path of this process has relative entries."""
    code = (
        "import os, sys\n"
        "from whitesquare.provenance.hashing import Piece\n"
        "from whitesquare.provenance.workers import hash_all\n"
        "sys.path[:0] = ['', '.', 'duckdb/..']\n"
        "root = os.open(sys.argv[1], os.O_RDONLY)\n"
        "tasks = [[Piece('.', '', '', [name])] for name in sorted(os.listdir(sys.argv[1]))]\n"
        "for task, found in hash_all(root, tasks, pixels=False, workers=1):\n"
        "    print(task[0].names[0], found.digests.hex(), found.failed)\n"
    )
    done = start(hostile, code, data)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
    assert not (hostile.parent / "marker").exists(), (hostile.parent / "marker").read_text()


def test_matplotlib_is_loaded_in_one_place_only() -> None:
    """Loaded first anywhere else, it would read the file again."""
    for path in (ROOT / "whitesquare").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            loads = any(name.split(".")[0] == "matplotlib" for name in names)
            assert not loads or path.name == "drawing.py", f"{path.name} loads matplotlib, line {node.lineno}"


def test_no_program_is_started_but_python_itself() -> None:
    """A program is looked up in a path, and may be configured by files of the folder, as git is."""
    started = set()
    for path in (ROOT / "whitesquare").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {getattr(node, "module", "") or "", *(one.name for one in node.names)}
                if names & {"subprocess", "multiprocessing", "pty", "ctypes"}:
                    started.add(path.relative_to(ROOT / "whitesquare").as_posix())
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called not in ("os.system", "os.popen"), path
            assert not called.startswith(("os.exec", "os.spawn", "os.posix_spawn", "os.fork")), path
    # The crew asks Python itself to stop its threads, which only its C interface can; so does the end of a process.
    assert started == {
        *("_base/crew.py", "cli/leaving.py", "executor/apart.py", "executor/processes.py"),
        *("provenance/own_code.py", "provenance/workers.py"),
    }
