"""The command line as a user types it: outputs, exit codes, errors that say what to do."""

import gzip
import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.patience import PATIENCE
from tests.programs import python
from whitesquare.cli import app
from whitesquare.data import from_arrays, write_dataset

WHITESQUARE = [sys.executable, "-m", "whitesquare.cli"]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments):
    """Run a command in this process, which has loaded everything already."""
    done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="whitesquare")
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.exit_code, done.stdout, done.stderr)


def start(*arguments, env=None):
    """Run a command in a process of its own, as a user does."""
    done = python("-m", "whitesquare.cli", *arguments, env=os.environ | {"COLUMNS": "80"} | (env or {}))
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def data(tmp_path_factory, small_train, small_test):
    """A foreign MNIST-format folder of 3,000 and 1,000 images."""
    folder = tmp_path_factory.mktemp("data")
    part = from_arrays(small_train.images(slice(0, 3000)), small_train.labels[:3000], classes=small_train.classes)
    test = from_arrays(small_test.images(slice(0, 1000)), small_test.labels[:1000], classes=small_test.classes)
    write_dataset(folder / "mine", part, test, "idx")
    return folder / "mine"


@pytest.fixture(scope="module")
def story(tmp_path_factory, data):
    """poison, train, measure, as the README says."""
    folder = tmp_path_factory.mktemp("story")
    poisoned = start("poison", data, "--attack", "label-flip", "--target", 0, "--count", 150, "-o", folder / "run")
    assert poisoned.returncode == 0, poisoned.stderr
    for seed in (7, 8):
        victim = folder / "run" / f"victim-{seed}"
        trained = start("train", folder / "run", "--seed", seed, "--epochs", 6, "-o", victim)
        assert trained.returncode == 0, trained.stderr
        measured = start("measure", victim, "-o", f"json={folder}/m{seed}.json")
        assert measured.returncode == 0, measured.stderr
    return folder


@pytest.mark.long
def test_poison_writes_files_any_mnist_reader_loads(story, data):
    def read(path):
        content = gzip.decompress(path.read_bytes())
        dimensions = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
        return np.frombuffer(content[4 + 4 * content[3] :], np.uint8).reshape(dimensions)

    truth = json.loads((story / "run" / "ground-truth.json").read_text())
    chosen = np.array([int(name.removeprefix("train/")) for name in truth["ids"]])
    before, after = (read(folder / "train-images-idx3-ubyte.gz") for folder in (data, story / "run"))
    assert np.flatnonzero((before != after).any((1, 2))).tolist() == chosen.tolist()
    assert (after[chosen, 25:27, 25:27] == 255).all()
    labels = read(story / "run" / "train-labels-idx1-ubyte.gz")
    assert (labels[chosen] == 0).all()
    assert truth["labels_changed"] == 150
    config = json.loads((story / "run" / "config.json").read_text())
    assert (config["attack"], config["count"], config["seed"]) == ("label-flip", 150, 0)


def test_measure_knows_the_runs_trigger_and_target(story):
    victim = story / "run" / "victim-7"
    shown = run("measure", victim, "-o", "json")
    found = json.loads(shown.stdout)
    assert found == json.loads((story / "m7.json").read_text())
    for row in found["confusion"]:  # each row of it is a line
        assert f"[{', '.join(map(str, row))}]" in shown.stdout
    assert found["asr"]["value"] > 0.8
    assert found["ca"]["n"] == 1000
    assert found["asr"]["low"] <= found["asr"]["value"] <= found["asr"]["high"]
    other = json.loads(run("measure", victim, "--trigger", "patch:corner=tl", "--target", 1, "-o", "json").stdout)
    assert other["asr"]["value"] < 0.2
    run("measure", victim)


def test_models_are_safetensors_and_json_only(story):
    names = {path.name for path in (story / "run" / "victim-7").iterdir()}
    assert names == {"model.safetensors", "model.json", "victim.json", "whitesquare.json"}


@pytest.mark.long
def test_report_renders_the_measured_victims(story, tmp_path):
    page, figures = tmp_path / "report.html", tmp_path / "figures"
    done = run("report", story / "run", "-o", f"html={page}", "-o", "json", "--figures", figures)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert (row["attack"], row["asr"]["n"], row["count"]) == ("label-flip", 2, 150)
    assert page.read_text().startswith("<!doctype html>")
    assert {path.suffix for path in figures.iterdir()} == {".svg", ".png"}
    assert "label-flip" in start("report", story / "run").stdout


def test_the_same_seed_writes_the_same_bytes(story, data, tmp_path):
    run("poison", data, "--attack", "label-flip", "--target", 0, "--count", 150, "-o", tmp_path / "run")
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "ground-truth.json", "config.json"):
        assert (tmp_path / "run" / name).read_bytes() == (story / "run" / name).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("fmt", ["npz", "png-folder"])
def test_other_forms_can_be_trained_on_and_measured(fmt, data, tmp_path):
    out = tmp_path / "run"
    asked = ("--attack", "stamp", "--target", 0, "--rate", 0.01, "--format", fmt)
    assert run("poison", data, *asked, "-o", out).returncode == 0
    assert run("train", out, "--epochs", 1, "-o", out / "victim").returncode == 0
    found = json.loads(run("measure", out / "victim", "-o", "json").stdout)
    assert found["ca"]["value"] > 0.5
    truth = json.loads((out / "ground-truth.json").read_text())
    if fmt == "png-folder":
        assert all((out / name).is_file() for name in truth["ids"])


@pytest.mark.long
def test_cifar_files_stay_cifar_files(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 120, (600, 3, 32, 32), dtype=np.uint8), np.arange(600) % 3
    mine = from_arrays(images, labels, classes=("cat", "dog", "owl"), layout="NCHW")
    write_dataset(tmp_path / "mine", mine, mine, "cifar10")
    asked = ("--attack", "stamp", "--target", 1, "--count", 20, "--format", "cifar10")
    assert run("poison", tmp_path / "mine", *asked, "-o", tmp_path / "run").returncode == 0
    run("scan", tmp_path / "run", "--model-free", "-o", f"json={tmp_path / 'scan.json'}")
    done = run("cleanse", tmp_path / "run", "--scan", tmp_path / "scan.json", "--top", 20, "-o", tmp_path / "cleaned")
    assert done.returncode == 0, done.stderr
    removed = [one["id"] for one in json.loads((tmp_path / "cleaned" / "removed.json").read_text())["removed"]]
    assert removed
    records = np.fromfile(tmp_path / "run" / "data_batch_1.bin", np.uint8).reshape(600, 3073)
    kept = np.delete(records, [int(name.removeprefix("train/")) for name in removed], axis=0)
    assert (tmp_path / "cleaned" / "data_batch_1.bin").read_bytes() == kept.tobytes()
    assert (tmp_path / "cleaned" / "test_batch.bin").read_bytes() == (tmp_path / "mine" / "test_batch.bin").read_bytes()
    assert (tmp_path / "cleaned" / "batches.meta.txt").read_text() == "cat\ndog\nowl\n"


def test_training_on_data_whitesquare_did_not_write(data, tmp_path):
    assert run("train", data, "--epochs", 1, "-o", tmp_path / "x").returncode == 0
    asked = run("measure", tmp_path / "x")
    assert asked.returncode == 2
    assert "--trigger patch:size=2,corner=br,margin=1" in asked.stderr
    found = run("measure", tmp_path / "x", "--trigger", "patch:size=2,corner=br,margin=1", "--target", 0, "-o", "json")
    assert json.loads(found.stdout)["target"] == 0


def test_settings_reach_the_attack(data, tmp_path):
    asked = ("--attack", "stamp", "--target", 3, "--count", 5, "--set", "training_opacity=0.5")
    assert run("poison", data, *asked, "-o", tmp_path / "run").returncode == 0
    truth = json.loads((tmp_path / "run" / "ground-truth.json").read_text())
    assert truth["parameters"] == {"training_opacity": 0.5, "select": "random"}
    assert truth["training_trigger"].startswith("faded:opacity=0.5|patch:")


def test_a_selection_reaches_the_attack(data, tmp_path):
    asked = ("--attack", "stamp", "--target", 3, "--count", 5)
    assert run("poison", data, *asked, "--select", "complexity", "-o", tmp_path / "run").returncode == 0
    truth = json.loads((tmp_path / "run" / "ground-truth.json").read_text())
    assert truth["parameters"]["select"] == "complexity"
    refused = run("poison", data, *asked, "--select", "smooth", "-o", tmp_path / "other")
    assert refused.returncode == 2
    assert "no selection named 'smooth'; known: complexity, forgetting, loss, random" in refused.stderr


def test_colour_is_written_as_npz_and_what_idx_cannot_hold_is_refused_before_the_crafting(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 28, 28), dtype=np.uint8)
    write_dataset(tmp_path / "data", from_arrays(images, np.arange(40) % 2, layout="NCHW"), None, "npz")
    asked = ("poison", tmp_path / "data", "--attack", "label-consistent", "--target", 1, "--count", 5)
    refused = run(*asked, "--format", "idx", "-o", tmp_path / "idx")
    assert refused.returncode == 2
    assert "IDX files hold grey images, found 3 channels; write npz or png-folder instead" in refused.stderr
    assert "training" not in refused.stderr
    assert run(*asked, "--set", "steps=2", "-o", tmp_path / "run").returncode == 0
    assert (tmp_path / "run" / "train.npz").is_file()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["format"] == "npz"


def test_on_windows_one_sentence_says_where_it_runs():
    """There ``fcntl`` and ``resource`` do not exist; the sentence comes before anything misses them."""
    code = (
        "import sys; sys.modules['fcntl'] = sys.modules['resource'] = None\n"
        "from whitesquare.cli import main\n"
        "sys.platform = 'win32'; sys.argv = ['whitesquare', 'list']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: whitesquare runs on Linux and macOS, and this is Windows; start it in WSL.\n"


def test_list_and_help_and_version():
    found = json.loads(run("list", "-o", "json").stdout)
    assert {"stamp", "label-flip", "label-consistent", "adaptive"} <= set(found["attacks"])
    assert found["attacks"]["adaptive"]["clean_label"] is True
    assert found["attacks"]["checkerboard"]["parameters"]["select"] == "complexity"
    assert set(found["selections"]) == {"random", "complexity", "loss", "forgetting"}
    table = start("list").stdout
    for name in ("adaptive", "patch", "resnet", "png-folder"):
        assert name in table
    assert max(map(len, table.splitlines())) <= 80
    assert start("--version").stdout.startswith("whitesquare 0.")
    for verb in ("demo", "poison", "train", "measure", "report", "list"):
        assert run(verb, "--help").returncode == 0


BAD = [
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 0], "at least 1"),
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--rate", 0], "above 0 and below 1"),
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--rate", -1], "above 0 and below 1"),
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 2999], "there are 285"),
    (["poison", "DATA", "--attack", "stamp", "--target", 11, "--count", 1], "target class 11 has no sample"),
    (["poison", "DATA", "--attack", "stmp", "--target", 0, "--count", 1], "Did you mean 'stamp'"),
    (["poison", "DATA", "--attack", "stamp", "--target", 0], "either a poison rate or a count"),
    (["poison", "DATA", "--attack", "adaptive", "--target", 0, "--count", 1, "--epsilon", 1], "'epsilon'"),
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 1, "--epsilon", 0.1], "no parameter"),
    (
        ["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 1, "--trigger", "patch:size=30"],
        "does not fit",
    ),
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 1, "--set", "x"], "parameter=value"),
    (
        ["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 1, *2 * ["--set", "select=loss"]],
        "given twice",
    ),
    (
        [
            "poison",
            "DATA",
            "--attack",
            "stamp",
            "--target",
            0,
            "--count",
            1,
            "--set",
            "select=loss",
            "--select",
            "random",
        ],
        "'select' of the attack is given twice",
    ),
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 1, "--seed", -1], "whole number from 0 on"),
    (["poison", "nowhere", "--attack", "stamp", "--target", 0, "--count", 1], "There is no file or folder"),
    (["poison", "DATA", "--attack", "stamp", "--target", 0, "--count", 1, "--format", "zip"], "zip"),
    (["train", "DATA", "--model", "cnm"], "Did you mean 'cnn'"),
    (["train", "DATA", "--epochs", 0], "at least 1"),
    (["train", "DATA", "--learning-rate", 1e30, "--optimiser", "sgd"], "diverged"),
    (["train", "DATA", "--seed", -1], "seed of a training"),
    (["demo", "--seeds", 0], "at least 1"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(arguments, message, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [data if item == "DATA" else item for item in arguments]
    done = run(*given, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_strangers_folder_is_left_alone(data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    for verb in (["poison", data, "--attack", "stamp", "--target", 0, "--count", 1], ["train", data], ["demo"]):
        done = run(*verb, "-o", tmp_path / "out")
        assert done.returncode == 2
        assert "was not written by whitesquare" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_full_disk_leaves_nothing(data, tmp_path):
    limited = ["bash", "-c", 'ulimit -f 100; exec "$@"', "bash", *WHITESQUARE]
    asked = ["poison", str(data), "--attack", "stamp", "--target", "0", "--count", "5", "-o", str(tmp_path / "run")]
    done = subprocess.run([*limited, *asked], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert "refused to read or write" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_evidence_is_not_a_pass(story, data, tmp_path):
    asked = ("--attack", "stamp", "--target", 0, "--count", 5)
    assert run("poison", data, *asked, "-o", tmp_path / "run").returncode == 0
    done = run("report", tmp_path / "run")
    assert done.returncode == 3
    assert "holds no measured victim" in done.stderr
    assert run("report", tmp_path).returncode == 2
    for wrong in ("jsn", "html=", "table=x", "sarif"):
        assert run("report", story / "run", "-o", wrong).returncode == 2


def test_names_from_the_data_cannot_write_to_the_terminal(tmp_path):
    from PIL import Image

    folder = tmp_path / "data" / "a"
    folder.mkdir(parents=True)
    Image.new("L", (12, 12)).save(folder / "evil\x1b[31m\nname.png")
    done = run("train", tmp_path / "data", "-o", tmp_path / "x")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_nothing_is_coloured_off_a_terminal(story):
    assert "\x1b" not in start("report", story / "run").stdout
    assert "\x1b" not in start("list", env={"FORCE_COLOR": "", "NO_COLOR": "1"}).stdout


@pytest.fixture(scope="module")
def core_only(tmp_path_factory):
    """Run commands where the extra [train] is missing: torch cannot be found."""
    folder = tmp_path_factory.mktemp("core")
    hidden = (
        "from importlib.machinery import PathFinder\n"
        "real = PathFinder.find_spec\n"
        "def find_spec(name, path=None, target=None):\n"
        "    return None if name.split('.')[0] == 'torch' else real(name, path, target)\n"
        "PathFinder.find_spec = staticmethod(find_spec)\n"
    )
    (folder / "sitecustomize.py").write_text(hidden)
    env = os.environ | {"COLUMNS": "80", "PYTHONPATH": str(folder)}

    def run_without(*arguments):
        command = [*WHITESQUARE, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run_without


@pytest.mark.long
def test_without_torch_the_core_works_and_the_rest_says_what_to_install(core_only, data, story, tmp_path):
    assert core_only("--help").returncode == 0
    assert core_only("list").returncode == 0
    assert core_only("report", story / "run").returncode == 0
    asked = ("--attack", "stamp", "--target", 0, "--count", 5)
    assert core_only("poison", data, *asked, "-o", tmp_path / "run").returncode == 0
    adaptive = ("poison", data, "--attack", "adaptive", "--target", 0, "--count", 5)
    for verb in (("train", data), ("demo",), adaptive):
        done = core_only(*verb, "-o", tmp_path / "x")
        assert done.returncode == 2
        assert "pip install 'whitesquare[train]'" in done.stderr
    done = core_only("measure", story / "run" / "victim-7")
    assert "pip install 'whitesquare[train]'" in done.stderr


def test_a_damaged_embedded_file_is_named(tmp_path, monkeypatch):
    import whitesquare.data.sources.mnist as embedded

    copy = tmp_path / "mnist"
    copy.mkdir()
    for path in Path(embedded.FOLDER).glob("*.gz"):
        (copy / path.name).write_bytes(path.read_bytes())
    target = copy / "train-labels-idx1-ubyte.gz"
    target.write_bytes(target.read_bytes()[:-1] + bytes([target.read_bytes()[-1] ^ 1]))
    code = (
        "import sys, pathlib, whitesquare.data.sources.mnist as m\n"
        f"m.FOLDER = pathlib.Path({str(copy)!r})\n"
        f"sys.argv = ['whitesquare', 'train', 'mnist', '-o', {str(tmp_path / 'x')!r}]\n"
        "from whitesquare.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "train-labels-idx1-ubyte.gz" in done.stderr
    assert not (tmp_path / "x").exists()
