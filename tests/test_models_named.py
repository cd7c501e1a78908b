"""Models that the shell names: code, weights, saved files; what is refused, and that the mend which is told works."""

import json
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from whitesquare.data import write_dataset
from whitesquare.errors import UsageError
from whitesquare.learning.brought.kinds import bring
from whitesquare.learning.brought.types import Wanted

from .provenance.attesting import run
from .test_classifier import NAMES, colours
from .test_models import Tint

FEW = ("--detectors", "activation-clustering")
CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.avgpool, self.fc = nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Linear(3, 4)

    def forward(self, x):
        return self.fc(self.avgpool(self.body(x)).flatten(1))

def build():
    return Net()

made = Net()

def fails():
    raise RuntimeError("no such weights")

def leaves():
    raise SystemExit(0)

def wants(classes):
    return Net()

def nothing():
    return {"fc.weight": torch.zeros(3)}

number = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current directory with data, the user's code and weights; what it imported is forgotten."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    write_dataset(tmp_path / "data", colours(240), colours(80, seed=1), "npz")
    (tmp_path / "mynet.py").write_text(CODE)
    save_file(Tint().state_dict(), tmp_path / "w.safetensors")
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("mynet", "broken", "leaving", "deep", "lacking"):
            del sys.modules[name]


def scan(*options, code=3):
    """Scan by a detector that only ranks, which raises no alarm."""
    done = run("scan", "data", *FEW, "-o", "json=scan.json", *options, code=code)
    return done, " ".join(done.stderr.split())


def refused(*options):
    return scan(*options, code=2)[1]


def warnings():
    return json.loads(Path("scan.json").read_text())["warnings"]


@pytest.mark.parametrize("name", ["build", "Net", "made"])
def test_code_in_the_current_directory_is_run_and_told_and_given_its_weights(name, here):
    path = list(sys.path)
    _, told = scan("--model", f"mynet:{name}", "--weights", "w.safetensors", "--layer", "avgpool")
    assert "The model read 240 samples: accuracy 100.0 %, the output of layer 'avgpool', 3 features." in told
    found = json.loads((here / "scan.json").read_text())
    assert f"The code of mynet ({here / 'mynet.py'}) was imported and run" in " ".join(found["warnings"])
    assert found["model"] == sha256((here / "w.safetensors").read_bytes()).hexdigest()
    assert sys.path == path


def test_code_in_a_package_is_found_and_a_preprocess_is_read(here):
    (here / "deep").mkdir()
    (here / "deep" / "__init__.py").touch()
    (here / "deep" / "nets.py").write_text(CODE)
    (here / "model.toml").write_text("white = 255\n")
    state = Tint().state_dict()
    state["body.weight"] = state["body.weight"] / 255
    save_file(state, here / "scaled.safetensors")
    options = ("--model", "deep.nets:build", "--weights", "scaled.safetensors")
    _, told = scan(*options, "--preprocess", "model.toml")
    assert "accuracy 100.0 %" in told
    scan(*options, code=2)
    assert "white = 255" in " ".join(warnings())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mynet:biuld", "has no 'biuld'; did you mean 'build'?"),
        ("mynett:build", "There is no module 'mynett'"),
        ("mynett:build", "Did you mean mynet:build?"),
        ("mynet:fails", "mynet:fails() failed: RuntimeError: no such weights"),
        ("mynet:leaves", "mynet:leaves() failed: SystemExit: 0"),
        ("mynet:wants", "expected a function without arguments that returns the network"),
        ("mynet:nothing", "mynet:nothing gives a dict, and a network was expected"),
        ("mynet:number", "is a int and cannot be called"),
        ("broken:build", "The code of broken failed when it was imported: SyntaxError"),
        ("leaving:build", "The code of leaving failed when it was imported: SystemExit: 0"),
        ("lacking:build", "needs the module nosuchthing, which is not installed"),
        ("timm", "There is no model timm"),
        ("rimm:resnet18:x", "There is no model rimm:resnet18:x"),
    ],
)
def test_code_that_gives_no_network_is_refused_in_a_sentence(name, words, here):
    (here / "broken.py").write_text("def build(:\n")
    (here / "leaving.py").write_text("import sys\nsys.exit(0)\n")
    (here / "lacking.py").write_text("import nosuchthing\n")
    assert words in refused("--model", name)
    assert not (here / "scan.json").exists()


def test_weights_that_do_not_fit_are_named(here):
    state = Tint().state_dict()
    save_file({"fc.weight": torch.zeros(7, 3), "fc.bias": state["fc.bias"], "more": torch.zeros(1)}, "w.safetensors")
    said = refused("--model", "mynet:build", "--weights", "w.safetensors")
    for words in ("do not fit the network Net", "missing: body.weight", "unknown: more",
                  "of another shape: fc.weight (7 x 3 for 4 x 3)"):  # fmt: skip
        assert words in said


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod."])
def test_what_a_wrapper_put_before_the_names_of_weights_is_left_out_and_told(prefix, here):
    state = {f"{prefix}{name}": tensor for name, tensor in Tint().state_dict().items()}
    save_file(state | {"epoch": torch.zeros(1)}, "w.safetensors")
    _, told = scan("--model", "mynet:build", "--weights", "w.safetensors")
    assert "accuracy 100.0 %" in told
    assert any(f"begin with '{prefix}'" in one for one in warnings())


def test_weights_that_are_none_are_refused(here):
    (here / "zip.safetensors").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "cannot be read as safetensors" in refused("--model", "mynet:build", "--weights", "zip.safetensors")
    assert "There is no file of weights" in refused("--model", "mynet:build", "--weights", "none.safetensors")
    (here / "w.npz").write_bytes(b"PK")
    assert "are not a .safetensors file" in refused("--model", "mynet:build", "--weights", "w.npz")
    assert "holds weights, and nothing beside it says of which network" in refused("--model", "w.safetensors")


@pytest.mark.long
@pytest.mark.parametrize(
    ("suffix", "wrapped"), [(".pt", None), (".pth", "model"), (".ckpt", "state_dict"), (".bin", None)]
)
def test_a_pickle_is_refused_with_a_command_that_converts_it(suffix, wrapped, here):
    state = Tint().state_dict()
    name = f"my model{suffix}"
    torch.save(state if wrapped is None else {wrapped: state, "epoch": 3}, here / name)
    for options in (("--model", name), ("--model", "mynet:build", "--weights", name)):
        assert "is a pickle or may be one" in refused(*options)
    with pytest.raises(UsageError) as error:
        bring(name, Wanted(NAMES, (3, 16, 16)))
    command = shlex.split(str(error.value).partition("convert it: ")[2])
    subprocess.run([sys.executable, *command[1:]], check=True, cwd=here)
    _, told = scan("--model", "mynet:build", "--weights", "my model.safetensors")
    assert "accuracy 100.0 %" in told


def test_no_pickle_is_read_whatever_it_is_called(here):
    """A file that would run code when it is unpickled, under every name that a model or its weights can have."""

    class Boom:
        def __reduce__(self):
            return open, (str(here / "ran"), "w")

    for suffix in (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".safetensors", ".onnx", ".pt2", ".json", ""):
        path = here / f"boom{suffix}"
        torch.save(Boom(), path)
        refused("--model", path)
        refused("--model", "mynet:build", "--weights", path)
        run("measure", path, code=2)
    assert not (here / "ran").exists()


def test_a_program_of_torch_export_is_refused_with_the_reason_and_the_way(here):
    program = torch.export.export(Tint().eval(), (torch.zeros(2, 3, 16, 16),))
    torch.export.save(program, here / "m.pt2")
    said = refused("--model", "m.pt2")
    for words in ("unpickling", "safetensors.torch.save_file", "torch.onnx.export"):
        assert words in said
    state = {name: tensor.contiguous() for name, tensor in torch.export.load(here / "m.pt2").state_dict.items()}
    save_file(state, here / "from.safetensors")
    assert "accuracy 100.0 %" in scan("--model", "mynet:build", "--weights", "from.safetensors")[1]


def test_options_that_say_how_a_model_is_asked_need_one(here):
    assert "--weights and --layer say how a model is asked" in refused("--weights", "w.safetensors", "--layer", "fc")
    run("train", "data", "--epochs", 1, "-o", "ours")
    assert "is a model of `whitesquare train`" in refused("--model", "ours", "--layer", "3")


def test_a_classifier_that_code_builds_is_taken(here):
    (here / "deep.py").write_text(
        "import numpy as np\nclass Mine:\n"
        "    classes, device, feature_layer = ('red', 'green', 'blue', 'grey'), 'cpu', 'x'\n"
        "    def features(self, images):\n        return images.mean((2, 3), dtype=np.float32)\n"
        "    def logits(self, images):\n"
        "        m = 60 + 90 * np.eye(4, 3, dtype=np.float32)\n"
        "        return -np.abs(self.features(images)[:, None] - m).sum(2)\n"
    )
    assert "accuracy 100.0 %" in scan("--model", "deep:Mine")[1]
    for option, value in (("--weights", "w.safetensors"), ("--layer", "fc")):
        assert "leave --weights, --preprocess and --layer out" in refused("--model", "deep:Mine", option, value)


def test_a_model_that_is_named_is_measured(here):
    done = run(
        *("measure", "mynet:build", "--weights", "w.safetensors", "--data", "data", "--trigger", "patch:size=2"),
        *("-o", "json"),
    )
    assert json.loads(done.stdout)["ca"]["value"] == 1
    said = " ".join(done.stderr.split())
    assert "The code of mynet" in said
    assert "The model read 80 samples: accuracy 100.0 %" in said
    run("measure", "mynet:build", "--weights", "w.safetensors", "--trigger", "patch:size=2", code=2)
    run("measure", "mynet:build", "--weights", "w.safetensors", "--data", "data", code=2)


def test_noise_read_at_chance_by_a_named_model_is_not_decided(here):
    save_file({name: torch.zeros_like(one) for name, one in Tint().state_dict().items()}, "zero.safetensors")
    done, told = scan("--model", "mynet:build", "--weights", "zero.safetensors", "-o", "table", code=2)
    assert "accuracy 25.0 %" in told
    assert "Not decided: the model has learned nothing" in done.stdout
