"""Models as users have them: several answers, probabilities, code that prints or moves, weights of another kind."""

import json
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from whitesquare.data import write_dataset
from whitesquare.errors import DataError, UsageError
from whitesquare.learning.asking import Asking
from whitesquare.learning.given import given_classifier
from whitesquare.learning.outputs import logits_in, taken_of
from whitesquare.learning.preprocess import Preprocess, as_preprocess
from whitesquare.testing import check_classifier

from .provenance.attesting import run
from .test_classifier import NAMES, colours
from .test_models import Tint, given

Named = namedtuple("Named", "logits aux_logits")


class Auxiliary(Tint):
    """Has a head more, which it names last and which a training alone would read."""

    def __init__(self, answer):
        super().__init__()
        self.extra = nn.Linear(3, 4)
        self.answer = answer

    def forward(self, x):
        means = self.avgpool(self.body(x)).flatten(1)
        return self.answer(self.fc(means), self.extra(means[:, :3]), means)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda main, aux, means: {"aux": aux, "out": main}, "whose tensor 'out' is taken; 'aux' would fit, too"),
        (lambda main, aux, means: (means, main), "whose tensor 1 is taken."),
        (lambda main, aux, means: (main, aux), "whose first tensor is taken; 1 would fit, too"),
        (lambda main, aux, means: {"label": main.argmax(1), "features": means, "scores": main}, "tensor 'scores'"),
        (lambda main, aux, means: Named(main, aux), "whose logits are taken"),
    ],
)
def test_of_several_answers_the_one_with_a_number_for_each_class_is_taken_and_its_own_head_asked(answer, words):
    images = colours(8).images(slice(None))
    found, told = given(Auxiliary(answer).eval(), images)
    assert words in told[0]
    assert found.feature_layer == "the input of layer 'fc'"
    assert np.array_equal(found.logits(images), given(Tint().eval(), images)[0].logits(images))
    check_classifier(found, images)


def test_what_has_no_number_for_each_class_is_refused_by_how_many_it_has():
    with pytest.raises(UsageError, match="gives 3 answers for an image and the data set has 4 classes"):
        given(Auxiliary(lambda main, aux, means: (means, means)).eval())
    only = {"aux": torch.zeros(2, 4)}
    assert logits_in(only, 4) is only["aux"]
    assert "first tensor is taken." in taken_of(only, 4)


def test_probabilities_count_by_their_logarithms_and_are_told():
    images = colours(8).images(slice(None))
    found, told = given(Tint(wrap=lambda x: x.softmax(1)).eval(), images)
    assert "Its answers are probabilities, as after a softmax; their logarithms are taken for logits." in told
    plain = given(Tint().eval(), images)[0].logits(images)
    assert np.allclose(found.logits(images), torch.from_numpy(plain).log_softmax(1).numpy(), atol=1e-4)
    order = Asking(nn.Sequential(Tint(), nn.Softmax(1)).eval())
    again, _ = given_classifier(order, images, NAMES, "cpu")
    assert np.allclose(again.prepared(Preprocess(0.0, 1.0)).logits(images), found.logits(images), atol=1e-4)
    check_classifier(found, images)


def test_a_classifier_of_another_kind_is_told_of_its_probabilities_only():
    class Shares:
        classes, device, feature_layer = NAMES, "cpu", "x"

        def features(self, images):
            return images.mean((2, 3), dtype=np.float32)

        def logits(self, images):
            return np.full((len(images), 4), 0.25, np.float32)

    found, told = given(Shares())
    assert isinstance(found, Shares)
    assert told == ["Its answers are probabilities, as after a softmax; logits were expected, so detectors that weigh "
                    "them see less."]  # fmt: skip


CODE = """
import os, torch
from torch import nn
print("imported")
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)
    def forward(self, x):
        return self.fc(x.mean((2, 3)))
def loud():
    print("built")
    return Net()
def moves():
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return Net()
def fails():
    raise ValueError("no weights")
def kind():
    return Net
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tried.py").write_text(CODE)
    (tmp_path / "tried_relative.py").write_text("from .tried import Net\n")
    yield tmp_path
    for name in ("tried", "tried_relative"):
        sys.modules.pop(name, None)


def test_what_code_prints_is_no_result_and_what_it_sets_is_set_back(code, capsys):
    given("tried:loud")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "imported\nbuilt\n"
    given("tried:moves")
    assert Path.cwd() == code
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_what_a_network_prints_while_it_is_asked_is_no_result(code):
    write_dataset(code / "data", colours(40), None, "npz")
    (code / "tried.py").write_text(
        CODE.replace("        return self.fc", "        print('asked')\n        return self.fc")
    )
    save_file({"fc.weight": torch.zeros(4, 3), "fc.bias": torch.zeros(4)}, "zero.safetensors")  # which decides nothing
    model = ("--model", "tried:loud", "--weights", "zero.safetensors")
    done = run("scan", "data", *model, "--detectors", "activation-clustering", "-o", "json", code=2)
    assert json.loads(done.stdout)["mode"] == "given model"
    assert "asked" in done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tried:fails", r"ValueError: no weights \(.*tried\.py, line 20\)"),
        ("tried_relative:build", r"tried_relative\.py, line 1\); go to the folder above its package"),
        ("tried.py:loud", "names a file.*write tried:loud"),
        ("./tried.py:loud", "tried.py is code: in its folder, give --model tried:loud"),
        ("./tried:loud", "tried.py is code: in its folder, give --model tried:loud"),
        ("tried:kind", "tried:kind gives the class Net, and a network"),
        ("owner/name", "There is no model owner/name, and nothing is downloaded"),
    ],
)
def test_code_that_is_named_in_another_way_is_told_how(code, name, words):
    with pytest.raises(UsageError, match=words):
        given(name)


def test_a_file_that_a_module_of_the_same_name_hides_is_told(code):
    (code / "json.py").write_text("def build(): pass\n")
    with pytest.raises(UsageError, match=r"has no 'build'.*/json\.py is hidden by it"):
        given("json:build")


def weights(tmp_path, state, name="w.safetensors"):
    save_file({key: tensor.clone() for key, tensor in state.items()}, tmp_path / name)
    return given(Asking("tried:loud", weights=str(tmp_path / name)))


def test_weights_that_a_cast_would_spoil_are_refused_and_other_precisions_are_not(code):
    state = {"fc.weight": torch.full((4, 3), 0.5), "fc.bias": torch.zeros(4)}
    for kind in (torch.int64, torch.bool, torch.complex64):
        with pytest.raises(DataError, match=r"of another type: fc\.weight \(torch\..* for torch\.float32\)"):
            weights(code, {name: one.to(kind) for name, one in state.items()})
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        weights(code, {name: one.to(kind) for name, one in state.items()})


def test_whatever_stands_before_all_names_of_weights_is_left_out_unless_it_could_be_two_things(code):
    state = {"fc.weight": torch.full((4, 3), 0.5), "fc.bias": torch.zeros(4)}
    for prefix in ("module.model.", "student."):
        _, told = weights(code, {f"{prefix}{name}": one for name, one in state.items()} | {"step": torch.zeros(1)})
        assert any(f"begin with '{prefix}'" in one for one in told)
    with pytest.raises(DataError, match=r"missing: fc\.bias"):
        weights(code, {f"{prefix}{name}": one for prefix in ("student.", "teacher.") for name, one in state.items()})


def test_what_git_lfs_left_in_the_place_of_weights_is_told(code):
    (code / "w.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n")
    with pytest.raises(DataError, match=r"is a pointer of Git LFS.*git lfs pull"):
        given(Asking("tried:loud", weights="w.safetensors"))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("", "it has neither model.safetensors nor model.json; make one"),
        ("pytorch_model.bin", r"it holds pytorch_model\.bin; give the file.*--weights: .*pytorch_model\.bin"),
        ("net.onnx", r"it holds net\.onnx; give the file"),
        ("config.json", "as a folder of transformers it is named hf:"),
    ],
)
def test_a_folder_without_a_model_is_told_by_what_it_holds(tmp_path, file, words):
    if file:
        (tmp_path / file).write_text("{}")
    with pytest.raises(DataError, match=words):
        given(str(tmp_path))


def test_a_preprocess_takes_numbers_of_numpy_and_pytorch():
    said = {"mean": np.array([0.5]), "std": torch.tensor([0.25]), "size": np.int64(16)}
    assert as_preprocess(said) == Preprocess((0.5,), (0.25,), 16)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('mean = "0.5"', "expected a number or a list"),
        ('size = "224"', "expected a whole number or a list"),
    ],
)
def test_what_a_preprocess_may_hold_is_told_as_alternatives(tmp_path, text, words):
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(UsageError, match=words):
        as_preprocess(tmp_path / "p.toml")
