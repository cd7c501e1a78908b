"""A small attested data set, keys, and the command line, for the tests of what works on attested data."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.data import ArrayDataset, from_arrays, write_dataset
from whitesquare.provenance.attest import attest
from whitesquare.provenance.dataset import SignedDataset, read_dataset
from whitesquare.provenance.types import BUNDLE, ENVELOPE
from whitesquare.signing.keys import generate, load_signer, load_trusted

NOW = datetime.now(UTC) + timedelta(hours=2)
"""Later than whatever a test signs, however long the tests before it took."""


def run(*arguments, code=0):
    """Run the command line and return what it did; its errors are sentences, never a traceback."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert "Traceback" not in done.stderr, done.stderr
    assert done.exit_code == code, done.output
    return done


def pictures(count: int, split: str = "train", classes: tuple[str, ...] = ("cat", "dog", "owl")) -> ArrayDataset:
    """Random 12 x 12 images, each class brighter than the one before."""
    rng = np.random.default_rng(len(split) + count)
    labels = np.arange(count) % len(classes)
    images = rng.integers(0, 80, (count, 12, 12)) + 80 * labels[:, None, None]
    return from_arrays(images.astype(np.uint8), labels, classes=classes, split=split)


@dataclass(frozen=True)
class Case:
    """A data set, its attestation, the folder of the keys that may sign it, and the keys of those who work on it."""

    data: Path
    attestation: Path
    trust: Path
    keys: Path

    @property
    def bundle(self) -> Path:
        return self.attestation / BUNDLE

    @property
    def envelope(self) -> Path:
        return self.attestation / ENVELOPE

    @property
    def signed(self) -> SignedDataset:
        return read_dataset(self.bundle, load_trusted(self.trust), NOW)

    @property
    def asked(self) -> tuple[str, ...]:
        """The options that make a verb obey the attestation."""
        return "--attested", str(self.bundle), "--trust", str(self.trust)

    def trusted(self, name: str, role: str = "data"):
        """Make a key that may sign the attestation, and open it."""
        return key_pair(self.trust / name, role, self.keys)

    def key(self, name: str) -> str:
        return str(self.keys / f"{name}.pem")


def key_pair(stem: Path, role: str = "data", secrets: Path | None = None):
    """Make a key and open it; the private half goes to another folder if one is given."""
    generate(stem, "ed25519", None, {"role": role})
    private = stem.with_suffix(".pem")
    if secrets is not None:
        secrets.mkdir(parents=True, exist_ok=True)
        private = private.rename(secrets / private.name)
    return load_signer(str(private), str)


def attested(folder: Path, fmt: str, train: ArrayDataset, test: ArrayDataset | None = None) -> Case:
    """Write a data set and attest it."""
    case = Case(folder / "data", folder / "attestation", folder / "trust", folder / "keys")
    write_dataset(case.data, train, test, fmt)
    for name in ("trainer", "scanner"):
        key_pair(case.keys / name, name)
    attest(str(case.data), [case.trusted("owner")], case.attestation)
    return case
