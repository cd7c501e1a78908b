"""Measuring as a user asks for it: a model, test images and triggers, each an object or what names it."""

from collections.abc import Sequence
from pathlib import Path

from whitesquare.data import held, open_dataset
from whitesquare.learning.device import resolve
from whitesquare.learning.given import Given, given_classifier
from whitesquare.learning.measure import Tried, try_triggers
from whitesquare.learning.models import Model, load_model
from whitesquare.triggers import parse_trigger
from whitesquare.types import ImageDataset, Trigger


def measure(
    model: Given,
    data: str | Path | ImageDataset,
    triggers: Sequence[Trigger | str],
    *,
    target: int | None = None,
    device: str = "cpu",
) -> tuple[Tried, ...]:
    """Measure what a model does on test images, without and with each trigger, for every class as the target.

    Args:
        model: a model of ours or its folder, a network, or any classifier.
        data: test images, or the name or path of a data set with a test split.
        triggers: what to stamp on them, or specs such as ``patch:size=2,corner=br,margin=1``.
        target: class (a label) that the results are of; ``None`` for the worst under each trigger.
        device: where to compute; see :func:`whitesquare.learning.device.resolve`.

    Raises:
        UsageError: no such data set or device, a trigger that is none or does not fit the images, or a network that
            does not fit them.
        NothingToDoError: no image outside the target class.
        DataError: images of another shape than the model's.
    """
    test = held(open_dataset(data, "test")) if isinstance(data, str | Path) else data
    parsed = [parse_trigger(trigger) if isinstance(trigger, str) else trigger for trigger in triggers]
    asked = load_model(Path(model)) if isinstance(model, str | Path) else model
    if isinstance(asked, Model):
        return try_triggers(asked.on(resolve(device)), test, parsed, target)
    found, _ = given_classifier(asked, test.images(slice(0, 1)), test.classes, device)
    return try_triggers(found, test, parsed, target)
