"""Victims as folders: train one on a data set, measure one where it lies; with a key, sign what was done."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import whitesquare
from whitesquare._base.folders import check_output, output_folder
from whitesquare._base.jsonio import encode, write_text
from whitesquare._base.machine import code_digest, versions
from whitesquare.data import held, open_dataset
from whitesquare.data.decode import decoder
from whitesquare.errors import DataError, NothingToDoError, UsageError
from whitesquare.jobs.runs import find_run, read_manifest
from whitesquare.learning.device import resolve
from whitesquare.learning.estimates import share
from whitesquare.learning.measure import Tried, Turned, try_triggers
from whitesquare.learning.models import Model, load_model, save_model
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.train import train
from whitesquare.provenance.attested import Attested, copy_attestation
from whitesquare.provenance.consumed import Consumed, Reading
from whitesquare.provenance.container_files import expect_sizes
from whitesquare.provenance.evidence import (
    EVIDENCE,
    FORMAT,
    MEASURE,
    PROVENANCE,
    UNKNOWN,
    Figure,
    MeasureEvidence,
    SourceFigure,
    TrainEvidence,
    TriggerFigure,
    UntargetedFigure,
)
from whitesquare.provenance.listing import PIXELS
from whitesquare.provenance.predicates import measure_predicate, train_predicate
from whitesquare.provenance.types import MANIFEST
from whitesquare.records import CARD, VICTIM, WEIGHTS, Estimate, Progress, silent
from whitesquare.signing.keys import Signer
from whitesquare.signing.statements import PROVENANCE_TYPE, TEST_RESULT_TYPE, Subject, write_statement
from whitesquare.signing.times import to_text, utc_now
from whitesquare.triggers import parse_trigger
from whitesquare.types import ImageDataset, Trigger


def make_victim(
    source: str,
    folder: Path,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    attested: Attested | None = None,
    signer: Signer | None = None,
    on_progress: Progress = silent,
) -> None:
    """Train a model on a data set and write its folder, whole or not at all.

    Args:
        source: data set, as :func:`whitesquare.data.open_dataset` takes it; a run folder is one.
        folder: where; see :func:`whitesquare._base.folders.check_output`.
        recipe: what to train and how.
        seed: of the training.
        device: where to train; see :func:`whitesquare.learning.device.resolve`.
        attested: train on nothing but this, and put its manifest and signatures beside the model.
        signer: signs how the model came to be; needs ``attested``.
        on_progress: told the number of finished steps.

    Raises:
        UsageError: a signer, and nothing attested to sign for.
        VerificationError: a sample is not the attested one; nothing is trained.
    """
    if signer is not None and attested is None:
        raise UsageError("Provenance says which attested data a model is made of; give the attestation as well.")
    check_output(folder)
    started = to_text(utc_now())
    known = source if source == "mnist" else str(Path(source).resolve())
    if attested is not None:
        expect_sizes(source, attested.signed)
    dataset, consumed = open_dataset(source), None
    if attested is not None:
        reading = Reading(dataset, "train", attested.signed)
        dataset = held(reading.dataset)
        consumed = reading.consumed()
    model = train(dataset, recipe, seed=seed, source=known, device=device, on_progress=on_progress)
    with output_folder(folder, "model", (WEIGHTS, CARD, VICTIM, *EVIDENCE)) as part:
        save_model(model, part)
        if attested is not None:
            copy_attestation(attested, part)
        if attested is not None and consumed is not None and signer is not None:
            evidence = _training(model, attested.signed.sha256, consumed, started)
            # The card says what each output means: weights with another card are another model.
            subjects = [Subject(name, sha256((part / name).read_bytes()).hexdigest()) for name in (WEIGHTS, CARD)]
            predicate = train_predicate(evidence, MANIFEST)
            write_statement(part / PROVENANCE, subjects, PROVENANCE_TYPE, predicate, signer)


def _training(model: Model, manifest: str, consumed: Consumed, started: str) -> TrainEvidence:
    return TrainEvidence(
        manifest=manifest,
        root=consumed.root,
        size=consumed.size,
        split=consumed.split,
        recipe=model.card.recipe,
        seed=model.card.seed,
        code=code_digest(),
        decoder=PIXELS if consumed.kind == PIXELS else decoder(),
        versions=versions(),
        started=started,
        finished=to_text(utc_now()),
    )


def measure_victim(
    folder: Path,
    *,
    triggers: Sequence[str] = (),
    target: int | None = None,
    data: str | None = None,
    device: str = "cpu",
    attested: Attested | None = None,
    signer: Signer | None = None,
) -> tuple[Tried, ...]:
    """Measure a model folder, and keep the result under the first trigger in it for the report.

    Triggers, target and test images default to those of the run the model lies in; test images, failing that, to the
    data set the model was trained on. What is signed covers every class as the target, whichever is shown.

    Args:
        folder: the model.
        triggers: specs of the triggers to try.
        target: class (a label) to show; without one, and outside a run, that which the most images turn to.
        data: data set with the test images.
        device: where to compute; see :func:`whitesquare.learning.device.resolve`.
        attested: measure on nothing but the test split of this.
        signer: signs what the model does; the statement is kept in the folder too.

    Returns:
        What the model does under each trigger.

    Raises:
        UsageError: no trigger is given and the model lies in no run; or the target is no class.
        DataError: the model or the test images cannot be read, or know other classes.
        NothingToDoError: there is no test image outside a class that must be tried as the target.
        VerificationError: a test image is not the attested one.
    """
    model = load_model(folder).on(resolve(device))
    run = find_run(folder)
    manifest = read_manifest(run) if run else None
    if manifest is not None:
        triggers = triggers or [manifest.trigger]
        target = manifest.target if target is None else target
    chosen = _parsed(folder, triggers)
    if target is not None and not 0 <= target < len(model.card.classes):
        raise UsageError(f"The target class must be in 0..{len(model.card.classes) - 1}; got {target}.")
    test, consumed = _test_images(model, data or (str(run) if run else model.card.source), attested, signer)
    found = try_triggers(model, test, chosen, target)
    text = encode(found[0].result)
    evidence = _measurement(model, found, consumed) if signer is not None and consumed is not None else None
    write_text(folder / VICTIM, text)
    if signer is not None and evidence is not None:
        _sign(folder, model, text, evidence, signer)
    return found


def _parsed(folder: Path, triggers: Sequence[str]) -> list[Trigger]:
    if not triggers:
        raise UsageError(
            f"{folder} does not lie in a run folder, so its trigger is not known; give it: "
            "--trigger patch:size=2,corner=br,margin=1"
        )
    return [parse_trigger(trigger) for trigger in triggers]


def _sign(folder: Path, model: Model, figures: str, evidence: MeasureEvidence, signer: Signer) -> None:
    """Sign what was measured, of the weights, the card that says what each output means, and the figures beside."""
    subjects = [
        Subject(WEIGHTS, model.digest),
        Subject(CARD, model.card_digest),
        Subject(VICTIM, sha256(figures.encode()).hexdigest()),
    ]
    write_statement(folder / MEASURE, subjects, TEST_RESULT_TYPE, measure_predicate(evidence), signer)


def _test_images(
    model: Model, source: str, attested: Attested | None, signer: Signer | None
) -> tuple[ImageDataset, Consumed | None]:
    """Read the test images, and what of them was read where that is to be held against an attestation or signed."""
    reading = None
    if attested is not None:
        expect_sizes(source, attested.signed)
    test: ImageDataset = open_dataset(source, "test")
    if attested is not None or signer is not None:
        reading = Reading(test, "test", attested.signed if attested else None)
        test = reading.dataset
    test = held(test)
    known = model.card.classes
    if len(known) != (outputs := model.card.architecture.classes):
        raise DataError(f"The card of the model names {len(known)} classes and its network has {outputs} outputs.")
    if len(test.classes) != len(known):
        raise UsageError(
            f"The model knows {len(known)} classes and the test images of {source} have {len(test.classes)}; measure "
            "it on the data it was made for."
        )
    if test.classes != known and sorted(test.classes) == sorted(known):
        raise DataError(
            f"The model knows the classes in another order ({', '.join(known):.120}) than the test images of {source} "
            f"({', '.join(test.classes):.120}), so its answers would be misread; give the model that was trained on "
            "such data."
        )
    return test, reading.consumed() if reading else None


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
