"""Whatever model a scan or a measurement is given: ours, a user's network, or a classifier of another kind."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

import whitesquare as ws
from whitesquare.attacks import make_attack, poison
from whitesquare.data import from_arrays, write_dataset
from whitesquare.errors import ContractError, DataError, UsageError
from whitesquare.learning.classifier import classifier, own_classifier
from whitesquare.learning.device import devices, resolve
from whitesquare.learning.models import MODELS, Architecture, Model, ModelCard, build, load_model, save_model
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import train
from whitesquare.scanning import judge as judging
from whitesquare.scanning.gather import ScanClock, gather
from whitesquare.scanning.learned import HeldOut, accuracy, by_heart
from whitesquare.scanning.run import run_scan
from whitesquare.scanning.settings import ScanSettings
from whitesquare.testing import check_classifier

from .provenance.attesting import run

DEVICES = ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]
NAMES = ("red", "green", "blue", "grey")
QUICK = ("pixel-contrast", "activation-clustering", "trigger-inversion")


def colours(size=480, seed=0):
    """Four classes of noisy pictures, three of them tinted."""
    rng = np.random.default_rng(seed)
    labels = np.arange(size) % 4
    images = rng.integers(0, 120, (size, 3, 16, 16))
    for channel in range(3):
        images[labels == channel, channel] += 90
    return from_arrays(images.astype(np.uint8), labels, classes=NAMES, layout="NCHW")


def noise(size, seed=0, classes=10):
    """Random pictures with random labels."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (size, 3, 16, 16), dtype=np.uint8)
    return from_arrays(pictures, rng.integers(0, classes, size), classes=tuple(map(str, range(classes))), layout="NCHW")


class Theirs(nn.Module):
    """A user's network, with what behaves otherwise in training."""

    def __init__(self, classes=4):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.drop = nn.Dropout(0.1)
        self.hidden = nn.Linear(8 * 8 * 8, 24)
        self.fc = nn.Linear(24, classes)

    def forward(self, x):
        return self.fc(torch.relu(self.hidden(self.drop(self.body(x).flatten(1)))))


@pytest.fixture(scope="module")
def poisoned():
    return poison(colours(), make_attack("label-flip"), target=0, rate=0.1, seed=0).dataset


@pytest.fixture(scope="module")
def theirs(poisoned):
    """A user's network after a user's training, left as the training left it."""
    network = Theirs()
    images = torch.from_numpy(poisoned.images(slice(None)).copy()).float() / 255
    labels = torch.from_numpy(poisoned.labels.copy())
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    order = torch.Generator().manual_seed(0)
    for _ in range(25):
        for part in torch.randperm(len(labels), generator=order).split(96):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images[part]), labels[part]).backward()
            optimiser.step()
    return network


@pytest.mark.long
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_of_ours_keeps_the_contract(name, device):
    recipe = Recipe(model=name, scale=0.5)
    card = ModelCard(Architecture(name, 3, 16, 16, 4, 0.5), NAMES, 0, {}, "", "", "")
    model = Model(build(card.architecture, 1).eval(), card).on(device)
    check_classifier(own_classifier(model, recipe=recipe), colours(12).images(slice(None)))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("features", [None, "hidden", "body.3", lambda x: x.mean((2, 3))])
def test_a_network_of_a_user_keeps_the_contract_and_is_left_alone(features, device):
    module = Theirs()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    check_classifier(classifier(module, NAMES, device=device, features=features), colours(12).images(slice(None)))
    assert module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_features_are_those_of_the_layer_that_is_told():
    images = colours(6).images(slice(None))
    module = Theirs().eval()
    floats = torch.from_numpy(images.copy()).float() / 255
    with torch.no_grad():
        flat = module.body(floats).flatten(1)
        wanted = {
            None: torch.relu(module.hidden(flat)),
            "hidden": module.hidden(flat),
            "body": flat.view(6, 8, 64).mean(2),
        }
    told = {
        None: "the input of layer 'fc'",
        "hidden": "the output of layer 'hidden'",
        "body": "the output of layer 'body'",
    }
    for name, tensor in wanted.items():
        asked = classifier(module, NAMES, device="cpu", features=name)
        assert asked.feature_layer == told[name]
        np.testing.assert_allclose(asked.features(images), tensor.numpy(), rtol=1e-4, atol=1e-5)


def test_features_that_cannot_be_had_are_said():
    with pytest.raises(UsageError, match=r"hiden.*hidden"):
        classifier(Theirs(), NAMES, features="hiden")
    with pytest.raises(UsageError, match="no linear layer"):
        classifier(nn.Sequential(nn.Conv2d(3, 4, 16), nn.Flatten()), NAMES)


class Means:
    """A classifier without gradients, of nothing but NumPy: the nearest mean colour."""

    classes, device, feature_layer = NAMES, "cpu", "the mean colour"

    def __init__(self, broken=""):
        self.broken, self.asked = broken, 0

    def features(self, images):
        found = images.mean((2, 3), dtype=np.float32)
        self.asked += 1
        if self.broken == "changes":
            return found + self.asked
        if self.broken == "batch":
            return found - found.mean(0)
        if self.broken == "dtype":
            return found.astype(np.float64)
        if self.broken == "nan":
            return found * np.float32("nan")
        if self.broken == "writes":
            images[:, 0, 0, 0] = 1
        return found[:, :0] if self.broken == "empty" and not len(images) else found

    def logits(self, images):
        means = 60 + 90 * np.eye(4, 3, dtype=np.float32)
        found = -np.abs(Means.features(Means(), images)[:, None] - means).sum(2)
        return found[:, :3] if self.broken == "classes" else found


def test_a_classifier_of_another_kind_keeps_the_contract():
    check_classifier(Means(), colours(12).images(slice(None)))


@pytest.mark.parametrize("broken", ["changes", "batch", "dtype", "nan", "writes", "empty", "classes"])
def test_a_broken_classifier_is_caught(broken):
    with pytest.raises(ContractError, match="Means"):
        check_classifier(Means(broken), colours(12).images(slice(None)).copy())


def test_a_network_in_training_and_wrong_gradients_are_caught():
    images = colours(12).images(slice(None))
    made = classifier(Theirs(), NAMES, device="cpu")
    made.network.train()
    with pytest.raises(ContractError, match="TorchClassifier"):
        check_classifier(made, images)

    class Upside(type(made)):
        def gradients(self, pixels, slope, *, rough=False):
            return -super().gradients(pixels, slope)

    made.network.eval()
    with pytest.raises(ContractError, match="gradients of its logits"):
        check_classifier(Upside(**vars(made)), images)


@pytest.mark.long
def test_a_colour_scan_with_a_users_network_finds_the_trigger(theirs, poisoned):
    """And it is told what its features were, and that nothing is known of samples it has not seen."""
    result = ws.scan(poisoned, ScanSettings(detectors=QUICK), model=theirs).scan.result
    assert (result.mode, result.features) == ("given model", "the input of layer 'fc'")
    assert result.learned.low > 0.9
    assert result.held_out is None
    assert [(alarm.class_name, alarm.tier) for alarm in result.alarms] == [("red", "confirmed")]
    assert not any(one.reason for one in result.runs if one.name in QUICK)


@pytest.mark.long
def test_a_network_gives_what_its_classifier_gives(theirs, poisoned):
    settings = ScanSettings(detectors=QUICK, recipe=Recipe())
    wrapped = classifier(theirs, NAMES, shape=(3, 16, 16), device="cpu")
    one, other = (run_scan(poisoned, settings, model=model).result for model in (theirs, wrapped))
    assert replace(one, seconds={}, runs=()) == replace(other, seconds={}, runs=())


def test_a_detector_whose_model_gives_no_gradients_is_not_run_and_says_why():
    settings = ScanSettings(detectors=(*QUICK, "gram-density", "strip"), recipe=Recipe())
    result = run_scan(colours(), settings, model=Means()).result
    assert result.verdict == "nothing found"
    assert result.not_run["trigger-inversion"] == "it follows the gradients of a model: a model that was given has none"
    assert "no feature maps" in result.not_run["gram-density"]
    assert not {"strip", "activation-clustering", "pixel-contrast"} & set(result.not_run)
    assert not any(one.crashed for one in result.runs)


@pytest.mark.long
def test_a_model_of_ours_is_taken_by_path_and_as_it_is(poisoned, tmp_path):
    model = train(poisoned, Recipe(epochs=15), seed=0)
    save_model(model, tmp_path)
    settings = ScanSettings(detectors=QUICK, recipe=Recipe())
    given = (model, load_model(tmp_path), tmp_path)
    one, loaded, other = (run_scan(poisoned, settings, model=each).result for each in given)
    assert replace(one, seconds={}, runs=(), model="") == replace(other, seconds={}, runs=(), model="")
    # What lies in memory may be anything: only weights that the scan has read are named.
    assert [one.model, loaded.model, len(other.model)] == ["", "", 64]
    assert one.held_out.low > 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("classes", "gives 7 answers for an image and the data set has 4 classes"),
        ("shape", "cannot read images of 3 x 20 x 20"),
        ("channels", "cannot read images of 1 x 16 x 16"),
    ],
)
def test_a_network_that_does_not_fit_is_one_clear_sentence(change, words):
    shape = {"classes": (3, 16, 16), "shape": (3, 20, 20), "channels": (1, 16, 16)}[change]
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    data = from_arrays(images, np.arange(40) % 4, classes=NAMES, layout="NCHW")
    network = Theirs(7 if change == "classes" else 4)
    for ask in (
        lambda: ws.scan(data, ScanSettings(detectors=QUICK), model=network),
        lambda: ws.measure(network, data, ["patch:size=2"]),
    ):
        with pytest.raises(UsageError, match=words):
            ask()


@pytest.mark.parametrize("thing", [object(), Theirs().state_dict(), 7])
def test_what_is_no_model_is_refused_in_a_sentence(thing):
    for ask in (
        lambda: ws.scan(colours(), ScanSettings(detectors=QUICK), model=thing),
        lambda: ws.measure(thing, colours(), ["patch:size=2"]),
    ):
        with pytest.raises(UsageError, match=r"cannot be asked; expected a saved model, an nn\.Module"):
            ask()


@pytest.mark.long
def test_too_few_samples_tell_nothing_of_others():
    assert run_scan(colours(80), ScanSettings(detectors=QUICK, recipe=Recipe())).result.held_out is None


def test_what_a_model_may_know_by_heart_among_many_is_a_warning():
    """Where the scan's model saw many more samples than its like, the verdict stays."""
    guessed = HeldOut(accuracy(np.eye(4)[np.arange(200) % 4], np.arange(200) // 50), 4000, 4)
    assert guessed.guesses
    assert by_heart(guessed, 5000)[0].startswith("The model has learned nothing but the samples by heart")
    undecided, warning = by_heart(guessed, 5001)
    assert not undecided
    assert warning.startswith("The model may know the samples by heart")
    known = HeldOut(accuracy(np.eye(4)[np.arange(200) // 50], np.arange(200) // 50), 4000, 4)
    assert by_heart(known, 300) == by_heart(known, 9000) == ("", "")


@pytest.mark.parametrize("known", [("red", "green", "blue"), ("green", "red", "blue", "grey")])
def test_a_classifier_of_other_classes_is_refused(known):
    model = Means()
    model.classes = known
    with pytest.raises(UsageError, match="knows"):
        run_scan(colours(), ScanSettings(detectors=QUICK), model=model)


def test_a_network_is_measured_like_a_model_of_ours(theirs):
    test = colours(200, seed=1)
    (found,) = ws.measure(theirs, test, ["patch:size=2,corner=br,margin=1"], target=0)
    (same,) = ws.measure(classifier(theirs, NAMES, device="cpu"), test, ["patch:size=2,corner=br,margin=1"], target=0)
    assert found.result == replace(same.result, model=found.result.model)
    assert found.result.ca.value > 0.9
    assert found.result.asr.value > 0.9


def test_answers_that_are_no_numbers_end_a_scan(theirs):
    class Lost(Means):
        def logits(self, images):
            return super().logits(images) * np.float32("inf")

    with pytest.raises(DataError, match="not finite"):
        run_scan(colours(), ScanSettings(detectors=QUICK), model=Lost())


@pytest.mark.long
def test_labels_learned_by_heart_are_no_verdict_in_any_output(tmp_path):
    """The model calls every sample by its label, and guesses those that it has not seen."""
    write_dataset(tmp_path / "noise", noise(400), None, "npz")
    kinds = ("json", "sarif", "junit", "html")
    files = [part for kind in kinds for part in ("-o", f"{kind}={tmp_path / kind}")]
    shown = run("scan", tmp_path / "noise", "--detectors", ",".join(QUICK), *files, "-o", "table", code=2).stdout
    said = " ".join(shown.split())
    assert said.startswith("Not decided: the model has learned nothing")
    assert "nothing but the samples by heart" in said
    assert "on samples that it had not seen" in said
    found = json.loads((tmp_path / "json").read_text())
    assert found["verdict"] == "not decided"
    assert found["learned"]["low"] > 0.5
    assert found["held_out"]["low"] <= 0.1
    assert found["held_out"]["n"] == 80
    assert "activation-clustering" in found["not_run"]
    sarif = json.loads((tmp_path / "sarif").read_text())["runs"][0]
    assert sarif["invocations"][0]["executionSuccessful"] is False
    suite = ElementTree.parse(tmp_path / "junit").getroot()
    assert "by heart" in suite.find(".//testcase/error").get("message")
    assert "<h1>Not decided: the model has learned nothing</h1>" in (tmp_path / "html").read_text()


@pytest.mark.long
def test_a_scan_of_what_can_be_learned_says_so_of_samples_not_seen():
    found = run_scan(colours(), ScanSettings(detectors=QUICK, recipe=Recipe())).result
    assert found.verdict == "nothing found"
    assert found.held_out.low > 0.9
    assert found.held_out.n == 96


@pytest.mark.long
def test_the_evidence_is_read_to_the_end(poisoned, monkeypatch):
    """Features lie in a file: it must be there for whoever asks last."""
    seen = []

    def sheet(evidence, *_):
        seen.append((evidence.features.filename.exists(), float(evidence.features.sum())))

    monkeypatch.setattr(judging, "contact_sheet", sheet)
    run_scan(poisoned, ScanSettings(detectors=QUICK, recipe=Recipe()))
    assert seen
    assert all(there for there, _ in seen)


@pytest.mark.long
def test_evidence_can_be_gathered_once_and_judged_twice(poisoned, tmp_path):
    settings = ScanSettings(detectors=QUICK, recipe=Recipe())
    gathered = gather(poisoned, settings, tmp_path, clock=ScanClock())
    one, other = (judging.judge(gathered, settings, clock=ScanClock()).result for _ in range(2))
    assert one.alarms == other.alarms == run_scan(poisoned, settings).result.alarms
    assert one.flagged == other.flagged


def test_a_device_that_is_not_there_is_said_with_those_that_are():
    assert resolve("cpu") == "cpu"
    assert resolve("auto") == devices()[-1 if len(devices()) == 1 else 1]
    for name in ("cuda:99", "tpu", ""):
        with pytest.raises(UsageError, match=f"no device '{name}' here; found {', '.join(devices())}"):
            resolve(name)


@pytest.mark.parametrize("verb", ["poison", "train", "measure", "scan", "drill", "demo", "bench"])
def test_every_verb_that_computes_takes_a_device(verb, tmp_path):
    write_dataset(tmp_path / "data", colours(60), colours(40, seed=1), "npz")
    data, out = tmp_path / "data", tmp_path / "out"
    (tmp_path / "plan.toml").write_text(f'[[grid]]\nattack = "stamp"\ncount = 3\ndata = "{data}"\n')
    model = tmp_path / "model"
    if verb == "measure":
        run("train", data, "--epochs", 1, "-o", model)
    asked = {
        "poison": (data, "-o", out, "--attack", "narcissus", "--target", 0, "--count", 3),
        "train": (data, "-o", out),
        "measure": (model, "--data", data, "--trigger", "patch:size=2"),
        "scan": (data,),
        "drill": (data, "-o", out, "--attacks", "stamp", "--rates", "0.1"),
        "demo": ("-o", out),
        "bench": (tmp_path / "plan.toml", "-o", out, "--dry-run"),
    }[verb]
    done = run(verb, *asked, "--device", "cuda:99", code=2)
    assert "There is no device 'cuda:99' here; found cpu" in " ".join(done.stderr.split())


@pytest.mark.long
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "few"),
    [
        ("label-consistent", {"steps": 3}),
        ("adaptive", {"rounds": 2, "first_steps": 3, "steps": 2}),
        ("narcissus", {"steps": 3}),
        ("gradient-matching", {"rounds": 2, "steps": 2, "sources": 20}),
        ("hidden-trigger", {"rounds": 2, "steps": 2}),
        ("feature-collision", {"steps": 3, "sources": 40}),
    ],
)
def test_every_attack_that_asks_a_model_crafts_on_each_device(name, few, device):
    made = poison(colours(200), make_attack(name, few), target=1, count=10, seed=0, device=device)
    assert made.content.shape == (10, 3, 16, 16)
    if device == "cpu":
        assert made.manifest == poison(colours(200), make_attack(name, few), target=1, count=10, seed=0).manifest


@pytest.mark.long
@pytest.mark.parametrize("device", DEVICES)
def test_a_scan_and_its_models_are_made_on_each_device(device, poisoned):
    found = run_scan(poisoned, ScanSettings(detectors=QUICK, recipe=Recipe(), device=device)).result
    assert [alarm.class_name for alarm in found.alarms] == ["red"]
    model = train(poisoned, Recipe(epochs=15), seed=0, device=device)
    (tried,) = ws.measure(model, colours(200, seed=1), ["patch:size=2,corner=br,margin=1"], device=device)
    assert tried.result.ca.value > 0.8
