"""Graphs in ``.onnx`` files: asked through onnxruntime, with their features as an output more and without gradients."""

import json

import numpy as np
import pytest

from whitesquare.data import write_dataset
from whitesquare.errors import DataError, UsageError
from whitesquare.learning.brought.kinds import bring
from whitesquare.learning.brought.types import Wanted
from whitesquare.testing import check_classifier

from .provenance.attesting import run
from .test_classifier import NAMES, colours
from .test_models import given, scanned

onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT


def graph(shape=("n", 3, "h", "w"), kind=FLOAT, last=False, outputs=("logits",), order=(0, 1, 2, 3), softmax=False):
    """Return what knows which of three colours an image is tinted with."""
    weights = 20 * np.eye(4, 3, dtype=np.float32)[list(order)]
    bias = np.array([0, 0, 0, 8.4], np.float32)[list(order)]
    node = helper.make_node
    steps, source = [], "images"
    if kind != FLOAT:
        steps, source = [node("Cast", [source], ["cast"], to=FLOAT)], "cast"
        weights = weights / 255 if kind == onnx.TensorProto.UINT8 else weights
    if last:
        steps.append(node("Transpose", [source], ["first"], perm=(0, 3, 1, 2)))
        source = "first"
    steps += [
        node("GlobalAveragePool", [source], ["pooled"], name="avgpool"),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "w", "b"], ["logits"], name="head", transB=1),
        node("Neg", ["logits"], ["other"]),
    ]
    made = helper.make_graph(
        steps,
        "tint",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(name, FLOAT, ("n", 4)) for name in outputs],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def file(tmp_path):
    def write(made=None, **options):
        onnx.save(made or graph(**options), str(tmp_path / "m.onnx"))
        return tmp_path / "m.onnx"

    return write


def test_a_graph_is_scanned_by_the_shell_and_what_needs_gradients_is_not_run_and_says_why(file, tmp_path):
    write_dataset(tmp_path / "data", colours(240), colours(80, seed=1), "npz")
    options = ("--model", file(), "--detectors", "pixel-contrast,activation-clustering,trigger-inversion")
    done = run("scan", tmp_path / "data", *options, "-o", f"json={tmp_path / 'scan.json'}", "-o", "table")
    assert "The model read 240 samples: accuracy 100.0 %, the input of layer 'head', 3 features." in done.stderr
    found = json.loads((tmp_path / "scan.json").read_text())
    reason = "it follows the gradients of a model: a model that was given has none"
    assert found["not_run"]["trigger-inversion"] == reason
    (cover,) = [one for one in found["coverage"] if one["rule_id"] == "TI01"]
    assert (cover["classes"], cover["why"]) == (0, reason)
    assert "activation-clustering" not in found["not_run"]
    assert len(found["model"]) == 64
    assert reason in " ".join(done.stdout.split())
    measured = run("measure", file(), "--data", tmp_path / "data", "--trigger", "patch:size=2", "-o", "json")
    assert json.loads(measured.stdout)["ca"]["value"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ""),
        ({"shape": (1, 3, 16, 16)}, ""),
        ({"shape": (7, 3, "h", "w")}, ""),
        ({"shape": ("n", 3, 20, 24)}, "Images are brought to 20 x 24 pixels"),
        ({"shape": ("n", "h", "w", 3), "last": True}, "has the channels of its images last"),
        ({"kind": onnx.TensorProto.UINT8}, ""),
        ({"kind": onnx.TensorProto.FLOAT16}, ""),
        ({"kind": onnx.TensorProto.DOUBLE}, ""),
        ({"outputs": ("other", "logits")}, "2 outputs, of which 'logits' is taken"),
        ({"outputs": ("logits", "flat")}, "2 outputs, of which 'logits' is taken"),
    ],
)
def test_a_graph_reads_what_it_says_it_reads(options, words, file):
    result, told = scanned(file(**options))
    assert "accuracy 100.0 %" in told[0]
    assert any(words in one for one in result.warnings) or not words
    found, _ = given(str(file(**options)))
    check_classifier(found, colours(9).images(slice(None)))


def test_a_layer_of_a_graph_is_named_by_its_node_or_its_output(file):
    for layer in ("avgpool", "pooled"):
        result, told = scanned(file(), layer=layer)
        assert f"the output of layer '{layer}', 3 features" in told[0]
        assert any("mean over places" in one for one in result.warnings)
    with pytest.raises(UsageError, match=r"no layer named 'avgpol'.*did you mean 'avgpool'"):
        scanned(file(), layer="avgpol")


def test_weights_that_lie_beside_a_graph_are_read_and_are_part_of_its_digest(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(graph(), str(path), save_as_external_data=True, location="m.data", size_threshold=0)
    result, told = scanned(path)
    assert "accuracy 100.0 %" in told[0]
    data = tmp_path / "m.data"
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\1")
    assert scanned(path)[0].model != result.model
    data.unlink()
    with pytest.raises(DataError, match=r"keeps its weights in .*m\.data, which is missing"):
        scanned(path)


def test_weights_outside_the_folder_of_a_graph_are_not_read(tmp_path):
    path = tmp_path / "inner" / "m.onnx"
    path.parent.mkdir()
    made = graph()
    onnx.save(made, str(path), save_as_external_data=True, location="m.data", size_threshold=0)
    (path.parent / "m.data").rename(tmp_path / "m.data")
    again = onnx.load(str(path), load_external_data=False)
    for one in again.graph.initializer:
        for entry in one.external_data:
            entry.value = "../m.data" if entry.key == "location" else entry.value
    path.write_bytes(again.SerializeToString())
    with pytest.raises(DataError, match="outside its own folder"):
        scanned(path)


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x80\x04N.", b"PK\x03\x04" + bytes(50)])
def test_a_damaged_graph_is_refused_by_its_name(content, tmp_path):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(DataError, match=r"m\.onnx"):
        scanned(tmp_path / "m.onnx")


def test_a_graph_that_reads_no_images_or_does_not_fit_is_refused(file, tmp_path):
    with pytest.raises(UsageError, match="expected one batch of images"):
        scanned(file(shape=("n", 3)))
    with pytest.raises(UsageError, match="cannot read images of 1 x 16 x 16"):
        given(str(file()), colours(8).images(slice(None))[:, :1])
    with pytest.raises(UsageError, match="gives 4 answers for an image and the data set has 3 classes"):
        given(str(file()), classes=NAMES[:3])
    with pytest.raises(UsageError, match="leave --weights out"):
        bring(str(file()), Wanted(NAMES, (3, 16, 16), tmp_path / "w.safetensors"))


def test_a_graph_without_a_linear_layer_needs_the_name_of_one(file):
    made = graph(outputs=("pooled",))
    del made.graph.node[1:]
    with pytest.raises(UsageError, match="no linear layer"):
        scanned(file(made))


def test_colours_swapped_for_a_graph_are_a_hint(file):
    result, _ = scanned(file(order=(2, 1, 0, 3)))
    assert any('order = "bgr"' in one for one in result.warnings)


def several(*names, shapes):
    """Return the graph with other outputs beside its answer, of the kinds and shapes that are given."""
    made = graph(outputs=())
    made.graph.node.extend(
        [
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0),
            helper.make_node("Identity", ["logits"], ["scores"]),
        ]
    )
    for name in names:
        kind = onnx.TensorProto.INT64 if name == "label" else FLOAT
        made.graph.output.append(helper.make_tensor_value_info(name, kind, shapes[name]))
    return made


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("label", "scores"), "scores"),
        (("flat", "scores"), "scores"),
        (("flat", "probabilities"), "probabilities"),
        (("scores", "probabilities"), "scores"),
    ],
)
def test_of_several_outputs_the_one_with_a_number_for_each_class_is_taken(names, taken, file):
    shapes = {"label": ("n",), "scores": ("n", "k"), "flat": ("n", 3), "probabilities": ("n", 4)}
    result, told = scanned(file(several(*names, shapes=shapes)))
    assert "accuracy 100.0 %" in told[0]
    assert any(f"2 outputs, of which {taken!r} is taken" in one for one in result.warnings)
    assert any("answers are probabilities" in one for one in result.warnings) == (taken == "probabilities")


def test_what_onnxruntime_says_is_told_without_the_place_in_its_source(file):
    made = graph()
    made.opset_import[0].version = 99
    with pytest.raises(DataError, match=r"cannot run .*m\.onnx: (?!.*onnxruntime_src).*support"):
        scanned(file(made))
