"""Networks that a user holds: how they are given their images, what of their answers counts, and what is told of it."""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import whitesquare as ws
from whitesquare.errors import DataError, UsageError
from whitesquare.learning.brought.names import id2label, output_order
from whitesquare.learning.classifier import classifier
from whitesquare.learning.given import given_classifier
from whitesquare.learning.look import first_look
from whitesquare.learning.preprocess import Preprocess, read_preprocess
from whitesquare.scanning.settings import ScanSettings
from whitesquare.testing import check_classifier

from .test_classifier import NAMES, Means, colours

FEW = ScanSettings(detectors=("pixel-contrast", "activation-clustering"))
IMAGENET = Preprocess((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Tint(nn.Module):
    """Knows which of three colours an image is tinted with, without a training."""

    def __init__(self, order=(0, 1, 2, 3), wrap=None):
        super().__init__()
        self.body = nn.Conv2d(3, 3, 1, bias=False)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, 4)
        self.wrap = wrap
        with torch.no_grad():
            self.body.weight.copy_(torch.eye(3)[:, :, None, None])
            self.fc.weight.copy_(20 * torch.eye(4, 3)[list(order)])
            self.fc.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 8.4])[list(order)])

    def forward(self, x):
        found = self.fc(self.avgpool(self.body(x)).flatten(1))
        return self.wrap(found) if self.wrap else found


def expects(preprocess):
    """Return a network that reads what a preprocess gives: it undoes it."""

    class Undo(nn.Module):
        def forward(self, x):
            mean, std = (torch.tensor(one).view(1, -1, 1, 1) for one in (preprocess.mean, preprocess.std))
            x = (x * std + mean) / preprocess.white
            return x.flip(1) if preprocess.order == "bgr" else x

    return nn.Sequential(Undo(), Tint()).eval()


def scanned(model, data=None, **said):
    told = []
    result = ws.scan(data or colours(), FEW, model=model, on_note=told.append, **said).scan.result
    return result, told


def given(model, images=None, classes=NAMES):
    told = []
    images = colours(8).images(slice(None)) if images is None else images
    found, _ = given_classifier(model, images, classes, "cpu", on_note=told.append)
    return found, told


def test_a_scan_says_first_how_well_the_model_reads_the_data_and_what_its_features_are():
    result, told = scanned(Tint().eval())
    assert told == ["The model read 480 samples: accuracy 100.0 %, the input of layer 'fc', 3 features."]
    assert (result.mode, result.features, result.warnings) == ("given model", "the input of layer 'fc'", ())
    _, told = scanned(Tint().eval(), colours(2400), layer="fc")
    assert told == ["The model read 1,000 samples: accuracy 100.0 %, the output of layer 'fc', 4 features."]


def test_features_with_places_or_tokens_are_averaged_and_told():
    result, told = scanned(Tint().eval(), layer="body")
    assert "the output of layer 'body', 3 features" in told[0]
    assert result.warnings == ("Its features are 3 x 16 x 16, of which the mean over places is taken.",)

    class Tokens(Tint):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Identity()

        def forward(self, x):
            return self.fc(self.tokens(x.flatten(2).transpose(1, 2)).mean(1))

    found, told = given(classifier(Tokens().eval(), NAMES, features="tokens", device="cpu"))
    assert told == ["Its features are 256 x 3, of which the mean over tokens is taken."]
    check_classifier(found, colours(8).images(slice(None)))


@dataclass
class Output:
    logits: torch.Tensor
    loss: None = None


Named = namedtuple("Named", "aux logits")


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda x: (x, -x), "type tuple, whose first tensor is taken"),
        (lambda x: [None, x], "type list, whose first tensor is taken"),
        (lambda x: {"features": -x[:, :2], "logits": x}, "type dict, whose logits are taken"),
        (lambda x: {"out": x}, "type dict, whose first tensor is taken"),
        (lambda x: Named(-x, x), "type Named, whose logits are taken"),
        (Output, "type Output, whose logits are taken"),
    ],
)
def test_the_logits_in_whatever_a_network_answers_with_are_taken_and_told(wrap, words):
    result, told = scanned(Tint(wrap=wrap).eval())
    assert "accuracy 100.0 %" in told[0]
    assert words in result.warnings[0]
    check_classifier(given(Tint(wrap=wrap).eval())[0], colours(8).images(slice(None)))


@pytest.mark.parametrize("wrap", [lambda x: None, lambda x: {}, lambda x: "red"])
def test_an_answer_without_a_tensor_is_refused(wrap):
    with pytest.raises(UsageError, match="holds no tensor; expected logits"):
        scanned(Tint(wrap=wrap))


def test_logits_of_a_convolution_are_taken_as_they_are():
    found, told = given(classifier(nn.Conv2d(3, 4, 16).eval(), NAMES, features=lambda x: x.mean((2, 3)), device="cpu"))
    assert found.logits(colours(8).images(slice(None))).shape == (8, 4)
    assert told == []


def test_a_network_in_training_is_asked_as_if_it_were_not_and_is_left_so():
    module = nn.Sequential(Tint(), nn.Dropout(0.5))
    result, told = scanned(module)
    assert module.training
    assert "accuracy 100.0 %" in told[0]
    assert result.warnings[0].startswith("The network was in training mode")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_another_precision_is_asked_in_float32(kind):
    module = Tint().eval().to(kind)
    result, told = scanned(module)
    assert "accuracy 100.0 %" in told[0]
    assert result.warnings == (f"Its weights are {kind}; a copy of it is asked in float32.",)
    assert module.fc.weight.dtype == kind


def test_a_network_without_weights_in_memory_is_refused_in_a_sentence():
    with pytest.raises(UsageError, match="cannot be copied"):
        scanned(Tint().to("meta"))


def test_a_layer_that_is_not_there_is_told_with_the_nearest_one():
    with pytest.raises(UsageError, match="no layer named 'avgpol' in the network Tint; did you mean 'avgpool'"):
        scanned(Tint(), layer="avgpol")


def test_what_a_network_raises_is_told_in_a_sentence():
    class Raises(Tint):
        def forward(self, x):
            raise KeyError("no such key")

    with pytest.raises(UsageError, match=r"cannot read images of 3 x 16 x 16 \(KeyError: 'no such key'\)"):
        scanned(Raises())


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # PyTorch's own
def test_what_was_compiled_is_asked_as_it_was_before():
    _, told = scanned(torch.compile(Tint().eval()))
    assert told == ["The model read 480 samples: accuracy 100.0 %, the input of layer 'fc', 3 features."]


def test_a_layer_that_takes_no_part_is_refused():
    module = Tint()
    module.spare = nn.Linear(3, 4)
    with pytest.raises(UsageError, match="'spare' takes no part"):
        scanned(module, layer="spare")


@pytest.mark.parametrize(
    "preprocess",
    [
        IMAGENET,
        Preprocess((0.2, 0.3, 0.4), (0.5, 0.6, 0.7), order="bgr"),
        Preprocess((103.5, 116.3, 123.7), (57.4, 57.1, 58.4), order="bgr", white=255),
    ],
)
def test_a_preprocess_gives_the_network_what_it_was_trained_on(preprocess):
    result, told = scanned(expects(preprocess), preprocess=preprocess)
    assert "accuracy 100.0 %" in told[0]
    assert result.warnings == ()
    check_classifier(given(classifier(expects(preprocess), NAMES, preprocess=preprocess, device="cpu"))[0],
                     colours(8).images(slice(None)))  # fmt: skip


def test_a_size_is_what_a_network_reads_and_any_function_is_a_preprocess():
    class Fixed(Tint):
        def forward(self, x):
            assert x.shape[2:] == (20, 24)
            return super().forward(x)

    for preprocess in (Preprocess(size=(20, 24)), lambda x: nn.functional.interpolate(x, (20, 24)).double()):
        _, told = scanned(Fixed().eval(), preprocess=preprocess)
        assert "accuracy 100.0 %" in told[0]
    with pytest.raises(UsageError, match=r"cannot read images of 3 x 16 x 16.*or say with preprocess which size"):
        scanned(Fixed().eval())


def test_a_grey_image_has_as_many_channels_as_the_mean():
    grey = torch.rand(2, 1, 4, 4)
    assert torch.equal(Preprocess((0.0, 0.0, 0.5), 1.0)(grey)[:, 2:], grey - 0.5)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"std": 0}, "std and white above 0"),
        ({"std": (0.2, 0.0, 0.2)}, "anything else gives NaN"),
        ({"mean": float("nan")}, "expected finite numbers"),
        ({"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)}, "write white = 255 as well"),
        ({"mean": (0.1, 0.2), "std": (1.0, 1.0, 1.0)}, "2 means and 3 deviations"),
        ({"mean": ()}, "0 means"),
        ({"order": "gbr"}, "expected 'rgb' or 'bgr'"),
        ({"size": 0}, "expected one number or two"),
        ({"size": (3, 4, 5)}, "expected one number or two"),
        ({"white": 0}, "white above 0"),
    ],
)
def test_a_preprocess_that_gives_no_numbers_is_refused(said, words):
    with pytest.raises(UsageError, match=words):
        Preprocess(**said)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x / 0 * 0, "gives NaN or infinity"),
        (lambda x: x.log(), "gives NaN or infinity"),
        (lambda x: x[:1], "gives no tensor of them"),
        (lambda x: x.numpy(), "gives no tensor of them"),
        (lambda x: x.wrong(), "fails for images of 3 x 16 x 16"),
    ],
)
def test_a_function_that_gives_no_numbers_is_refused(function, words):
    images = np.zeros((8, 3, 16, 16), np.uint8)
    with pytest.raises(UsageError, match=f"The preprocess of the model Tint {words}"):
        given_classifier(classifier_of(function), images, NAMES, "cpu")


def classifier_of(function):
    from whitesquare.learning.asking import Asking

    return Asking(Tint().eval(), preprocess=function)


def test_a_model_that_answers_otherwise_each_time_is_refused():
    class Noisy(Tint):
        def forward(self, x):
            return nn.functional.dropout(super().forward(x), 0.5, training=True) + torch.randn(1)

    with pytest.raises(UsageError, match="answers otherwise when it is asked about the same images again"):
        given(Noisy().eval())


def test_a_preprocess_is_read_from_toml(tmp_path):
    file = tmp_path / "model.toml"
    file.write_text('mean = [0.5, 0, 0.25]\nstd = 0.5\nsize = [32, 48]\norder = "bgr"\n')
    assert read_preprocess(file) == Preprocess((0.5, 0.0, 0.25), 0.5, (32, 48), "bgr")
    file.write_text(str(IMAGENET).replace("], ", "]\n"))
    assert read_preprocess(file) == IMAGENET
    assert "accuracy 100.0 %" in scanned(expects(IMAGENET), preprocess=file)[1][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mena = 1", r"mena.*mean"),
        ('mean = "0.5"', "mean"),
        ("mean = [", "not TOML"),
        ("std = 0", "std and white above 0"),
        ("std = nan", "nan"),
        ("size = 1.5", "size"),
    ],
)
def test_a_file_that_is_no_preprocess_is_refused_by_its_name(text, words, tmp_path):
    (tmp_path / "model.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"(?s)model\.toml cannot be used.*{words}"):
        read_preprocess(tmp_path / "model.toml")
    with pytest.raises(UsageError, match="There is no file"):
        read_preprocess(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("trained", "asked", "words"),
    [
        (Preprocess(0.0, 1.0, order="bgr"), None, ("red and blue are swapped", 'order = "bgr"')),
        (Preprocess(0.0, 1.0, white=255), None, ("pixels in 0..255", "white = 255")),
        (IMAGENET, None, ("deviation of ImageNet", "mean = [0.485, 0.456, 0.406]")),
        (Preprocess(0.0, 1.0), IMAGENET, ("without a normalisation", "mean = 0, std = 1")),
        (Preprocess(0.0, 1.0, order="bgr", white=255), None, ("0..255 and once red and blue", 'order = "bgr", white')),
    ],
)
def test_images_given_in_another_way_than_in_the_training_are_a_hint_with_the_mend(trained, asked, words):
    images, labels = colours(400).images(slice(None)), colours(400).labels
    wrong = classifier(expects(trained), NAMES, preprocess=asked or Preprocess(), device="cpu")
    (hint,) = first_look(wrong, images, labels).hints
    for one in words:
        assert one in hint
    right = classifier(expects(trained), NAMES, preprocess=trained, device="cpu")
    assert first_look(right, images, labels).hints == ()


def test_colours_swapped_for_a_classifier_of_another_kind_are_a_hint_too():
    class Swapped(Means):
        def logits(self, images):
            return super().logits(images[:, ::-1])

    result, _ = scanned(Swapped())
    assert any("red and blue are swapped" in one for one in result.warnings)
    assert not any("swapped" in one for one in scanned(Means())[0].warnings)


def test_a_model_that_reads_the_data_badly_whichever_way_gets_no_hint():
    noise = np.random.default_rng(0).integers(0, 256, (400, 3, 16, 16), dtype=np.uint8)
    assert first_look(classifier(Tint(), NAMES, device="cpu"), noise, np.arange(400) % 4).hints == ()


class Config:
    def __init__(self, names):
        self.id2label = dict(enumerate(names))


def named(names, order=(0, 1, 2, 3)):
    module = Tint(order).eval()
    module.config = Config(names)
    return module


def test_classes_in_another_order_are_mapped_by_name_and_told():
    order = (2, 0, 3, 1)
    swapped = named([NAMES[i] for i in order], order)
    result, told = scanned(swapped)
    assert "accuracy 100.0 %" in told[0]
    assert "in another order (blue, red, grey, green) than the data set (red, green, blue, grey)" in result.warnings[0]
    found, _ = given(swapped)
    assert found.classes == NAMES
    check_classifier(found, colours(8).images(slice(None)))
    same, _ = given(Tint().eval())
    images = colours(8).images(slice(None))
    np.testing.assert_allclose(found.logits(images), same.logits(images), rtol=1e-5)


def test_names_that_agree_but_for_case_and_dashes_are_the_same():
    assert output_order(("Red_Car", "Blue-Car"), ("red car", "blue car"), "m") == (None, "")
    assert output_order(("Blue-Car", "RED CAR"), ("red car", "blue car"), "m")[0] == (1, 0)


def test_other_names_are_taken_in_order_and_told_and_half_the_names_are_refused():
    result, told = scanned(named(["n01", "n02", "n03", "n04"]))
    assert "accuracy 100.0 %" in told[0]
    assert "names its classes otherwise (n01, n02, n03, n04)" in result.warnings[0]
    with pytest.raises(UsageError, match="'red' stands elsewhere and others are missing"):
        scanned(named(["green", "red", "n03", "n04"]))
    with pytest.raises(UsageError, match="knows 3 classes and the data set has 4"):
        scanned(named(["red", "green", "blue"]))


def test_numbered_labels_are_no_names():
    assert id2label({"0": "LABEL_0", "1": "LABEL_1"}) == ()
    assert id2label({"1": "b", "0": "a"}) == ("a", "b")
    assert id2label({"0": "a", "2": "b"}) == id2label(None) == id2label({"a": 1}) == ()


def test_a_model_at_chance_is_no_evidence():
    result, told = scanned(named(list(NAMES), (1, 2, 3, 0)))
    assert "accuracy 0.0 %" in told[0]
    assert (result.verdict, result.alarms) == ("not decided", ())


def test_logits_that_are_no_numbers_end_a_scan():
    with pytest.raises(DataError, match="not finite numbers"):
        scanned(Tint(wrap=lambda x: x / 0 * 0).eval())


def test_what_is_said_of_a_model_that_has_it_already_or_of_none_is_refused():
    with pytest.raises(UsageError, match="has its preprocess and its layer"):
        scanned(Means(), layer="fc")
    with pytest.raises(UsageError, match="leave weights out"):
        scanned(Tint(), weights="w.safetensors")
    with pytest.raises(UsageError, match="none is given"):
        ws.scan(colours(), FEW, preprocess=IMAGENET)


def test_a_measurement_asks_a_network_in_the_same_way():
    told = []
    swapped = named([NAMES[i] for i in (3, 2, 1, 0)], (3, 2, 1, 0))
    (found,) = ws.measure(swapped, colours(200), ["patch:size=2"], target=0, layer="avgpool", on_note=told.append)
    assert found.result.ca.value == 1
    assert any("another order" in one for one in told)
    assert told[-1] == "The model read 200 samples: accuracy 100.0 %, the output of layer 'avgpool', 3 features."
