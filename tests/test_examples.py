"""The example of every public name runs, as it stands in its docstring, and is short."""

import doctest
import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import whitesquare as ws
from tests.conftest import part_of_mnist
from whitesquare.data import Part, write_dataset
from whitesquare.gating.policy import example
from whitesquare.learning.recipes import Recipe
from whitesquare.signing.keys import generate

ORDER = ["open_dataset", "poison", "train", "measure", "scan", "cleanse", "review", "drill"]
ORDER += ["attest", "verify", "gate", "dossier"]
"""An example may read what one before it wrote: a bundle is made, then verified."""
LOOPS = ["LossRecorder", "record_training"]
"""They stand around a loop; the page on training loops is their example, and has a test of its own."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the examples speak of: photos with a square on 40 zeros, few digits, a key, a policy and a model."""
    folder, before = tmp_path_factory.mktemp("examples"), Path.cwd()
    train, test = part_of_mnist("train", 600), part_of_mnist("test", 200)
    made = ws.poison(train, "stamp", target=0, count=40, seed=0)
    write_dataset(folder / "photos", made.dataset, test, "png-folder")
    write_dataset(folder / "digits", Part(train, np.arange(300)), None, "npz")
    generate(folder / "private" / "alice", "ecdsa-p256", None)
    (folder / "keys").mkdir()
    for name in ("alice.pub", "alice.toml"):
        (folder / "private" / name).rename(folder / "keys" / name)
    (folder / "policy.toml").write_text(example())
    ws.train(train, Recipe(epochs=1), seed=1, folder=folder / "model")
    os.chdir(folder)
    yield folder
    os.chdir(before)


def test_every_public_name_is_typed_and_has_an_example_of_a_few_lines() -> None:
    assert sorted([*ORDER, *LOOPS]) == sorted(ws.__all__)
    for name in ORDER:
        one = getattr(ws, name)
        signature = inspect.signature(one)
        assert signature.return_annotation is not inspect.Signature.empty, name
        assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values()), name
        lines = [line for line in inspect.getdoc(one).splitlines() if line.startswith("    >>> ")]
        assert 2 <= len(lines) <= 6, name


SLOW = {"drill": pytest.mark.slow}
"""It scans twice."""


@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in ORDER])
def test_the_example_of_a_public_name_runs(name: str, folder: Path) -> None:
    text = inspect.getdoc(getattr(ws, name))
    found = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(found, out=told.append)
    assert result.attempted >= 2
    assert not result.failed, "".join(told)
