"""A training of the user's own, with the guarantee of ``whitesquare train --attested``.

::

    from torch.utils.data import DataLoader
    from whitesquare.provenance.own_training import attested_training

    training = attested_training("data", "attest/manifest.dsse.json", trust="keys/", code=[__file__])
    loader = DataLoader(training.dataset("train"), batch_size=64, shuffle=True, num_workers=2)
    for epoch in range(3):
        for images, labels in loader:
            ...
    ...  # write run/model.safetensors and run/model.json
    training.sign("run", key="trainer.pem", recipe={"epochs": 3}, seed=7, epochs=3)

Needs no torch. What the loop does with the images after it got them (augmentation, order, what else it reads) is its
own: the statement names its code, and does not judge it.
"""

from collections.abc import Mapping, Sequence
from hashlib import file_digest
from math import isfinite
from pathlib import Path

from whitesquare._base.machine import versions
from whitesquare.data.layouts import full_name
from whitesquare.errors import NothingToDoError, UsageError, VerificationError
from whitesquare.provenance.attested import Attested, copy_attestation, read_attested
from whitesquare.provenance.consumed import Consumed
from whitesquare.provenance.container_files import check_files, expect_sizes
from whitesquare.provenance.evidence import OWN_BUILD_TYPE, PROVENANCE, TrainEvidence
from whitesquare.provenance.expected import SignedSplit, check_root, expected
from whitesquare.provenance.opened import content_kind, decoder_of
from whitesquare.provenance.own_code import OwnCode, read_code
from whitesquare.provenance.own_split import AttestedSplit, Transform
from whitesquare.provenance.own_types import Reads
from whitesquare.provenance.predicates import train_predicate
from whitesquare.provenance.reads import ReadRecord, summary
from whitesquare.provenance.types import MANIFEST
from whitesquare.records import CARD, VICTIM, WEIGHTS, Parameter
from whitesquare.signing.keys import Signer, load_signer, load_trusted
from whitesquare.signing.statements import PROVENANCE_TYPE, Subject, write_statement
from whitesquare.signing.times import to_text, utc_now

MODEL_FILES = (WEIGHTS, CARD)
"""What the gate takes for the model: the weights, and the card that says what its outputs mean."""
_BESIDE = (CARD, VICTIM)
"""What a statement may be about beside the weights: the card, and the figures of a measurement."""


class AttestedTraining:
    """One training, from before the first sample is read until it is signed; build it with :func:`attested_training`.

    Attributes:
        attested: the data set that is obeyed.
        code: what trains.
    """

    def __init__(self, source: str, attested: Attested, code: Sequence[str | Path]) -> None:
        """Begin: read the code now, because it is now that it runs.

        Args:
            source: data set, as :func:`whitesquare.data.open_dataset` takes it.
            attested: what it must be, its signatures checked by
                :func:`whitesquare.provenance.attested.read_attested`.
            code: files of the training's own code; see :mod:`whitesquare.provenance.own_code`.

        Raises:
            UsageError: a file of code cannot be read.
        """
        self.attested = attested
        self.code: OwnCode = read_code(code)
        self._source, self._files = source, tuple(Path(file).resolve() for file in code)
        self._started = to_text(utc_now())
        self._kinds: dict[str, str] = {}
        self._decoders: dict[str, str] = {}
        self._samples: dict[str, SignedSplit] = {}
        self._records: dict[str, ReadRecord] = {}

    def dataset(self, split: str = "train", transform: Transform | None = None) -> AttestedSplit:
        """Return a split, to be read in this process or in the workers of a loader; its list is compared now.

        Args:
            split: ``train`` or ``test``.
            transform: applied to each image after it was checked; worker processes that are not forked need one that
                can be pickled.

        Raises:
            UsageError: there is no such data set or split.
            DataError: it cannot be used.
            VerificationError: it has other classes, samples or labels than the signed one, or (a container, which is
                read at once) other pixels, or is another file.
        """
        from whitesquare.data import open_dataset
        from whitesquare.data.sized import unsized

        expect_sizes(self._source, self.attested.signed)
        opened = unsized(open_dataset(self._source, split))
        check_files(opened, self.attested.signed)
        kind = content_kind(opened)
        samples = expected(opened, split, kind, self.attested.signed)
        check_root(samples, self.attested.signed)
        if split not in self._records:
            self._kinds[split], self._samples[split] = kind, samples
            self._decoders[split] = decoder_of(opened, kind)
            self._records[split] = ReadRecord(len(samples.ids))
        return AttestedSplit(opened, samples, self._records[split], transform)

    def reads(self, split: str = "train") -> Reads:
        """Return how often the samples of a split were read so far, by all processes together.

        Raises:
            NothingToDoError: :meth:`dataset` was not called for it.
        """
        return summary(self._record(split).counts())

    def consumed(self, split: str = "train") -> Consumed:
        """Return the part of a split that was read at least once.

        Raises:
            NothingToDoError: nothing was.
            VerificationError: a sample that was read was not the signed one, whatever the loop made of that error.
        """
        record = self._record(split)
        self._check_refused(split)
        read = [i for i, count in enumerate(record.counts()) if count]
        if not read:
            raise NothingToDoError(f"No sample of the {split} split was read; train before you sign.")
        return Consumed(split, len(read), self._samples[split].root(read), self._kinds[split])

    def sign(
        self,
        folder: str | Path,
        key: str | Path | Signer,
        *,
        recipe: Mapping[str, "Parameter"],
        seed: int,
        models: Sequence[str] = MODEL_FILES,
        split: str = "train",
        epochs: int = 1,
        allow_partial: bool = False,
        password: str | None = None,
    ) -> TrainEvidence:
        """Sign how a model came to be, and put statement, manifest and its signatures beside it.

        Args:
            folder: of the model; ``whitesquare gate`` reads it.
            key: private key that signs: a file, a URI, or an open one.
            recipe: the settings of the training.
            seed: of the training.
            models: the files in ``folder`` that the statement is about, by the names under which the gate knows them:
                ``model.safetensors``, and, if they are there, ``model.json`` and ``victim.json``.
            split: what was trained on.
            epochs: how often every sample must have been read, at least.
            allow_partial: sign although samples were read less often, or not at all; the statement says so, and the
                gate's rule ``training-complete`` fails if any was not read.
            password: of an encrypted key.

        Returns:
            What was signed.

        Raises:
            UsageError: a setting, a name, the key or the code cannot be used.
            NothingToDoError: nothing was read, or a file of the model is missing.
            VerificationError: a sample was not the signed one, or was not read often enough; or code or manifest were
                changed meanwhile.
        """
        check_settings(recipe, seed, epochs)
        check_names(models)
        consumed = self.consumed(split)
        for name in self._records:  # of every split: what was read of another one, too, may have been trained on
            self._check_refused(name)
        self._check_epochs(split, epochs, allow_partial=allow_partial)
        if read_code(self._files).digest != self.code.digest:
            raise VerificationError(
                "The code was changed since the training began, so that what ran cannot be named; train again."
            )
        place = Path(folder)
        subjects = [Subject(name, _digest(place, name)) for name in models]
        signer = signer_of(key, password)
        evidence = self._evidence(consumed, dict(recipe), seed)
        copy_attestation(self.attested, place)
        predicate = train_predicate(evidence, MANIFEST)
        write_statement(place / PROVENANCE, subjects, PROVENANCE_TYPE, predicate, signer)
        return evidence

    def _record(self, split: str) -> ReadRecord:
        if split not in self._records:
            raise NothingToDoError(f"The {split} split was not opened; read it through dataset({split!r}).")
        return self._records[split]

    def _check_refused(self, split: str) -> None:
        if refused := self._records[split].refused():
            raise VerificationError(
                f"What was read of the {split} split was not what is signed, {refused} times, and the error that said "
                "so did not end the training; nothing is stated about it, so train again on the signed data."
            )

    def _check_epochs(self, split: str, epochs: int, *, allow_partial: bool) -> None:
        counts = self._record(split).counts()
        rare = min(range(len(counts)), key=counts.__getitem__)
        if counts[rare] < epochs and not allow_partial:
            few = sum(count < epochs for count in counts)
            raise VerificationError(
                f"Of {len(counts)} samples of the {split} split, {few} were read less than {epochs} times: "
                f"{self._samples[split].ids[rare]!r} {counts[rare]} times; read all of them in every epoch, or give "
                "allow_partial=True for a statement that says that it is about a part."
            )

    def _evidence(self, consumed: Consumed, recipe: dict[str, "Parameter"], seed: int) -> TrainEvidence:
        return TrainEvidence(
            manifest=self.attested.signed.sha256,
            root=consumed.root,
            size=consumed.size,
            split=consumed.split,
            recipe=recipe,
            seed=seed,
            code=self.code.digest,
            decoder=self._decoders[consumed.split],
            versions=versions(),
            started=self._started,
            finished=to_text(utc_now()),
            build=OWN_BUILD_TYPE,
            source=self.code.record,
            reads={split: self.reads(split) for split in sorted(self._records)},
        )


def attested_training(
    source: str | Path, bundle: str | Path, *, trust: str | Path, code: Sequence[str | Path]
) -> AttestedTraining:
    """Begin a training that obeys an attestation: signatures are checked first, samples whenever they are read.

    Args:
        source: data set, as :func:`whitesquare.data.open_dataset` takes it.
        bundle: its attestation, a bundle or an envelope; for more than one signature, give what
            :func:`whitesquare.provenance.attested.read_attested` returns to :class:`AttestedTraining`.
        trust: folder of the public keys that may have signed it.
        code: files of the training's own code, such as ``[__file__]``.

    Raises:
        UsageError: no path, no trusted key, or a file of code cannot be read.
        NothingToDoError: there is no such bundle, or no manifest beside it.
        VerificationError: the attestation cannot be trusted.
    """
    if not isinstance(source, str | Path):
        raise UsageError(f"The data of a signed training are a {type(source).__name__}; expected a path, so give that.")
    attested = read_attested(Path(bundle).absolute(), load_trusted(Path(trust)), utc_now())
    # A loop may go to another folder, as that of its run, before it opens the data.
    return AttestedTraining(full_name(source), attested, code)


def check_settings(recipe: Mapping[str, "Parameter"], seed: int, epochs: int) -> None:
    """Refuse settings that a statement cannot hold."""
    if not isinstance(recipe, Mapping):
        raise UsageError(f"The recipe is {recipe!r:.60}; expected settings by name, such as {{'epochs': 3}}.")
    for name, value in recipe.items():
        number = isinstance(value, float) and not isfinite(value)
        if not isinstance(name, str) or not (value is None or isinstance(value, int | float | str | bool)) or number:
            raise UsageError(
                f"The setting {name!r} of the recipe is {value!r:.60}; expected a finite number, a text, True, False "
                "or None under a name."
            )
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UsageError(f"The seed is {seed!r:.60}; expected a whole number.")
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise UsageError(f"The number of epochs is {epochs!r:.60}; expected a whole number from 1 on.")


def check_names(models: Sequence[str]) -> None:
    """Refuse what the gate would: a statement is about the weights, by their name, and what may lie beside them."""
    weights = MODEL_FILES[0]
    known = weights in models and set(models) <= {weights, *_BESIDE} and len(set(models)) == len(models)
    if isinstance(models, str) or not known:
        raise UsageError(
            f"The statement would be about {models!r:.120}, and no gate would accept it; expected a list with "
            f"{weights!r} and, beside it, some of {', '.join(map(repr, _BESIDE))}, each once: write the model under "
            "these names."
        )


def _digest(folder: Path, name: str) -> str:
    path = folder / name
    if not path.is_file():
        raise NothingToDoError(f"There is no file {path}; write the model before you sign, or name its files.")
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def signer_of(key: str | Path | Signer, password: str | None) -> Signer:
    """Open a private key that is not open yet."""

    def ask(path: str) -> str:
        if password is None:
            raise UsageError(f"The key {path} is encrypted; give its password.")
        return password

    return load_signer(str(key), ask) if isinstance(key, str | Path) else key
