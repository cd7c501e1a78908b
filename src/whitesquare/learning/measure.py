"""What a model does: clean accuracy, attack success rate, trigger visibility, label consistency; all with intervals.

Attack success counts *targeted* success on test images *outside* the target class only: an image of the target class
that is called by its name is no success, and an error in another direction is not one either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from whitesquare.data.gallery import example_position
from whitesquare.data.holding import pixels_of
from whitesquare.data.pixels import Pixels
from whitesquare.errors import DataError, NothingToDoError, UsageError
from whitesquare.learning.device import device_of
from whitesquare.learning.estimates import high_ends, share
from whitesquare.learning.models import Model
from whitesquare.learning.stamped import StampedPixels
from whitesquare.learning.tensors import to_float
from whitesquare.learning.tried import Tried, Turned
from whitesquare.records import Estimate, ExampleView, VictimResult
from whitesquare.triggers import trigger_spec
from whitesquare.types import Classifier, FloatArray, ImageDataset, IntArray, Trigger, UInt8Array

_BATCH = 1000

Measured = Model | Classifier
"""A model of ours, whose card says what it is, or any classifier."""


@dataclass(frozen=True)
class TestSet:
    """A test set with the trigger stamped once, for all the victims that are measured on it.

    Attributes:
        classes: class names.
        images: clean images ``(N, C, H, W)``.
        triggered: the same with the trigger on; of images that lie in a file, stamped when they are asked for.
        labels: true labels ``(N,)``.
        trigger: the trigger in use.
        target: target class (a label).
    """

    __test__ = False  # not a pytest class

    classes: tuple[str, ...]
    images: Pixels
    triggered: Pixels
    labels: IntArray
    trigger: Trigger
    target: int

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """True where the image is outside the target class: the denominator of the attack success rate."""
        return np.asarray(self.labels != self.target)


def prepare(dataset: ImageDataset, trigger: Trigger, target: int) -> TestSet:
    """Decode a test set and stamp the trigger.

    Raises:
        NothingToDoError: no image, or none outside the target class.
        UsageError: the trigger does not fit the images, or changes none of them.
    """
    images = pixels_of(dataset)
    if not np.any(dataset.labels != target):
        raise NothingToDoError(
            f"The attack success rate needs test images outside the target class {target}; found none among "
            f"{len(dataset.labels)} images."
        )
    triggered = trigger(images) if isinstance(images, np.ndarray) else StampedPixels(images, trigger)
    starts = range(0, len(images), _BATCH)
    if all(np.array_equal(images[at : at + _BATCH], triggered[at : at + _BATCH]) for at in starts):
        raise UsageError(
            f"The trigger {trigger_spec(trigger)} changes none of the {len(images):,} test images, so that nothing can "
            "be measured of it; give the one in use."
        )
    return TestSet(dataset.classes, images, triggered, dataset.labels, trigger, target)


def predict(model: Measured, images: Pixels) -> FloatArray:
    """Return the logits ``(N, K)``, float32, computed in float32 whatever the training precision was.

    Raises:
        DataError: if the images have another shape than those the model was trained on, or an answer is not a number.
    """
    ask = _network(model, images.shape[1:]) if isinstance(model, Model) else model.logits
    found = [ask(images[start : start + _BATCH]) for start in range(0, max(len(images), 1), _BATCH)]
    logits = np.concatenate(found)
    if not np.isfinite(logits).all():  # which would count as answers
        raise DataError("The model's outputs are not finite numbers (NaN or infinity); give a trained model.")
    return logits


def _network(model: Model, shape: tuple[int, ...]) -> Callable[[UInt8Array], FloatArray]:
    a = model.card.architecture
    if shape != (a.channels, a.height, a.width):
        raise DataError(
            f"The model reads images of shape {(a.channels, a.height, a.width)} and these are {shape}; measure it on "
            "the kind of data it was trained on."
        )
    device = device_of(model.network)

    def ask(images: UInt8Array) -> FloatArray:
        with torch.inference_mode():
            logits: FloatArray = model.network(to_float(torch.from_numpy(np.array(images)).to(device))).cpu().numpy()
        return logits

    return ask


@dataclass(frozen=True)
class Answers:
    """Logits ``(N, K)`` of a victim on the clean and on the triggered images of a test set."""

    clean: FloatArray
    triggered: FloatArray


def answer(model: Measured, test: TestSet, clean: FloatArray | None = None) -> Answers:
    """Let a victim answer a prepared test set.

    Args:
        model: the victim.
        test: the test set.
        clean: its logits on the clean images, if they are known.

    Raises:
        DataError: see :func:`predict`.
    """
    return Answers(predict(model, test.images) if clean is None else clean, predict(model, test.triggered))


def successes(answers: Answers, labels: IntArray) -> dict[int, Estimate]:
    """Return the attack success rate for every class as the target: the answers are the same for all of them.

    A class to which all images belong has none: there is nothing to attack.
    """
    given, classes = answers.triggered.argmax(1), answers.triggered.shape[1]
    turned = np.bincount(given[given != labels], minlength=classes)
    outside = len(labels) - np.bincount(labels, minlength=classes)
    return {
        target: share("asr", int(turned[target]), int(outside[target])) for target in range(classes) if outside[target]
    }


def worst_sources(answers: Answers, labels: IntArray) -> dict[int, tuple[int, Turned]]:
    """Return, for every class as the target, the one other class whose images turn to it most, and how many do.

    A backdoor for the images of one class is diluted in the success rate over all classes. Counted are images that are
    not answered as the target without the trigger, so that what a model mixes up anyway is no success. The most is by
    the high end of the 95 % interval: a class of which there are few images, or none, is the one least known.
    """
    classes = answers.triggered.shape[1]
    before, after = answers.clean.argmax(1), answers.triggered.argmax(1)
    images = np.bincount(labels, minlength=classes)[:, np.newaxis]
    could = images - _counts(labels, before, classes)
    moved = before != after
    turned = _counts(labels[moved], after[moved], classes)
    high = high_ends(turned, could)
    np.fill_diagonal(high, -1.0)
    worst = high.argmax(0)
    return {
        target: (int(source), Turned(int(turned[source, target]), int(could[source, target])))
        for target, source in enumerate(worst)
        if source != target
    }


def misled(answers: Answers, labels: IntArray) -> Turned:
    """Return how many of the rightly answered images the trigger makes a model answer wrongly, to whatever class."""
    right = answers.clean.argmax(1) == labels
    return Turned(int((answers.triggered.argmax(1) != labels)[right].sum()), int(right.sum()))


def worst_of(asr: Mapping[int, Estimate]) -> int:
    """Return the target that the largest share of the other images turns to."""
    return max(asr, key=lambda target: asr[target].value)


def measure(model: Measured, test: TestSet) -> VictimResult:
    """Measure one victim on a prepared test set."""
    return judge(model, test, answer(model, test))


def judge(model: Measured, test: TestSet, found: Answers) -> VictimResult:
    """Measure one victim by the answers that it gave to a prepared test set."""
    clean, triggered = found.clean, found.triggered
    answers, attacked = triggered.argmax(1), test.attacked
    example = example_position(test.labels, test.target)
    success = answers == test.target
    by_class = {
        name: share("asr", int(success[of_class].sum()), int(of_class.sum()))
        for label, name in enumerate(test.classes)
        if label != test.target and (of_class := test.labels == label).any()
    }
    card = model.card if isinstance(model, Model) else None
    return VictimResult(
        seed=card.seed if card else 0,
        model=card.architecture.name if card else type(model).__name__,
        ca=share("ca", int((clean.argmax(1) == test.labels).sum()), len(clean)),
        asr=share("asr", int(success[attacked].sum()), int(attacked.sum())),
        asr_by_class=by_class,
        confusion=_confusion(test.labels, answers, len(test.classes)),
        visibility=float(np.abs(triggered - clean)[attacked].max(1).mean()),
        trigger=trigger_spec(test.trigger),
        target=test.target,
        trained_on=card.trained_on if card else "",
        example=_view(test.classes, clean[example], triggered[example]),
    )


def try_triggers(
    model: Measured, dataset: ImageDataset, triggers: Sequence[Trigger], target: int | None
) -> tuple[Tried, ...]:
    """Measure one victim under every trigger and for every class as the target; it answers each image once.

    Args:
        model: the victim.
        dataset: the test images.
        triggers: what to stamp on them.
        target: class (a label) that the results are of; ``None`` for the worst under each trigger.

    Raises:
        NothingToDoError: see :func:`prepare`.
        UsageError: likewise.
        DataError: see :func:`predict`.
    """
    found, clean = [], None
    for trigger in triggers:
        first = next((label for label in range(len(dataset.classes)) if np.any(dataset.labels != label)), 0)
        test = prepare(dataset, trigger, first if target is None else target)
        answers = answer(model, test, clean)
        clean = answers.clean
        asr = successes(answers, test.labels)
        shown = worst_of(asr) if target is None else target
        result = judge(model, replace(test, target=shown), answers)
        sources, spoilt = worst_sources(answers, test.labels), misled(answers, test.labels)
        found.append(Tried(result, asr, sources, spoilt, tuple(dataset.classes)))
    return tuple(found)


def label_consistency(judge: Model, content: UInt8Array, labels: IntArray) -> Estimate:
    """Measure the share of images that still show their label once only black and white is left.

    The content (before the trigger) is thresholded at half of the value range and read by an independently trained
    clean model: what remains of a drawing when every grey trick is taken away.

    Args:
        judge: a model trained on clean data that took no part in the crafting.
        content: poisoned images before the trigger, ``(B, C, H, W)``.
        labels: the labels they carry, ``(B,)``.
    """
    black_and_white = np.where(content >= 128, np.uint8(255), np.uint8(0))
    answers = predict(judge, black_and_white).argmax(1)
    return share("label_consistency", int((answers == labels).sum()), len(labels))


def _view(classes: tuple[str, ...], clean: FloatArray, triggered: FloatArray) -> ExampleView:
    before, after = softmax(clean.astype(np.float64)), softmax(triggered.astype(np.float64))
    return ExampleView(
        classes[int(before.argmax())], float(before.max()), classes[int(after.argmax())], float(after.max())
    )


def _confusion(labels: IntArray, answers: NDArray[np.integer], classes: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in _counts(labels, answers, classes))


def _counts(labels: IntArray, answers: NDArray[np.integer], classes: int) -> NDArray[np.integer]:
    """Count the images of every class (row) by what they are answered as (column)."""
    return np.bincount(labels * classes + answers, minlength=classes * classes).reshape(classes, classes)
