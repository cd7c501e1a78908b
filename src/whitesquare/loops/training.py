"""The signed statement of a user's own training, around the loop: nothing is signed of one that failed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from whitesquare.data.names import check_split
from whitesquare.provenance.own_training import (
    MODEL_FILES,
    AttestedTraining,
    attested_training,
    check_names,
    check_settings,
    signer_of,
)
from whitesquare.records import Parameter
from whitesquare.signing.keys import Signer


@contextmanager
def record_training(
    source: str | Path,
    bundle: str | Path,
    *,
    trust: str | Path,
    code: Sequence[str | Path],
    folder: str | Path,
    key: str | Path | Signer,
    recipe: Mapping[str, Parameter],
    seed: int,
    epochs: int = 1,
    models: Sequence[str] = MODEL_FILES,
    split: str = "train",
    allow_partial: bool = False,
    password: str | None = None,
) -> Iterator[AttestedTraining]:
    """Sign how a model came to be when the training in this block has ended, and nothing if it raised.

    ::

        with record_training("data", "attest/manifest.dsse.json", trust="keys/", code=[__file__], folder="run",
                             key="trainer.pem", recipe={"epochs": 3}, seed=7, epochs=3) as run:
            loader = DataLoader(run.dataset(), batch_size=64, shuffle=True, num_workers=2)
            ...  # train, and write run/model.safetensors and run/model.json

    Key, settings and names are checked before the training begins, so that it does not fail at its end.

    Args:
        source: data set, as :func:`whitesquare.open_dataset` takes it.
        bundle: its attestation, a bundle or an envelope.
        trust: folder of the public keys that may have signed it.
        code: files of the training's own code, such as ``[__file__]``.
        folder: of the model; see :meth:`~whitesquare.provenance.own_training.AttestedTraining.sign`, also for the
            others.
        key: private key that signs.
        recipe: the settings of the training.
        seed: of the training.
        epochs: how often every sample must have been read, at least.
        models: the files in ``folder`` that the statement is about.
        split: what is trained on.
        allow_partial: sign although samples were read less often.
        password: of an encrypted key.

    Yields:
        The training: its ``dataset(split, transform)`` gives the samples to any loader with any number of workers,
        every reading checked and counted.

    Raises:
        UsageError: a setting, a name, a key or the code cannot be used.
        NothingToDoError: the attestation, a file of the model, or a reading is missing.
        VerificationError: the attestation, a sample or the code is not what it must be; nothing is signed.
    """
    check_settings(recipe, seed, epochs)
    check_names(models)
    check_split(split)
    signer, place = signer_of(key, password), Path(folder).absolute()
    training = attested_training(source, bundle, trust=trust, code=code)
    yield training
    training.sign(
        place,
        signer,
        recipe=recipe,
        seed=seed,
        models=models,
        split=split,
        epochs=epochs,
        allow_partial=allow_partial,
    )
