"""Without NumPy and all that stands on it: what works, and what the rest says."""

import tomllib
from pathlib import Path

import pytest

import whitesquare
from whitesquare.cli import app
from whitesquare.errors import EXTRAS, missing_part

from .core_install import MISSING, import_in_core, run_core

ROOT = Path(whitesquare.__file__).parent
CORE = ("provenance", "gating", "inventory", "auditing")
"""Packages of which every module works in a core install; a package that is not there yet has none."""

NEED = {
    "demo": ("train", "-o", "out"),
    "poison": ("scan", "mnist", "--attack", "stamp", "--target", "0", "--count", "10", "-o", "out"),
    "train": ("train", "mnist", "-o", "out"),
    "measure": ("train", "victim"),
    "scan": ("scan", "mnist", "--model-free"),
    "cleanse": ("scan", "mnist", "--scan", "scan.json", "-o", "out"),
    "drill": ("train", "mnist", "--attacks", "stamp", "--rates", "0.05", "-o", "out"),
    "report": ("scan", "run"),
    "review": ("review", "scan.json", "--by", "ann"),
    "bench": ("train", "plan.toml", "-o", "out"),
    "explain": ("scan", "NC01"),
    "dossier": ("scan", "run"),
    "list": ("scan",),
}
"""By verb that a core install cannot run: the extra it asks for, and how it is called."""


@pytest.mark.parametrize("verb", NEED)
def test_a_verb_whose_part_is_missing_says_how_to_install_it(verb: str, tmp_path: Path) -> None:
    extra, *arguments = NEED[verb]
    done = run_core(verb, *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert f"pip install 'whitesquare[{extra}]'" in done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_help_of_every_verb_works() -> None:
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert set(NEED) < set(names)
    for name in names:
        done = run_core(name, "--help")
        assert done.returncode == 0, done.stderr
        assert f"whitesquare {name}" in done.stdout


@pytest.mark.parametrize("package", [name for name in CORE if (ROOT / name).is_dir()])
def test_what_belongs_to_the_core_needs_no_extra(package: str) -> None:
    paths = [path.relative_to(ROOT.parent).with_suffix("") for path in (ROOT / package).rglob("*.py")]
    import_in_core(*(".".join(path.parts).removesuffix(".__init__") for path in paths))


def test_keygen_works(tmp_path: Path) -> None:
    done = run_core("keygen", "-o", tmp_path / "keys" / "alice", "--no-password")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["alice.pem", "alice.pub", "alice.toml"]


def test_an_import_that_no_extra_brings_stays_a_crash() -> None:
    assert (
        missing_part(ModuleNotFoundError("No module named 'whitesquare.nonesuch'", name="whitesquare.nonesuch")) is None
    )
    assert missing_part(ModuleNotFoundError("no name at all")) is None
    found = missing_part(ModuleNotFoundError("No module named 'scipy.stats'", name="scipy.stats"))
    assert "scipy; install it with: pip install 'whitesquare[scan]'" in str(found)


def test_every_part_of_an_extra_is_known_to_the_sentence() -> None:
    """Whoever adds a dependency to an extra gives it a line in EXTRAS, else its absence is a crash."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    modules = {"scikit-learn": "sklearn", "pillow": "PIL", "mlflow-skinny": "mlflow", "umap-learn": "umap"}
    within = {"ray[data]": ("ray", "pyarrow")}
    wanted = {}
    for extra in project["optional-dependencies"].keys() - {"test", "lint", "docs", "dev"}:
        parts = [part.partition(">")[0] for part in project["optional-dependencies"][extra]]
        names = [name for part in parts for name in within.get(part, (part,))]
        wanted |= {modules.get(name, name): extra for name in names if not name.startswith("whitesquare")}
    assert wanted == EXTRAS
    assert set(MISSING) == set(EXTRAS)
