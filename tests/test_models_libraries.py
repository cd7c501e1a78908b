"""Networks of libraries, from files that lie here: built by name, never downloaded, and given their own weights."""

import json
import sys
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from whitesquare.errors import DataError, MissingDependencyError, UsageError
from whitesquare.learning.brought.hf import hf_preprocess
from whitesquare.learning.brought.kinds import bring
from whitesquare.learning.brought.types import Wanted
from whitesquare.learning.preprocess import Preprocess

from .test_classifier import NAMES, colours
from .test_models import Tint, scanned

STAND_IN = """
from . import models
"""
STAND_IN_MODELS = """
from torch import nn

class ResNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv1, self.avgpool = nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, num_classes)

    def forward(self, x):
        return self.fc(self.avgpool(self.conv1(x)).flatten(1))

def list_models(module=None):
    return ["resnet18"]

def get_model(name, *, weights="DEFAULT", num_classes=1000):
    assert name == "resnet18"
    assert weights is None, "nothing is downloaded"
    return ResNet(num_classes)
"""


def learned(network, preprocess=None, steps=40):
    """Train a network on the colours until it reads them."""
    data = colours(240)
    images, labels = (
        torch.from_numpy(data.images(slice(None)).copy()).float() / 255,
        torch.from_numpy(data.labels.copy()),
    )
    images = preprocess(images) if preprocess else images
    optimiser = torch.optim.Adam(network.parameters(), 0.003)
    network.train()
    for _ in range(steps):
        found = network(images)
        optimiser.zero_grad()
        nn.functional.cross_entropy(getattr(found, "logits", found), labels).backward()
        optimiser.step()
    return network.eval()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A package with the interface of torchvision, which does not install beside every PyTorch."""
    for name in [one for one in sys.modules if one.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    package = tmp_path / "packages" / "torchvision"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    (package / "models" / "__init__.py").write_text(STAND_IN_MODELS)
    monkeypatch.syspath_prepend(package.parent)
    yield
    for name in [one for one in sys.modules if one.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def test_a_network_of_torchvision_is_given_its_weights(stand_in, tmp_path):
    state = {name.replace("body", "conv1"): tensor for name, tensor in Tint().state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    result, told = scanned("torchvision:resnet18", weights=tmp_path / "w.safetensors", layer="avgpool")
    assert "accuracy 100.0 %, the output of layer 'avgpool', 3 features" in told[0]
    assert result.warnings == ("Its features are 3 x 1 x 1, of which the mean over places is taken.",)
    with pytest.raises(UsageError, match="torchvision knows no network 'resnet81'; near it: resnet18"):
        scanned("torchvision:resnet81", weights=tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="nothing is downloaded here; give the weights"):
        scanned("torchvision:resnet18")
    save_file({"fc.bias": torch.zeros(9)}, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"missing: conv1\.weight, fc\.weight; of another.*\.bias \(9 for 4\)"):
        scanned("torchvision:resnet18", weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("timm:resnet18", "timm", "timm"),
        ("hf:x", "transformers", "hf"),
        ("torchvision:x", "torchvision", "torchvision"),
    ],
)
def test_a_library_that_is_not_installed_is_told_with_its_extra(name, module, extra, tmp_path):
    if find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(MissingDependencyError, match=rf"needs {module}; install it with: .*whitesquare\[{extra}\]"):
        bring(name, Wanted(NAMES, (3, 16, 16)))


def test_a_network_of_timm_is_given_its_weights_and_its_default_preprocess(tmp_path):
    timm = pytest.importorskip("timm", reason="the extra [timm] is not installed")
    preprocess = Preprocess((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    network = learned(timm.create_model("resnet10t", num_classes=4), preprocess)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    result, told = scanned("timm:resnet10t", weights=tmp_path / "w.safetensors")
    assert "accuracy 100.0 %, the input of layer 'fc', 512 features" in told[0]
    assert result.warnings == (f"Its images are given as timm trains it by default: {preprocess}.",)
    with pytest.raises(UsageError, match="timm knows no network 'resnet10x'; near it: resnet10t"):
        scanned("timm:resnet10x", weights=tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="nothing is downloaded here"):
        scanned("timm:resnet10t")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that save_pretrained of transformers wrote, of a network that was trained on normalised images."""
    transformers = pytest.importorskip("transformers", reason="the extra [hf] is not installed")
    place = tmp_path_factory.mktemp("hf") / "net"
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=4,
        id2label=dict(enumerate(NAMES)), label2id={name: i for i, name in enumerate(NAMES)},
    )  # fmt: skip
    learned(transformers.ResNetForImageClassification(config), Preprocess(0.5, 0.5)).save_pretrained(place)
    processor = {"do_resize": False, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (place / "preprocessor_config.json").write_text(json.dumps(processor))
    return place


def copied(folder, place, config=None, weights=None):
    """Copy a folder of transformers with another config or other weights."""
    place.mkdir()
    known = json.loads((folder / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(known | (config or {})))
    state = load_file(folder / "model.safetensors")
    save_file(weights(state) if weights else state, place / "model.safetensors", {"format": "pt"})
    (place / "preprocessor_config.json").write_bytes((folder / "preprocessor_config.json").read_bytes())
    return place


def test_a_folder_of_transformers_is_read_with_its_preprocess_and_its_classes(folder):
    result, told = scanned(f"hf:{folder}")
    assert "accuracy 100.0 %, the input of layer 'classifier.1', 16 features" in told[0]
    said = " ".join(result.warnings)
    assert "as its preprocessor_config.json says: mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]" in said
    assert "whose logits are taken" in said
    assert len(result.model) == 64
    with pytest.raises(UsageError, match="is a folder of transformers; write hf:"):
        scanned(folder)
    with pytest.raises(UsageError, match="has weights of its own"):
        scanned(f"hf:{folder}", weights=folder / "model.safetensors")


def test_the_classes_of_a_config_are_mapped_by_name(folder, tmp_path):
    order = [3, 0, 2, 1]

    def turned(state):
        return {
            name: tensor[order].clone() if name.startswith("classifier") else tensor for name, tensor in state.items()
        }

    names = {"id2label": {str(i): NAMES[one] for i, one in enumerate(order)}}
    result, told = scanned(f"hf:{copied(folder, tmp_path / 'turned', names, turned)}")
    assert "accuracy 100.0 %" in told[0]
    assert any("knows the classes in another order (grey, red, blue, green)" in one for one in result.warnings)


@pytest.mark.parametrize(
    ("config", "drop", "words"),
    [
        ({}, "classifier.1.weight", r"missing keys: classifier\.1\.weight"),
        ({"hidden_sizes": [8, 24]}, None, r"do not fit its config\.json \(mismatched keys: classifier\.1\.weight"),
        ({"model_type": "bert"}, None, "cannot load"),
        ({"model_type": "nosuch"}, None, "cannot load"),
    ],
)
def test_a_folder_whose_weights_do_not_fit_its_config_is_refused(config, drop, words, folder, tmp_path):
    place = copied(folder, tmp_path / "bad", config, lambda state: {k: v for k, v in state.items() if k != drop})
    with pytest.raises(DataError, match=words):
        scanned(f"hf:{place}")


def test_a_folder_that_holds_a_pickle_or_code_or_nothing_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match=r"auto_map.*which is not run"):
        scanned(f"hf:{copied(folder, tmp_path / 'code', {'auto_map': {'AutoConfig': 'x.Y'}})}")
    place = copied(folder, tmp_path / "pickle")
    (place / "model.safetensors").rename(place / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"holds pytorch_model\.bin, a pickle.*save_pretrained"):
        scanned(f"hf:{place}")
    with pytest.raises(UsageError, match="nothing is downloaded"):
        scanned("hf:microsoft/resnet-18")
    with pytest.raises(UsageError, match=r"has no config\.json"):
        scanned(f"hf:{tmp_path}")


def test_what_an_image_processor_says_is_read():
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    said = {"size": {"height": 24, "width": 32}, "image_mean": mean, "image_std": std}
    assert hf_preprocess(said, "x") == Preprocess((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (24, 32))
    assert hf_preprocess(said | {"do_resize": False, "do_normalize": False}, "x") == Preprocess((0.0,), (1.0,))
    assert hf_preprocess({"size": {"shortest_edge": 40}}, "x").size == 40
    assert hf_preprocess({"size": 40, "do_rescale": False}, "x") == Preprocess((0.0,), (1.0,), 40, white=255)
    for bad in ({"size": {"width": 3}}, {"image_mean": "x"}, {"image_std": [0]}):
        with pytest.raises(DataError, match="--preprocess"):
            hf_preprocess(bad, "x")
