"""Training as a user asks for it: the data are opened, hashed while they are read, learned, and spoken for."""

from hashlib import sha256
from pathlib import Path

from whitesquare._base.folders import check_output, output_folder
from whitesquare._base.machine import code_digest, versions
from whitesquare.data import held, notes, open_dataset
from whitesquare.data.apart import check_outside
from whitesquare.data.cache_size import usual_size
from whitesquare.data.layouts import full_name
from whitesquare.data.names import Data
from whitesquare.errors import UsageError
from whitesquare.learning.models import Model, save_model
from whitesquare.learning.recipes import Recipe
from whitesquare.learning.surroundings import own_surroundings
from whitesquare.learning.train import train as train_model
from whitesquare.provenance.attested import Attested, copy_attestation
from whitesquare.provenance.consumed import Consumed, Reading
from whitesquare.provenance.container_files import expect_sizes
from whitesquare.provenance.evidence import EVIDENCE, PROVENANCE, TrainEvidence
from whitesquare.provenance.opened import decoder_of
from whitesquare.provenance.predicates import train_predicate
from whitesquare.provenance.types import MANIFEST
from whitesquare.records import CARD, VICTIM, WEIGHTS, OnNote, Progress, silent, unheard
from whitesquare.signing.keys import Signer
from whitesquare.signing.statements import PROVENANCE_TYPE, Subject, write_statement
from whitesquare.signing.times import to_text, utc_now

REFERENCE = Recipe()


@own_surroundings()
def train(
    data: Data,
    recipe: Recipe = REFERENCE,
    *,
    seed: int,
    folder: Path | None = None,
    device: str = "cpu",
    size: int | None = None,
    fit: str | None = None,
    attested: Attested | None = None,
    signer: Signer | None = None,
    on_note: OnNote = unheard,
    on_progress: Progress = silent,
) -> Model:
    """Train a model on a data set; the same data, recipe, seed, machine and number of threads give the same weights.

    Args:
        data: training images, as :func:`whitesquare.data.open_dataset` takes them; a run folder is some.
        recipe: what to train and how.
        seed: of the training.
        folder: where the model and what is known of it are written, whole or not at all; see
            :func:`whitesquare._base.folders.check_output`. ``None`` writes nothing.
        device: where to train; see :func:`whitesquare.learning.device.resolve`.
        size: both sides that image files are brought to; see :func:`whitesquare.data.open_dataset`.
        fit: how; likewise.
        attested: train on nothing but this, and put its manifest and signatures beside the model.
        signer: signs how the model came to be; needs ``attested`` and ``folder``.
        on_note: told what was done to the images so that they could be read as one data set.
        on_progress: told the number of finished steps.

    Raises:
        UsageError: an unknown model, images too small for it, or a signer with nothing attested to sign for.
        DataError: no images, or fewer than two classes.
        VerificationError: a sample is not the attested one; nothing is trained.
        TrainingError: the loss is no longer a finite number.

    Example:
        >>> import whitesquare as ws
        >>> from whitesquare.learning.recipes import Recipe
        >>> model = ws.train("photos/", Recipe(epochs=2), seed=7)
        >>> model.card.classes[:3]
        ('0', '1', '2')
    """
    if signer is not None and (attested is None or folder is None):
        raise UsageError(
            "Provenance says which attested data a model is made of, and lies beside it; give the attestation and a "
            "folder as well."
        )
    if folder is not None:
        check_output(folder)
        check_outside(data, folder)
    started = to_text(utc_now())
    if attested is not None and isinstance(data, str | Path):
        expect_sizes(data, attested.signed)
    opened = open_dataset(data, size=size, fit=fit, on_progress=on_progress)
    reading = None if attested is None else Reading(opened, "train", attested.signed)
    dataset = held(reading.dataset if reading else opened, on_progress, cache=usual_size(), on_note=on_note)
    consumed = reading.consumed() if reading else None
    known = full_name(data) if isinstance(data, str | Path) else dataset.kind
    decoder = decoder_of(opened, consumed.kind) if consumed else ""
    model = train_model(dataset, recipe, seed=seed, source=known, device=device, on_progress=on_progress)
    for note in notes(opened):
        on_note(note)
    if folder is not None:
        _write(model, folder, attested, consumed, decoder, started, signer)
    return model


def _write(
    model: Model,
    folder: Path,
    attested: Attested | None,
    consumed: Consumed | None,
    decoder: str,
    started: str,
    signer: Signer | None,
) -> None:
    with output_folder(folder, "model", (WEIGHTS, CARD, VICTIM, *EVIDENCE)) as part:
        save_model(model, part)
        if attested is not None:
            copy_attestation(attested, part)
        if attested is not None and consumed is not None and signer is not None:
            evidence = _training(model, attested.signed.sha256, consumed, decoder, started)
            # The card says what each output means: weights with another card are another model.
            subjects = [Subject(name, sha256((part / name).read_bytes()).hexdigest()) for name in (WEIGHTS, CARD)]
            predicate = train_predicate(evidence, MANIFEST)
            write_statement(part / PROVENANCE, subjects, PROVENANCE_TYPE, predicate, signer)


def _training(model: Model, manifest: str, consumed: Consumed, decoder: str, started: str) -> TrainEvidence:
    return TrainEvidence(
        manifest=manifest,
        root=consumed.root,
        size=consumed.size,
        split=consumed.split,
        recipe=model.card.recipe,
        seed=model.card.seed,
        code=code_digest(),
        decoder=decoder,
        versions=versions(),
        started=started,
        finished=to_text(utc_now()),
    )
