"""Write docs/architecture.md from the source: rooms and what they import; with --check, fail if it is stale."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1] / "src" / "whitesquare"
PAGE = Path(__file__).parent / "architecture.md"
HEAD = """# Architecture

This page is written by `docs/make_architecture.py` from the source, so that it says what is so.

Each room is a package with one sentence. A room imports from rooms above it only, and `tests/test_imports.py` holds
that. Data go down through the rooms, and the answer goes up once: `cli` parses and calls one of the `jobs`, which asks
the rooms above it and returns a record that `report` renders. Modules that lie in no room:
{loose}.

A new attack, trigger or detector is one file in the room of that name; a kind of data set one in `data/sources`; a
report one folder in `report`; a verb one job in `jobs` and one module in `cli`.
"""


def rooms() -> dict[str, Path]:
    """Return the packages right below the root."""
    return {path.parent.name: path.parent for path in sorted(ROOT.glob("*/__init__.py"))}


def imported(folder: Path) -> set[str]:
    """Return the rooms that the files of a room import from."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("whitesquare."):
                found.add((node.module or "").split(".")[1])
    return (found & set(rooms())) - {folder.name}


@cache
def depth(room: str) -> int:
    """Return how many floors lie above a room."""
    return 1 + max((depth(name) for name in imported(rooms()[room])), default=-1)


def sentence(folder: Path) -> str:
    """Return the first sentence of what a room says of itself."""
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    plain = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(told.split("\n\n")[0].split()))
    return plain.replace("``", "`")


def drawing() -> str:
    """Draw the floors, from what everything stands on to the command line."""
    floors: dict[int, list[str]] = {}
    for room in rooms():
        floors.setdefault(depth(room), []).append(room)
    boxes = []
    for floor in sorted(floors):
        names = "   ".join(f"[ {name} ]" for name in floors[floor])
        boxes.append(names.center(100).rstrip())
    return f"\n{'|'.center(100).rstrip()}\n".join(boxes)


def page() -> str:
    """Return the page."""
    loose = ", ".join(f"`{path.stem}`" for path in sorted(ROOT.glob("*.py")) if path.stem != "__init__")
    lines = ["| room | what it holds | imports from |", "|---|---|---|"]
    for room in sorted(rooms(), key=lambda name: (depth(name), name)):
        uses = ", ".join(sorted(imported(rooms()[room]), key=lambda name: (depth(name), name))) or "-"
        lines.append(f"| `{room}` | {sentence(rooms()[room])} | {uses} |")
    return "\n".join([HEAD.format(loose=loose), "```text", drawing(), "```", "", *lines]) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") != page():
            sys.exit("docs/architecture.md is stale; run python docs/make_architecture.py")
    else:
        PAGE.write_text(page(), encoding="utf-8")
