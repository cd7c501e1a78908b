"""Every command of the README and of docs/ runs in order as written, in a fresh folder.

A block without a language, ``sh`` or ``bash`` is run by a shell, ``python`` by Python; blocks of other languages are
shown and not run. A command ends with exit code 0, or with one that a comment behind it names: ``# exit code 0 or 1``.
``<!-- slow: why -->`` or ``<!-- not run: why -->`` on the line above keeps a block out of the default suite, or of all.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import halved, part_of_mnist
from tests.programs import write_program
from whitesquare.attacks import make_attack, poison
from whitesquare.data import Part, write_dataset

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "cli.md")]
SHELL, PYTHON = ("", "sh", "bash"), ("python",)
_BLOCK = re.compile(r"(?:^<!-- ([a-z ]+): ([^\n]+) -->\n)?^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODES = re.compile(r"# exit code ([0-3](?: or [0-3])*)")


@dataclass(frozen=True)
class Block:
    """A block of a page that can be run."""

    page: str
    line: int
    when: str
    why: str
    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    """The runnable blocks of a page, in order."""
    text = path.read_text(encoding="utf-8")
    found = [
        Block(path.name, text.count("\n", 0, hit.start(4)) + 1, hit[1] or "", hit[2] or "", hit[3], hit[4])
        for hit in _BLOCK.finditer(text)
    ]
    return [block for block in found if block.language in (*SHELL, *PYTHON)]


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a block, lines that go on joined, each with the exit codes that it may end with."""
    joined = text.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(line, codes[1].replace(" or ", "|") if (codes := _CODES.search(line)) else "0") for line in lines]


def script(found: list[Block]) -> str:
    """A bash script that stops at the first command which does not end as the page says, and names it."""
    parts = ["code=0"]
    for block in found:
        if block.language in PYTHON:
            parts.append(f"python - <<'PYTHON_BLOCK'\n{block.text}PYTHON_BLOCK\ncode=$?")
            parts.append(
                f'[ $code = 0 ] || {{ echo "{block.page}:{block.line}: the Python block failed" >&2; exit 99; }}'
            )
            continue
        for line, codes in commands(block.text):
            parts.append(f"{line}\ncode=$?")
            told = f"{block.page}:{block.line}: exit code $code, the page says {codes}: {line}".replace('"', "'")
            parts.append(f"case $code in {codes}) ;; *) cat >&2 <<'TOLD'\n{told}\nTOLD\nexit 99 ;; esac")
    return "\n".join(parts) + "\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-ins for photos/ and path/to/data: 1,000 digits with 80 planted ones, and 300 clean ones.

    What the README tells of photos/ is printed for these; for other pages fewer and smaller ones do.
    """
    folder = tmp_path_factory.mktemp("data")
    train, test = part_of_mnist("train", 1000), part_of_mnist("test", 400)
    made = poison(train, make_attack("label-flip"), target=0, count=80, seed=0)
    write_dataset(folder / "photos", made.dataset, test, "png-folder")
    few, beside = halved(train, 400, digits=4), halved(test, 100, digits=4)
    planted = poison(few, make_attack("label-flip"), target=0, count=40, seed=0).dataset
    write_dataset(folder / "few", planted, beside, "png-folder")
    write_dataset(folder / "clean", Part(train, np.arange(300)), test, "png-folder")
    return folder


def run(found: list[Block], data: Path, folder: Path) -> str:
    """Run blocks in a folder of their own and return what they print."""
    shutil.copytree(data / ("photos" if found[0].page == README.name else "few"), folder / "photos")
    shutil.copytree(data / "clean", folder / "path" / "to" / "data")
    folders = {"HOME": str(folder / "home"), "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "120"}
    (programs := folder / "bin").mkdir()
    write_program(programs / "whitesquare", "-m", "whitesquare.cli")
    write_program(programs / "python")
    env = os.environ | folders | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    # What a person would type at the terminal that keygen asks at.
    env |= {"WHITESQUARE_KEY_PASSWORD": "correct horse"}
    (folder / "page.sh").write_text(script(found))
    done = subprocess.run(
        ["bash", "page.sh"], cwd=folder, env=env, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-2000:]}"
    return done.stdout


RUNNABLE = {path: found for path in PAGES if (found := [one for one in blocks(path) if one.when != "not run"])}


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.long] * (path != README), id=path.name) for path in RUNNABLE]
)
def test_the_commands_of_a_page_run_as_written(path: Path, data: Path, tmp_path: Path) -> None:
    found = [block for block in RUNNABLE[path] if block.when != "slow"]
    if not found:
        pytest.skip("all blocks of the page are slow: the slow suite runs them")
    printed = run(found, data, tmp_path)
    if path == README:
        assert_as_printed(printed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path, found in RUNNABLE.items() if any(one.when == "slow" for one in found)], ids=lambda p: p.name
)
def test_the_slow_commands_of_a_page_run_as_written(path: Path, data: Path, tmp_path: Path) -> None:
    run(RUNNABLE[path], data, tmp_path)


def assert_as_printed(printed: str) -> None:
    """What the README shows of a scan is what that scan printed; figures may round otherwise on another machine."""

    def words(text: str) -> str:
        return re.sub(r"\d[\d.,]*", "#", " ".join(text.split()))

    (shown,) = re.findall(r"```text\n(A planted.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    for part in words(shown).split(" ... "):
        assert part in words(printed), part


def test_a_block_that_is_not_run_says_why() -> None:
    marked = [block for path in PAGES for block in blocks(path) if block.when]
    assert marked
    for block in marked:
        assert block.when in ("slow", "not run"), f"{block.page}:{block.line}"
        assert len(block.why) > 10, f"{block.page}:{block.line}"


def test_the_readme_leads_with_defence_and_is_short() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    order = ["pip install", "whitesquare scan", "whitesquare cleanse", "whitesquare attest", "whitesquare gate"]
    order += ["whitesquare demo", "whitesquare drill", "whitesquare poison"]
    places = [text.index(verb) for verb in order]
    assert places == sorted(places)


def test_a_command_that_ends_otherwise_stops_the_page(data: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:3: exit code"):
        run([Block("page.md", 3, "", "", "", "false\n")], data, tmp_path / "one")
    with pytest.raises(AssertionError, match="the Python block failed"):
        run([Block("page.md", 3, "", "", "python", "raise SystemExit(3)\n")], data, tmp_path / "two")
    told = run(
        [Block("page.md", 3, "", "", "", "(exit 1)   # exit code 0 or 1\necho \\\n  on\n")], data, tmp_path / "three"
    )
    assert told == "on\n"
