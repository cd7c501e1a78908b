"""What a folder of evidence says of a data set and the model trained on it, read once for every form of inventory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from whitesquare.errors import NothingToDoError, VerificationError
from whitesquare.provenance.dataset import dataset_predicate
from whitesquare.provenance.evidence import MEASURE, PROVENANCE, SCAN, MeasureEvidence, ScanEvidence, TrainEvidence
from whitesquare.provenance.predicates import measure_evidence, scan_evidence, train_evidence
from whitesquare.provenance.types import BUNDLE, DATASET_TYPES, DatasetPredicate
from whitesquare.records import CARD, WEIGHTS
from whitesquare.signing.dsse import read_envelope
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.signatures import BY_DEFAULT, Signatures
from whitesquare.signing.statements import (
    PROVENANCE_TYPE,
    TEST_RESULT_TYPE,
    Statement,
    expect_kind,
    parse_statement,
    read_small,
    read_statement,
)

NOT_VERIFIED = "not verified"


@dataclass(frozen=True)
class File:
    """A file of the folder: its name, size in bytes and SHA-256 (hexadecimal)."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Facts:
    """What the folder says; every digest in it is that of a file that lies there.

    Attributes:
        dataset: what was signed about the data set.
        manifest: its manifest.
        data_signers: who signed that; empty where signatures were not checked.
        model: the weights; ``None`` in a folder without a model.
        training: how they came to be.
        measured: what they do on test images; ``None`` where that was not measured.
        scan: what a scan of the data found; ``None`` where none was made.
        signatures: by statement file, who signed it, or :data:`NOT_VERIFIED`.
    """

    dataset: DatasetPredicate
    manifest: File
    data_signers: tuple[TrustedKey, ...]
    model: File | None
    training: TrainEvidence | None
    measured: MeasureEvidence | None
    scan: ScanEvidence | None
    signatures: dict[str, str]


@dataclass(frozen=True)
class _Reader:
    """Reads the statements of one folder, with their signatures where ``trusted`` is given."""

    folder: Path
    trusted: Sequence[TrustedKey] | None
    now: datetime

    def read(self, name: str, kind: str | Collection[str]) -> Statement | None:
        """Return a statement of a type, or of one of several; ``None`` where there is no such file."""
        path = self.folder / name
        if not path.is_file():
            return None
        if self.trusted is not None:
            return read_statement(path, kind, self.trusted, self.now)
        subjects, found, predicate = parse_statement(read_envelope(read_small(path), str(path)).payload, str(path))
        expect_kind(found, kind, str(path))
        return Statement(subjects, found, predicate, ())

    def file(self, name: str) -> File:
        """Return a file with its digest."""
        path = self.folder / name
        if Path(name).name != name or not path.is_file():
            raise NothingToDoError(f"There is no file {path}; its statement is there, so bring the file as well.")
        with path.open("rb") as file:
            return File(name, path.stat().st_size, file_digest(file, "sha256").hexdigest())

    def card(self, statement: Statement, name: str) -> None:
        """Refuse a statement about another card than the one here, where it is about one: cards name the outputs."""
        signed = {subject.sha256 for subject in statement.subjects if subject.name == CARD}
        if signed and self.file(CARD).sha256 not in signed:
            raise VerificationError(
                f"{self.folder / name} is not about {CARD} as it lies there, which says what each output of the model "
                "means: one of them was changed, or belongs elsewhere."
            )

    def about(self, statement: Statement, file: File, name: str) -> None:
        """Refuse a statement that is about another file."""
        if file.sha256 not in [subject.sha256 for subject in statement.subjects]:
            raise VerificationError(
                f"{self.folder / name} is not about {file.name} as it lies there (SHA-256 {file.sha256[:16]}...): "
                "one of them was changed, or belongs elsewhere."
            )


def read_facts(
    folder: Path, trusted: Sequence[TrustedKey] | None, now: datetime, asked: Signatures = BY_DEFAULT
) -> Facts:
    """Read the folder that ``attest`` or ``train --attested`` wrote.

    Args:
        folder: where the evidence lies.
        trusted: the keys that may sign; ``None`` reads the statements unverified.
        now: the time at which the keys must be valid.
        asked: how many of them, of which roles, must have signed the data set.

    Raises:
        NothingToDoError: there is no signed manifest, or a file that a statement is about is missing.
        VerificationError: a signature is wrong, the data set is not signed as asked, or a statement is about other
            files than those beside it.
    """
    reader = _Reader(folder, trusted, now)
    signed = reader.read(BUNDLE, DATASET_TYPES)
    if signed is None:
        raise NothingToDoError(f"There is no {BUNDLE} in {folder}; name a folder of `whitesquare attest` or `train`.")
    if trusted is not None:
        asked.check(signed.signers, str(folder / BUNDLE))
    dataset = dataset_predicate(signed.kind, signed.predicate, str(folder / BUNDLE))
    manifest = reader.file(dataset.manifest.name)
    reader.about(signed, manifest, BUNDLE)
    statements = {BUNDLE: signed}
    scanned = reader.read(SCAN, TEST_RESULT_TYPE)
    if scanned:
        reader.about(scanned, manifest, SCAN)
        statements[SCAN] = scanned
    model, training, measured = _model(reader, manifest, statements)
    return Facts(
        dataset=dataset,
        manifest=manifest,
        data_signers=signed.signers,
        model=model,
        training=training,
        measured=measured,
        scan=scan_evidence(scanned.predicate, str(folder / SCAN)) if scanned else None,
        signatures={name: _signers(statement) for name, statement in statements.items()},
    )


def _model(
    reader: _Reader, manifest: File, statements: dict[str, Statement]
) -> tuple[File | None, TrainEvidence | None, MeasureEvidence | None]:
    """Read what belongs to the model; the statements read are added to ``statements``."""
    made = reader.read(PROVENANCE, PROVENANCE_TYPE)
    if made is None:
        if (reader.folder / WEIGHTS).exists():
            raise NothingToDoError(
                f"{reader.folder} holds a model and no {PROVENANCE}; train it with `whitesquare train --attested`."
            )
        return None, None, None
    model = reader.file(WEIGHTS)
    reader.about(made, model, PROVENANCE)
    reader.card(made, PROVENANCE)
    statements[PROVENANCE] = made
    training = train_evidence(made.predicate, str(reader.folder / PROVENANCE))
    if training.manifest != manifest.sha256:
        raise VerificationError(
            f"{reader.folder / PROVENANCE}: the model was trained on another data set than {manifest.name} lists."
        )
    result = reader.read(MEASURE, TEST_RESULT_TYPE)
    if result is None:
        return model, training, None
    reader.about(result, model, MEASURE)
    reader.card(result, MEASURE)
    statements[MEASURE] = result
    return model, training, measure_evidence(result.predicate, str(reader.folder / MEASURE))


def _signers(statement: Statement) -> str:
    if not statement.signers:
        return NOT_VERIFIED
    return "verified: " + ", ".join(key.name + (f" ({key.role})" if key.role else "") for key in statement.signers)
