"""The attacks that docs/provenance.md says were tried: each names tests, and there are such tests."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "provenance.md").read_text(encoding="utf-8").partition("\n## Attacks tried\n")[2]
ROWS = [line.strip("| ").split(" | ") for line in PAGE.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row[0])[:40])
def test_an_attack_names_tests_that_are_there(row: list[str]) -> None:
    attack, guarantee, tests = row
    assert attack, guarantee
    file = ""
    for named in re.findall(r"`([^`]+)`", tests):
        place, _, name = named.partition("::")
        file = place or file
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in functions if name else functions, named
    assert file, "no test is named"


def test_every_row_of_the_review_is_answered() -> None:
    numbers = [int(found[1]) for row in ROWS if (found := re.match(r"\((\d+)\)", row[0]))]
    assert numbers == list(range(1, 15))
