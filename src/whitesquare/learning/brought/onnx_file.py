"""A network in a ``.onnx`` file, asked through onnxruntime: forward only, with its features as one output more."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from whitesquare.errors import DataError, UsageError, require_extra
from whitesquare.learning.asked import AS_THEY_ARE, Prepare, as_vectors, pooled
from whitesquare.learning.brought.types import BroughtModel, Wanted
from whitesquare.learning.brought.weights import digest_of_files
from whitesquare.learning.preprocess import Preprocess
from whitesquare.learning.tensors import to_float
from whitesquare.types import FloatArray, UInt8Array

_BATCH = 100
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_STORED = {"tensor(uint8)": np.uint8}
_PRODUCTS = ("Gemm", "MatMul")
_PLACE = re.compile(r"/\S*onnxruntime\S*:\d+ .*?\) ")
"""Where in its own source something failed, as onnxruntime says before it says what."""
_FOLDER = "session.model_external_initializers_file_folder_path"


@dataclass(frozen=True)
class GraphInput:
    """What a graph is given.

    Attributes:
        name: of its input.
        kind: of its numbers.
        batch: number of images that it reads at once; ``None`` for any.
        sides: height and width that it reads; ``None`` for any.
        last: whether the channels come last.
    """

    name: str
    kind: type[Any]
    batch: int | None
    sides: tuple[int, int] | None
    last: bool


@dataclass(frozen=True, eq=False)
class OnnxClassifier:
    """A graph on the processor; see :class:`~whitesquare.types.Classifier`. It gives no gradients.

    Attributes:
        session: of onnxruntime.
        classes: names of the K classes.
        feature_layer: what its features are.
        entry: what it is given.
        outputs: names of what holds the features, and of what holds the logits.
        preprocess: from float images in [0, 1] to what it reads.
        told: what was done so that it could be asked, a sentence each.
        order: by class the output that is meant; ``None`` where they go in the same order.
        shares: whether it answers with probabilities, whose logarithms are its logits.
    """

    session: Any
    classes: tuple[str, ...]
    feature_layer: str
    entry: GraphInput
    outputs: tuple[str, str]
    preprocess: Prepare
    told: tuple[str, ...] = ()
    order: tuple[int, ...] | None = None
    shares: bool = False

    device: ClassVar[str] = "cpu"

    def answers(self, images: UInt8Array) -> tuple[FloatArray, FloatArray]:
        """Return features ``(B, D)`` and logits ``(B, K)``, float32, of one computation."""
        if not len(images):
            none = self.answers(np.zeros((1, *images.shape[1:]), np.uint8))
            return none[0][:0], none[1][:0]
        size = self.entry.batch or _BATCH
        parts = [self._run(images[start : start + size]) for start in range(0, len(images), size)]
        features, logits = (np.concatenate(one) for one in zip(*parts, strict=True))
        return as_vectors(torch.from_numpy(features)).numpy(), logits

    def logits(self, images: UInt8Array) -> FloatArray:
        """Return the logits ``(B, K)``; see :meth:`answers`."""
        return self.answers(images)[1]

    def features(self, images: UInt8Array) -> FloatArray:
        """Return the features ``(B, D)``; see :meth:`answers`."""
        return self.answers(images)[0]

    def prepared(self, preprocess: Prepare) -> "OnnxClassifier":
        """Return the same graph, given images in another way."""
        return replace(self, preprocess=preprocess)

    def reordered(self, order: Sequence[int], classes: tuple[str, ...]) -> "OnnxClassifier":
        """Return the same graph, of whose outputs ``order`` names the one for each of ``classes``."""
        return replace(self, order=tuple(order), classes=classes)

    def logarithmic(self) -> "OnnxClassifier":
        """Return the same graph, whose answers are probabilities: their logarithms are its logits."""
        return replace(self, shares=True)

    def notes(self, images: UInt8Array) -> tuple[str, ...]:
        """Say what was done so that the graph could be asked, and what is taken of its features of these images."""
        said = pooled(self._run(images[:1])[0].shape)
        return (*self.told, said) if said else self.told

    def _run(self, images: UInt8Array) -> tuple[FloatArray, FloatArray]:
        with torch.inference_mode():
            given = self.preprocess(to_float(torch.from_numpy(np.array(images)))).contiguous().numpy()
        if self.entry.kind is np.uint8:
            given = np.rint(given).clip(0, 255)
        if self.entry.last:
            given = given.transpose(0, 2, 3, 1)
        short = (self.entry.batch or len(images)) - len(images)
        if short > 0:
            given = np.concatenate([given, np.repeat(given[-1:], short, axis=0)])
        asked = {self.entry.name: np.ascontiguousarray(given, self.entry.kind)}
        features, logits = self.session.run(list(self.outputs), asked)
        found = _floats(logits)[: len(images)].reshape(len(images), -1)
        found = found if self.order is None else found[:, list(self.order)]
        if self.shares:
            found = np.log(np.maximum(found, np.finfo(np.float32).tiny))
        return _floats(features)[: len(images)], found


def bring_onnx(name: str, wanted: Wanted) -> BroughtModel:
    """Read a graph, and let it give its features as well.

    Raises:
        MissingDependencyError: onnxruntime or onnx is not installed.
        UsageError: it reads no images, has no such layer, or is given weights.
        DataError: it is damaged.
    """
    for module in ("onnxruntime", "onnx"):
        require_extra(module, "onnx", f"The model {name}")
    path = Path(name)
    if wanted.weights is not None:
        raise UsageError(f"{path} has weights of its own; leave --weights out.")
    graph, outside = _read(path)
    layer, features = _feature(graph, wanted.layer, path)
    outputs = _names(graph.graph.output)
    session = _session(graph, features, path)
    logits = _answer([one for one in session.get_outputs() if one.name in outputs], len(wanted.classes), path)
    entry = _entry(session.get_inputs(), path)
    preprocess = wanted.preprocess or _preprocess(entry)
    told = [f"The graph has {len(outputs)} outputs, of which {logits!r} is taken."] if len(outputs) > 1 else []
    if entry.last:
        told.append("The graph has the channels of its images last.")
    if isinstance(preprocess, Preprocess) and preprocess.size is None and entry.sides is not None:
        preprocess = replace(preprocess, size=entry.sides)
        if entry.sides != wanted.shape[1:]:
            told.append(f"Images are brought to {entry.sides[0]} x {entry.sides[1]} pixels, which the graph reads.")
    made = OnnxClassifier(session, wanted.classes, layer, entry, (features, logits), preprocess, tuple(told))
    return BroughtModel(made, digest_of_files([path, *outside]))


def _read(path: Path) -> tuple[Any, list[Path]]:
    """Read the graph without its weights, and name the files beside it that hold them."""
    import onnx

    try:
        found = onnx.load(str(path), load_external_data=False)
        if not found.graph.node:
            raise DataError(f"{path} holds no graph; write it anew with torch.onnx.export.")
        places = {
            entry.value for one in found.graph.initializer for entry in one.external_data if entry.key == "location"
        }
    except DataError:
        raise
    except Exception as error:  # what protobuf raises for a damaged file is its own affair
        raise DataError(
            f"{path} cannot be read as ONNX ({_first(error)}); write it anew with torch.onnx.export."
        ) from error
    outside = sorted(path.parent / place for place in places)
    for one in outside:
        if not one.resolve().is_relative_to(path.parent.resolve()):
            raise DataError(
                f"{path} keeps weights in {one}, outside its own folder; put them beside it and name them so."
            )
        if not one.is_file():
            raise DataError(f"{path} keeps its weights in {one}, which is missing; put it beside it.")
    return found, outside


def _session(graph: Any, features: str, path: Path) -> Any:
    import onnx
    import onnxruntime

    if features not in _names(graph.graph.output):
        graph.graph.output.append(onnx.ValueInfoProto(name=features))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(_FOLDER, str(path.parent.resolve()))
    try:
        return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # what onnxruntime raises for a graph that it cannot run is its own affair
        raise DataError(f"onnxruntime cannot run {path}: {_first(error)}.") from error


def _feature(graph: Any, layer: str | None, path: Path) -> tuple[str, str]:
    """Return what the features are called for people, and the name of what holds them in the graph."""
    known = {item.name for item in graph.graph.initializer}
    if layer is None:
        heads = [node for node in graph.graph.node if node.op_type in _PRODUCTS and node.input[0] not in known]
        if not heads:
            raise UsageError(
                f"{path} has no linear layer (Gemm or MatMul) whose input could be its features; name a layer: --layer."
            )
        return f"the input of layer {heads[-1].name or heads[-1].output[0]!r}", heads[-1].input[0]
    places = {node.name: node.output[0] for node in graph.graph.node if node.name}
    places |= {output: output for node in graph.graph.node for output in node.output}
    if layer in places:
        return f"the output of layer {layer!r}", places[layer]
    near = get_close_matches(layer, places, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise UsageError(
        f"There is no layer named {layer!r:.80} in {path}{hint} The last are {', '.join(list(places)[-6:])}."
    )


def _answer(outputs: Sequence[Any], classes: int, path: Path) -> str:
    """Name the output that is the answer: the one called so, or the first with a number for each class."""
    if not outputs:
        raise DataError(f"{path} has no output; write it anew with torch.onnx.export.")
    fitting = [one for one in outputs if one.type in _TYPES and len(one.shape) > 1]
    sure = [one for one in fitting if one.shape[1] == classes]
    open_ = [one for one in fitting if not isinstance(one.shape[1], int)]
    main = [one for one in sure if "aux" not in one.name.casefold()]
    names = [one.name for one in (*main, *sure, *open_, *outputs)]
    return "logits" if "logits" in names else names[0]


def _entry(inputs: Sequence[Any], path: Path) -> GraphInput:
    said = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
    kinds = _TYPES | _STORED
    if len(inputs) != 1 or inputs[0].type not in kinds or len(inputs[0].shape) != 4:
        raise UsageError(f"{path} reads {said:.200}; expected one batch of images, such as float (B, C, H, W).")
    one = inputs[0]
    shape = [size if isinstance(size, int) else None for size in one.shape]
    last = shape[3] in (1, 3, 4) and shape[1] not in (1, 3, 4)
    high, wide = shape[1:3] if last else shape[2:4]
    sides = (high, wide) if high is not None and wide is not None else None
    return GraphInput(one.name, kinds[one.type], shape[0], sides, last)


def _preprocess(entry: GraphInput) -> Preprocess:
    return Preprocess(white=255.0) if entry.kind is np.uint8 else AS_THEY_ARE


def _names(outputs: Sequence[Any]) -> list[str]:
    return [one.name for one in outputs]


def _floats(found: NDArray[Any]) -> FloatArray:
    return np.asarray(found, np.float32)


def _first(error: Exception) -> str:
    said = _PLACE.sub("", str(error)).strip()
    lines = said.splitlines()
    return f"{lines[0]:.300}" if lines else type(error).__name__
