"""Parts of other packages: a worked example that is installed and used, and many ways to break the contract."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.patience import PATIENCE
from tests.programs import python as program
from whitesquare._base.machine import code_beside
from whitesquare.attacks import ATTACKS
from whitesquare.attacks.contract import admit_attack
from whitesquare.data import from_arrays, load_npz, write_dataset
from whitesquare.detectors.registry import KNOWN_DETECTORS
from whitesquare.errors import ContractError, UsageError
from whitesquare.plugins import Registry, admit_source
from whitesquare.triggers import TRIGGERS
from whitesquare.triggers.spec import require_trigger

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugin"
GOOD = '''
from dataclasses import dataclass, field
from typing import ClassVar
from whitesquare.triggers import Patch
from whitesquare.attacks import ATTACKS

@dataclass(frozen=True)
class Good(type(ATTACKS["stamp"])):
    """A good one."""
    name: ClassVar[str] = "good"
'''
DETECTOR = """
from dataclasses import dataclass
from whitesquare.detectors.types import unscored

@dataclass(frozen=True)
class Quiet:
    name, rule_id, family, needs = "quiet", "QQ01", "pixel", frozenset({"images"})

    def score(self, evidence):
        return unscored(evidence)
"""
TRIGGER = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Dot:
    name: ClassVar[str] = "dot"
    size: int = 1

    def __call__(self, images):
        return images
"""
SOURCE = """
class Nothing:
    name = "nothing"

    def recognises(self, source):
        return source == "nothing"

    def splits(self, source):
        return ("train",)

    def open(self, source, split):
        raise NotImplementedError
"""


def bring(folder, package, group, name, value, code=None, version="1.0"):
    """Lay out an installed package that brings one thing; its module is ``code``."""
    record = folder / f"{package}-{version}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (record / "entry_points.txt").write_text(f"[whitesquare.{group}]\n{name} = {value}\n")
    if code is not None:
        (folder / f"{value.partition(':')[0]}.py").write_text(code)


def known(kind):
    """A registry that has looked at nothing yet."""
    own, admit = {
        "attack": (ATTACKS, admit_attack),
        "trigger": (TRIGGERS, require_trigger),
        "detector": (KNOWN_DETECTORS.own, KNOWN_DETECTORS._admit),
        "source": ({}, admit_source),
    }[kind]
    return Registry(kind, own, admit, {"reserved"})


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of installed packages; what is imported of it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("foreign"):
            del sys.modules[name]


BROKEN = {
    "no module": ("attack", "good", "foreign_absent:Good", None, "No module named 'foreign_absent'"),
    "no such name in it": ("attack", "good", "foreign:Goood", GOOD, "has no attribute 'Goood'"),
    "no place at all": ("attack", "good", "not a place!", None, "AttributeError"),
    "raises": ("attack", "good", "foreign:Good", "1 / 0", "ZeroDivisionError: division by zero"),
    "exits": ("attack", "good", "foreign:Good", "raise SystemExit(0)", "SystemExit: 0"),
    "is no code": ("attack", "good", "foreign:Good", "class", "SyntaxError"),
    "no attack": ("attack", "good", "foreign:Good", "Good = 3", "TypeError"),
    "a function": ("attack", "good", "foreign:Good", "Good = lambda: 3", "int() must be a frozen dataclass"),
    "not frozen": ("attack", "good", "foreign:Good", "class Good:\n    name = 'good'", "must be a frozen dataclass"),
    "needs arguments": ("attack", "good", "foreign:Good", GOOD + "    size: int = field()\n", "TypeError"),
    "no craft": ("attack", "good", "foreign:Good", GOOD + "    craft = None\n", "must have craft()"),
    "too much": ("attack", "good", "foreign:Good", GOOD + "    epsilon = 1.5\n", "epsilon in [0, 1); got 1.5"),
    "no trigger": ("attack", "good", "foreign:Good", GOOD + "    trigger: object = len\n", "is not registered"),
    "of lists": (
        "attack",
        "good",
        "foreign:Good",
        GOOD + "    at: tuple = ()\n",
        "a manifest can hold; at is none",
    ),
    "other name": ("attack", "better", "foreign:Good", GOOD, "must have the name of its entry point, 'better'"),
    "our name": ("attack", "stamp", "foreign:Good", GOOD, "whitesquare uses that name itself"),
    "reserved": ("attack", "reserved", "foreign:Good", GOOD, "whitesquare uses that name itself"),
    "control": ("attack", "go\x1b[2Jod", "foreign:Good", GOOD, "small letters, digits and dashes only"),
    "trigger is made": ("trigger", "dot", "foreign:Dot", TRIGGER + "\nDot = Dot()\n", "Dot(size=1) must be a class"),
    "trigger of lists": (
        "trigger",
        "dot",
        "foreign:Dot",
        TRIGGER + "    at: tuple = ()\n",
        "of type int, float or str",
    ),
    "our rule": ("detector", "quiet", "foreign:Quiet", DETECTOR.replace("QQ01", "PX01"), "a rule id of its own"),
    "odd rule": ("detector", "quiet", "foreign:Quiet", DETECTOR.replace("QQ01", "Q,1"), "two capital letters"),
    "odd family": ("detector", "quiet", "foreign:Quiet", DETECTOR.replace('"pixel"', '"x"'), "of one of the families"),
    "odd needs": ("detector", "quiet", "foreign:Quiet", DETECTOR.replace("images", "luck"), "must need nothing but"),
    "no score": ("detector", "quiet", "foreign:Quiet", DETECTOR.replace("def score", "def rate"), "must have score()"),
    "no open": ("source", "nothing", "foreign:Nothing", SOURCE.replace("open", "close"), "must have open()"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_broken_is_refused_in_a_sentence_and_stops_nothing_else(how, place):
    kind, name, value, code, reason = BROKEN[how]
    bring(place, "foreign-parts", f"{kind}s", name, value, code)
    bring(place, "fine", "attacks", "good" if kind != "attack" else "nice", "foreign_fine:Good", GOOD)
    registry = known(kind)
    if name in registry.own:
        assert registry[name] is registry.own[name]
    else:
        with pytest.raises(ContractError, match=r"foreign-parts 1\.0"):
            registry[name]
    for one in registry.own:
        assert registry[one] is registry.own[one]
    (found,) = [one for one in registry.brought() if one.name == name]
    assert (found.package, found.thing) == ("foreign-parts 1.0", None)
    assert reason in found.fault
    assert repr(value) in found.fault
    assert "\n" not in found.fault
    assert "\x1b" not in found.fault


WHOLE = {
    "attack": ("good", "foreign:Good", GOOD),
    "trigger": ("dot", "foreign:Dot", TRIGGER),
    "detector": ("quiet", "foreign:Quiet", DETECTOR),
    "source": ("nothing", "foreign:Nothing", SOURCE),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_what_the_broken_ones_were_made_of_is_accepted(kind, place, capsys):
    name, value, code = WHOLE[kind]
    bring(place, "foreign-parts", f"{kind}s", name, value, code + "\nprint('hello')\n")
    registry = known(kind)
    assert registry.knows(name)
    assert "foreign" not in sys.modules
    assert registry[name] is registry[name]
    assert registry.versions([name, *registry.own]) == {"foreign-parts": "1.0"}
    assert [(one.name, one.fault) for one in registry.brought()] == [(name, "")]
    assert capsys.readouterr().out == ""  # where results go
    with pytest.raises(UsageError, match=f"Did you mean '{name}'"):
        registry[f"{name}x"]


def test_of_two_packages_with_one_name_neither_is_taken(place):
    bring(place, "alpha", "attacks", "good", "foreign_a:Good", GOOD)
    bring(place, "beta", "attacks", "good", "foreign_b:Good", GOOD)
    registry = known("attack")
    with pytest.raises(ContractError, match="uninstall the package you do not want") as caught:
        registry["good"]
    assert "'alpha 1.0'" in str(caught.value)
    assert "'beta 1.0'" in str(caught.value)
    assert not {"foreign_a", "foreign_b"} & set(sys.modules)
    (found,) = registry.brought()
    assert {*found.package.split(" and ")} == {"alpha 1.0", "beta 1.0"}


def test_of_two_copies_of_a_package_the_first_counts(place, monkeypatch):
    bring(place, "Foreign.Parts", "attacks", "good", "foreign:Good", GOOD)
    (place / "nearer").mkdir()
    bring(place / "nearer", "foreign-parts", "attacks", "good", "foreign:Good", GOOD, version="2.0")
    monkeypatch.syspath_prepend(place / "nearer")
    (found,) = known("attack").brought()
    assert (found.package, found.fault) == ("foreign-parts 2.0", "")


@pytest.mark.parametrize(
    "content", [b"[whitesquare.attacks]\nno equals sign\n", b"[whitesquare.attacks]\n\xff = a:b\n"]
)
def test_a_package_whose_record_is_damaged_stops_nothing(content, place):
    bring(place, "foreign-parts", "attacks", "good", "foreign:Good", GOOD)
    bring(place, "damaged", "attacks", "x", "y")
    (place / "damaged-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    assert [one.name for one in known("attack").brought()] == ["good"]


def test_two_detectors_of_one_rule_do_not_run_in_one_scan(place):
    bring(place, "alpha", "detectors", "quiet", "foreign_a:Quiet", DETECTOR)
    bring(place, "beta", "detectors", "still", "foreign_b:Quiet", DETECTOR.replace('"quiet"', '"still"'))
    script = (
        "from whitesquare.scanning.settings import ScanSettings\n"
        "ScanSettings(detectors=('still',))\n"
        "ScanSettings(detectors=('still', 'quiet'))\n"
    )
    done = python("-c", script, path=place)
    assert "must have a rule id of its own; QQ01 is that of ['still']" in done.stderr


def test_what_is_kept_of_a_plugin_is_computed_anew_when_its_code_changes(place):
    bring(place, "foreign-parts", "attacks", "good", "foreign:Good", GOOD)
    kind = type(known("attack")["good"])
    assert code_beside(type(ATTACKS["stamp"])) == ""
    before = code_beside(kind, type(ATTACKS["stamp"]))
    assert before == code_beside(kind) != ""
    (place / "foreign.py").write_text(GOOD + "# changed\n")
    code_beside.cache_clear()  # as in the next program
    assert code_beside(kind) != before


# From here on as a user types it, in programs of their own.


def python(*arguments, path, code=None, cwd=None):
    env = os.environ | {"COLUMNS": "80", "PYTHONPATH": os.pathsep.join([str(path), str(ROOT / "src")])}
    done = program(*arguments, env=env, cwd=cwd)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


def whitesquare(*arguments, path, code=0):
    done = python("-m", "whitesquare.cli", *arguments, path=path, code=code)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The worked example, built and installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(folder), str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory, tiny):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, tiny, tiny, "npz")
    return folder


def test_the_example_passes_its_own_tests(installed):
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE / "tests", path=installed, cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_the_example_is_listed_with_its_package(installed):
    found = json.loads(whitesquare("list", "-o", "json", path=installed).stdout)
    brought = {
        (kind, name): one["package"]
        for kind in ("attacks", "triggers", "detectors", "sources")
        for name, one in found[kind].items()
        if "package" in one
    }
    names = {("attacks", "washed"), ("triggers", "cross"), ("detectors", "brightness"), ("sources", "netpbm-list")}
    assert brought == dict.fromkeys(names, "whitesquare-example 0.1.0")
    assert found["refused"] == {}
    table = whitesquare("list", path=installed).stdout
    assert table.count("whitesquare-example 0.1.0") == 4
    assert max(map(len, table.splitlines())) <= 80


def test_the_example_poisons(installed, data, tmp_path):
    asked = ("--target", 1, "--count", 5)
    whitesquare("poison", data, "--attack", "washed", *asked, "-o", tmp_path / "a", "--format", "npz", path=installed)
    truth = json.loads((tmp_path / "a" / "ground-truth.json").read_text())
    assert (truth["attack"], truth["trigger"]) == ("washed", "cross:size=3,margin=1,value=255")
    assert truth["parameters"] == {"epsilon": 0.2}
    given = ("--attack", "stamp", "--trigger", "faded:opacity=0.5|cross:size=5", *asked, "--format", "npz")
    whitesquare("poison", data, *given, "-o", tmp_path / "b", path=installed)
    truth = json.loads((tmp_path / "b" / "ground-truth.json").read_text())
    assert truth["trigger"] == "faded:opacity=0.5|cross:size=5,margin=1,value=255"
    for wrong, said in (("cross:size=4", "odd size"), ("cross:sise=4", "Did you mean 'size'"), ("cros", "'cross'")):
        given = ("--attack", "stamp", "--trigger", wrong, *asked, "-o", tmp_path / "c")
        assert said in whitesquare("poison", data, *given, path=installed, code=2).stderr
    assert (
        "There is no attack named 'washed'"
        in python(
            "-m", "whitesquare.cli", "poison", data, "--attack", "washed", *asked, "-o", tmp_path / "c", path=tmp_path
        ).stderr
    )


@pytest.mark.long
def test_a_detector_of_another_package_runs_where_it_is_named(installed, data, tmp_path):
    def scan(detectors):
        file = tmp_path / "scan.json"
        given = ("scan", data, "--model-free", "--detectors", detectors, "-o", f"json={file}")
        sarif = whitesquare(*given, "-o", "sarif", path=installed, code=3).stdout  # so few images
        found = json.loads(file.read_text())
        names = {one["name"] for one in found["detectors"]} | set(found["not_run"])
        return (
            found["versions"],
            names,
            {rule["id"] for rule in json.loads(sarif)["runs"][0]["tool"]["driver"]["rules"]},
        )

    versions, usual, rules = scan("default")
    assert "brightness" not in usual
    assert "XB01" not in rules
    assert "whitesquare-example" not in versions
    assert "brightness" not in scan("all")[1]
    versions, named, rules = scan("brightness,default")
    assert named - usual == {"brightness"}
    assert "XB01" in rules
    assert versions["whitesquare-example"] == "0.1.0"
    assert "Brightness: is an image much" in whitesquare("explain", "XB01", path=installed).stdout
    assert "XB01 brightness" in whitesquare("explain", "brightness", path=installed).stdout


@pytest.mark.long
@pytest.mark.parametrize(
    ("scores", "promise"),
    [
        ("Suspicion(found.scores[1:], found.class_stats)", "must give scores of the shape (60,); got (59,)"),
        ("Suspicion(found.scores, found.class_stats.astype(float))", "must give class_stats as float32; got float64"),
        ("Suspicion(np.full(60, np.inf, np.float32), found.class_stats)", "must give finite scores"),
        ("None", "must give scores as float32; got object"),
    ],
)
def test_scores_that_are_none_are_a_crash_of_that_detector_alone(scores, promise, data, place):
    code = DETECTOR.replace("import unscored", "import Suspicion, unscored").replace(
        "return unscored(evidence)", f"found = unscored(evidence)\n        return {scores}"
    )
    bring(place, "foreign-parts", "detectors", "quiet", "foreign:Quiet", "import numpy as np\n" + code)
    given = ("scan", data, "--model-free", "--detectors", "pixel-contrast,quiet", "-o", "json")
    found = json.loads(whitesquare(*given, path=place, code=2).stdout)
    assert promise in found["not_run"]["quiet"]
    assert "pixel-contrast" not in found["not_run"]


@pytest.mark.long
def test_workers_find_it_too(installed, tmp_path, small_train, small_test):
    train = from_arrays(small_train.images(slice(0, 200)), small_train.labels[:200], classes=small_train.classes)
    test = from_arrays(small_test.images(slice(0, 100)), small_test.labels[:100], classes=small_test.classes)
    write_dataset(tmp_path / "data", train, test, "npz")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        "baseline = false\n[victims.quick]\nepochs = 1\n"
        f"[[grid]]\ndata = '{tmp_path / 'data'}'\nattack = ['washed', 'stamp']\ntrigger = 'cross:size=5'\n"
        "count = 5\nvictim = 'quick'\nvictim_seeds = 1\n"
    )
    place = ("--executor", "processes", "--workers", 1)
    done = whitesquare("bench", plan, *place, "-o", tmp_path / "out", path=installed)
    assert "2 of 2 cells finished" in done.stdout + done.stderr
    assert "washed n=5" in done.stdout


def test_a_data_set_that_only_a_source_of_another_package_knows(installed, tmp_path):
    """PPM files and a list of labels: ours cannot read them, the example can, for every verb that asks for images."""
    rng, data = np.random.default_rng(0), tmp_path / "pictures"
    data.mkdir()
    for name, count in (("labels.txt", 60), ("test-labels.txt", 20)):
        lines = [f"{name[:4]}{i}.ppm {i % 10}\n" for i in range(count)]
        for line in lines:
            (data / line.split()[0]).write_bytes(b"P6\n32 32\n255\n" + rng.bytes(3072))
        (data / name).write_text("".join(lines))
    asked = ("--attack", "stamp", "--target", 1, "--count", 3, "--format", "npz")
    whitesquare("poison", data, *asked, "-o", tmp_path / "run", path=installed)
    assert load_npz(tmp_path / "run" / "test.npz").images(slice(None)).shape == (20, 3, 32, 32)
    found = json.loads(whitesquare("scan", data, "--model-free", "-o", "json", path=installed, code=3).stdout)
    assert found["size"] == 60
    alone = whitesquare("scan", data, "--model-free", path=ROOT, code=2)
    assert "no class folder with images" in alone.stderr
    (data / "labe0.ppm").write_bytes(b"P6\n32 32\n255\ncut")
    assert "3 bytes of pixels, expected 3072" in whitesquare("scan", data, path=installed, code=2).stderr


def test_a_source_that_fails_or_shares_a_data_set_is_told_by_its_name(place):
    knowing = SOURCE.replace('return source == "nothing"', 'return source == "these"')
    bring(place, "first", "sources", "nothing", "foreign_first:Nothing", knowing)
    bring(
        place, "wild", "sources", "wild", "foreign_wild:Nothing", SOURCE.replace('return source == "nothing"', "1 / 0")
    )
    ask = "from whitesquare.data import open_dataset\nopen_dataset({!r})"
    assert "'nothing' of another package failed to open these: NotImplementedError" in said(ask.format("these"), place)
    missing = said(ask.format("those"), place)
    assert "There is no file or folder 'those'" in missing
    assert "source 'wild'" in missing
    bring(place, "second", "sources", "other", "foreign_second:Nothing", knowing.replace('"nothing"', '"other"'))
    assert "known to the sources 'nothing' and 'other'" in said(ask.format("these"), place)


def said(code, place):
    """The last line of what a program that fails writes."""
    return python("-c", code, path=place, code=1).stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Packages that are broken in every way at once, and whose import leaves a mark."""
    folder = tmp_path_factory.mktemp("broken")
    mark = f"open({str(folder / 'mark')!r}, 'w').close()\n"
    bring(folder, "bad-attack", "attacks", "bad", "foreign_raises:Bad", mark + "1 / 0")
    bring(folder, "bad-name", "attacks", "\x1b[2Jname", "foreign_name:Bad", mark)
    bring(folder, "bad-trigger", "triggers", "bad", "foreign_exits:Bad", mark + "raise SystemExit(0)")
    bring(folder, "bad-detector", "detectors", "bad", "foreign_type:Bad", mark + "Bad = 3")
    bring(folder, "bad-source", "sources", "bad", "foreign_absent:Bad")
    bring(folder, "thief", "detectors", "pixel-contrast", "foreign_type:Bad")
    return folder


@pytest.mark.long
def test_nobody_imports_a_plugin_that_was_not_asked_for(broken, data, tmp_path):
    asked = ("--attack", "stamp", "--target", 1, "--count", 5, "--format", "npz")
    whitesquare("--help", path=broken)
    whitesquare("poison", data, *asked, "-o", tmp_path / "run", path=broken)
    whitesquare("scan", data, "--model-free", path=broken, code=3)
    whitesquare("keygen", "-o", tmp_path / "keys" / "alice", "--role", "data", "--no-password", path=broken)
    (tmp_path / "trust").mkdir()
    for end in ("pub", "toml"):
        (tmp_path / "keys" / f"alice.{end}").rename(tmp_path / "trust" / f"alice.{end}")
    whitesquare("attest", data, "--key", tmp_path / "keys" / "alice.pem", "-o", tmp_path / "a", path=broken)
    bundle = ("--bundle", tmp_path / "a" / "manifest.sigstore.json", "--trust", tmp_path / "trust")
    whitesquare("verify", data, *bundle, path=broken)
    whitesquare("gate", "--init", tmp_path / "policy.toml", path=broken)
    whitesquare("gate", data, "--policy", tmp_path / "policy.toml", path=broken, code=None)
    assert not (broken / "mark").exists()


def test_verbs_that_prove_do_not_even_look_for_plugins(broken):
    for module in ("cli", "provenance.verify", "gating.collect", "gating.release", "inventory.facts"):
        script = f"import sys, whitesquare.{module}\nassert 'whitesquare.plugins' not in sys.modules"
        python("-c", script, path=broken, code=0)


def test_list_shows_what_is_broken_and_everything_else(broken):
    done = whitesquare("list", "-o", "json", path=broken)
    found = json.loads(done.stdout)
    packages = {name: one["package"] for name, one in found["refused"].items()}
    assert packages == {
        "attack bad": "bad-attack 1.0",
        "attack \x1b[2Jname": "bad-name 1.0",
        "trigger bad": "bad-trigger 1.0",
        "detector bad": "bad-detector 1.0",
        "detector pixel-contrast": "thief 1.0",
        "source bad": "bad-source 1.0",
    }
    assert set(ATTACKS) == set(found["attacks"])
    table = whitesquare("list", path=broken).stdout
    assert "\x1b" not in table
    assert "ZeroDivisionError: division by zero" in " ".join(table.split())
    assert "adaptive" in table


def test_who_asks_for_a_broken_one_is_told_its_package(broken, data, tmp_path):
    asked = ("--target", 1, "--count", 5, "-o", tmp_path / "run")
    for given, package in (
        (("poison", data, "--attack", "bad", *asked), "bad-attack"),
        (("poison", data, "--attack", "\x1b[2Jname", *asked), "bad-name"),
        (("poison", data, "--attack", "stamp", "--trigger", "bad", *asked), "bad-trigger"),
        (("scan", data, "--model-free", "--detectors", "default,bad"), "bad-detector"),
        (("explain", "bad"), "bad-detector"),
    ):
        done = whitesquare(*given, path=broken, code=2)
        assert done.stderr.startswith("Error: The ")
        assert f"{package} 1.0" in done.stderr
        assert "\x1b" not in done.stderr
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
