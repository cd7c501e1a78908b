"""Measuring as a user asks for it: a model, test images and triggers, each an object or what names it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import whitesquare
from whitesquare._base.files import write_text
from whitesquare._base.schema import encode
from whitesquare.data import held, notes, open_dataset
from whitesquare.data.cache_size import usual_size
from whitesquare.data.classes import class_label
from whitesquare.data.holding import pixels_of
from whitesquare.data.names import Data, named
from whitesquare.errors import DataError, NothingToDoError, UsageError
from whitesquare.jobs.runs import find_run, read_manifest
from whitesquare.learning.asked import Prepare
from whitesquare.learning.asking import Asking
from whitesquare.learning.brought.kinds import is_brought, refuse_unread
from whitesquare.learning.brought.names import output_order
from whitesquare.learning.device import resolve
from whitesquare.learning.estimates import share
from whitesquare.learning.given import Given, given_classifier
from whitesquare.learning.look import first_look
from whitesquare.learning.measure import try_triggers
from whitesquare.learning.models import Model, load_model
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.learning.tried import Tried, Turned
from whitesquare.provenance.attested import Attested
from whitesquare.provenance.consumed import Consumed, Reading
from whitesquare.provenance.container_files import expect_sizes
from whitesquare.provenance.evidence import (
    FORMAT,
    MEASURE,
    UNKNOWN,
    Figure,
    MeasureEvidence,
    SourceFigure,
    TriggerFigure,
    UntargetedFigure,
)
from whitesquare.provenance.predicates import measure_predicate
from whitesquare.records import CARD, VICTIM, WEIGHTS, Estimate, OnNote, Progress, silent, unheard
from whitesquare.signing.keys import Signer
from whitesquare.signing.statements import TEST_RESULT_TYPE, Subject, write_statement
from whitesquare.signing.times import to_text, utc_now
from whitesquare.triggers import parse_trigger
from whitesquare.types import ImageDataset, Trigger


@own_surroundings()
def measure(
    model: Given,
    data: Data | None = None,
    triggers: Sequence[Trigger | str] = (),
    *,
    target: int | str | None = None,
    weights: str | Path | None = None,
    preprocess: str | Path | Mapping[str, Any] | Prepare | None = None,
    layer: str | None = None,
    device: str = "cpu",
    size: int | None = None,
    fit: str | None = None,
    attested: Attested | None = None,
    signer: Signer | None = None,
    on_note: OnNote = unheard,
    on_progress: Progress = silent,
) -> tuple[Tried, ...]:
    """Measure what a model does on test images, without and with each trigger, for every class as the target.

    Of a folder, the result under the first trigger is kept in it, for the report; triggers, target and test images
    default to those of the run that it lies in, and test images, failing that, to the data set it was trained on. What
    is signed covers every class as the target, whichever is shown.

    Args:
        model: a model of ours or its folder, a network, any classifier, or the name or path of one; see
            ``docs/models.md``.
        data: test images, as :func:`whitesquare.data.open_dataset` takes them; what has splits must have a test split.
        triggers: what to stamp on them, or specs such as ``patch:size=2,corner=br,margin=1``.
        target: class that the results are of, a label or a name (see :func:`whitesquare.data.classes.class_label`);
            ``None`` for the worst under each trigger, or the run's.
        weights: a safetensors file, for a model whose name says only how it is built.
        preprocess: what the model expects of its input beside float images in [0, 1]; see :func:`whitesquare.scan`.
        layer: name of the layer whose output its features are; likewise.
        device: where to compute; see :func:`whitesquare.learning.device.resolve`.
        size: both sides that image files are brought to; see :func:`whitesquare.data.open_dataset`.
        fit: how; likewise.
        attested: measure on nothing but the test split of this.
        signer: signs what the model does; the statement is kept in its folder, too.
        on_note: told what was done to the images so that they could be read as one data set, what was done so that the
            model could be asked, and how well it reads some of them.
        on_progress: told how many test images are read.

    Returns:
        What the model does under each trigger.

    Raises:
        UsageError: no such data set or device, no trigger, one that is none or does not fit the images, a target that
            is no class, a network that does not fit the images, or a signer for a model that lies in no folder.
        DataError: the model or the test images cannot be read, or know other classes.
        NothingToDoError: there is no test image outside a class that must be tried as the target.
        VerificationError: a test image is not the attested one.

    Example:
        >>> import whitesquare as ws
        >>> from whitesquare.learning.recipes import Recipe
        >>> model = ws.train("photos/", Recipe(epochs=2), seed=7)
        >>> (tried,) = ws.measure(model, "photos/", ["patch:size=2,corner=br,margin=1"], target=0)
        >>> 0 <= tried.result.asr.value <= 1
        True
    """
    asking = Asking(model, weights, preprocess, layer)
    folder = Path(model) if isinstance(model, str | Path) and not is_brought(model) else None
    if isinstance(model, str | Path):
        refuse_unread(Path(model))
    own = load_model(folder) if folder else model if isinstance(model, Model) else None
    if own is not None and not asking.bare:
        raise UsageError("A model of ours has its weights, preprocess and layer; leave these out.")
    run = find_run(folder) if folder else None
    manifest = read_manifest(run) if run else None
    if manifest is not None:
        triggers = triggers or [manifest.trigger]
        target = manifest.target if target is None else target
    chosen = _parsed(folder, triggers)
    if signer is not None and folder is None:
        raise UsageError("What is signed of a model is kept beside it; give the folder of the model.")
    source = _source(data, run, own)
    if attested is not None and isinstance(source, str | Path):
        expect_sizes(source, attested.signed)
    opened = open_dataset(source, "test", size=size, fit=fit)
    test, consumed = _test_images(opened, named(source), own, attested, signer, on_note, on_progress)
    for note in notes(test):
        on_note(note)
    label = None if target is None else class_label(target, test.classes)
    if own is not None:
        found = try_triggers(own.on(resolve(device)), test, chosen, label)
    else:
        asked, _ = given_classifier(asking, test.images(slice(0, 2)), test.classes, device, on_note=on_note)
        look = first_look(asked, pixels_of(test), test.labels)
        for note in (look.line, *look.hints):
            on_note(note)
        found = try_triggers(asked, test, chosen, label)
    if folder is not None and own is not None:
        _keep(folder, own, found, consumed, signer)
    return found


def _source(data: Data | None, run: Path | None, own: Model | None) -> Data:
    """Return where the test images are: as asked, else with the run, else with the data of the training."""
    if data is not None:
        return data
    if run is None and own is None:
        raise UsageError("Nobody knows what the model was trained on; give test images.")
    return str(run) if own is None or run is not None else own.card.source


def _parsed(folder: Path | None, triggers: Sequence[Trigger | str]) -> list[Trigger]:
    if not triggers:
        raise UsageError(
            f"{folder or 'The model'} does not lie in a run folder, so its trigger is not known; give it: "
            "--trigger patch:size=2,corner=br,margin=1"
        )
    return [parse_trigger(trigger) if isinstance(trigger, str) else trigger for trigger in triggers]


def _keep(folder: Path, model: Model, found: Sequence[Tried], consumed: Consumed | None, signer: Signer | None) -> None:
    """Write the figures under the first trigger beside the model, and sign all of them."""
    text = encode(found[0].result)
    evidence = _measurement(model, found, consumed) if signer is not None and consumed is not None else None
    write_text(folder / VICTIM, text)
    if signer is not None and evidence is not None:
        _sign(folder, model, text, evidence, signer)


def _sign(folder: Path, model: Model, figures: str, evidence: MeasureEvidence, signer: Signer) -> None:
    """Sign what was measured, of the weights, the card that says what each output means, and the figures beside."""
    subjects = [
        Subject(WEIGHTS, model.digest),
        Subject(CARD, model.card_digest),
        Subject(VICTIM, sha256(figures.encode()).hexdigest()),
    ]
    write_statement(folder / MEASURE, subjects, TEST_RESULT_TYPE, measure_predicate(evidence), signer)


def _test_images(
    test: ImageDataset,
    name: str,
    model: Model | None,
    attested: Attested | None,
    signer: Signer | None,
    on_note: OnNote,
    on_progress: Progress,
) -> tuple[ImageDataset, Consumed | None]:
    """Read the test images, and what of them was read where that is to be held against an attestation or signed."""
    reading = None
    if attested is not None or signer is not None:
        reading = Reading(test, "test", attested.signed if attested else None)
        test = reading.dataset
    test = held(test, on_progress, cache=usual_size())
    if model is not None:
        _check_classes(model, test, name, on_note)
    return test, reading.consumed() if reading else None


def _check_classes(model: Model, test: ImageDataset, where: str, on_note: OnNote) -> None:
    """Refuse a model whose answers would be misread, and tell of names that are all others."""
    known = model.card.classes
    if len(known) != (outputs := model.card.architecture.classes):
        raise DataError(f"The card of the model names {len(known)} classes and its network has {outputs} outputs.")
    if len(test.classes) != len(known):
        raise UsageError(
            f"The model knows {len(known)} classes and the test images of {where} have "
            f"{len(test.classes)}; measure it on the data it was made for."
        )
    order, said = output_order(known, test.classes, "The model")
    if order is not None:
        raise DataError(
            f"The model knows the classes in another order ({', '.join(known):.120}) than the test images of "
            f"{where} ({', '.join(test.classes):.120}), so its answers would be misread; give the "
            "model that was trained on such data."
        )
    if said:
        on_note(said)


def _measurement(model: Model, found: Sequence[Tried], consumed: Consumed) -> MeasureEvidence:
    """Say what was measured, for every class as the target.

    Raises:
        NothingToDoError: all images are of one class, so that it cannot be a target.
    """
    classes = model.card.classes
    for one in found:
        if missing := [name for label, name in enumerate(classes) if label not in one.asr]:
            raise NothingToDoError(
                f"A signed measurement tries every class as the target, and all test images are of the class "
                f"{missing[0]!r:.60}; give images of other classes as well."
            )
    return MeasureEvidence(
        ca=_figure(found[0].result.ca),
        asr=tuple(
            TriggerFigure(one.result.trigger, target, _figure(asr))
            for one in found
            for target, asr in sorted(one.asr.items())
        ),
        sources=tuple(
            SourceFigure(one.result.trigger, target, source, _counted(turned))
            for one in found
            for target, (source, turned) in sorted(one.sources.items())
        ),
        untargeted=tuple(UntargetedFigure(one.result.trigger, _counted(one.untargeted)) for one in found),
        test_root=consumed.root,
        version=whitesquare.__version__,
        finished=to_text(utc_now()),
        format=FORMAT,
        classes=classes,
    )


def _counted(turned: Turned) -> Figure:
    return _figure(share("asr", turned.turned, turned.of)) if turned.of else UNKNOWN


def _figure(estimate: Estimate) -> Figure:
    return Figure(estimate.value, estimate.low, estimate.high, estimate.n)
