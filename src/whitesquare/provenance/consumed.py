"""Hash-on-read: what a training, a scan or a measurement really consumed, hashed in the buffer that was decoded.

A data set that was verified a minute ago may be another one now. Here the same bytes are hashed and decoded, so that
nothing fits between the two: with a signed manifest the first sample that is not the signed one ends the work, and
the root over what was read is what the evidence of the work states.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from whitesquare.errors import ContractError, VerificationError
from whitesquare.provenance.container_files import check_files
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.expected import DIGEST, SignedSplit, check_root, expected, manifest_order
from whitesquare.provenance.merkle import leaf_of, tree_root
from whitesquare.provenance.opened import content_kind

if TYPE_CHECKING:
    from whitesquare.types import ImageDataset


@dataclass(frozen=True)
class Consumed:
    """The samples of a split that were read.

    Attributes:
        split: its name.
        size: number of samples.
        root: root, hexadecimal, of the tree over them, in the manifest's order; see
            :class:`whitesquare.provenance.types.SplitTree`.
        kind: what was hashed: ``files`` or ``pixels``.
    """

    split: str
    size: int
    root: str
    kind: str


class Reading:
    """One reading of one split: it hands out a data set and writes down the digest of every sample that is decoded.

    40 bytes are kept per sample, and as many again for a signed manifest. The record is of this process; a loader
    that decodes in processes of its own reads through :mod:`whitesquare.provenance.own_training`.
    """

    def __init__(self, dataset: "ImageDataset", split: str, signed: SignedDataset | None = None) -> None:
        """Begin to read; with a signed manifest the list of samples is compared now, their bytes as they are read.

        Args:
            dataset: the split, as :func:`whitesquare.data.open_dataset` gives it.
            split: its name.
            signed: what it must be.

        Raises:
            VerificationError: the signed data set has other classes, another kind of content, no such split, or
                other samples or labels in it; or (a container, which is hashed at once) other pixels.
        """
        from whitesquare.data import held
        from whitesquare.data.sized import unsized
        from whitesquare.data.watched import watched
        from whitesquare.types import Encoded

        given, dataset = dataset, dataset if isinstance(dataset, Encoded) else held(dataset)
        self.split = split
        self.kind = content_kind(dataset)
        self._signed = signed
        self._ids, self._classes = dataset.ids, dataset.classes
        self._labels = array("q", dataset.labels.tolist())
        self._order = manifest_order(self._ids)
        self._digests = bytearray(DIGEST * len(self._ids))
        self._sizes = array("q", bytes(8 * len(self._ids)))
        self._read = bytearray(len(self._ids))
        self._expected: SignedSplit | None = None
        if signed is not None:
            self._expected = expected(dataset, split, self.kind, signed)
        self.dataset: ImageDataset = watched(dataset, self._take)
        """What is read, to be used instead of the data set that was given."""
        if signed is not None:
            check_files(unsized(given), signed)

    def digest_of(self, position: int) -> str:
        """Return the SHA-256, hexadecimal, of a sample that was read.

        Raises:
            ContractError: it was not.
        """
        if not self._read[position]:
            raise ContractError(f"The sample {self._ids[position]!r} was not read, so it has no digest.")
        return _digest(self._digests, position).hex()

    def digests(self, ids: Iterable[str]) -> dict[str, str]:
        """Return by id the digests of samples that were read; see :meth:`digest_of`."""
        positions = {name: i for i, name in enumerate(self._ids)}
        return {name: self.digest_of(positions[name]) for name in ids}

    def consumed(self, ids: Iterable[str] | None = None) -> Consumed:
        """Return what was consumed: every sample, or those with the given ids, where some could not be used.

        Raises:
            ContractError: one of them was not read.
            VerificationError: every sample was consumed, each as the manifest says, but the manifest is not the
                signed one: it was exchanged after its signature was checked.
        """
        kept = None if ids is None else set(ids)
        order = [i for i in self._order if kept is None or self._ids[i] in kept]
        root = tree_root(self._leaf(i) for i in order).hex()
        if self._signed is not None and self._expected is not None:
            whole = len(order) == len(self._ids)
            if not whole or root != self._signed.predicate.splits[self.split].root:
                check_root(self._expected, self._signed)
        return Consumed(self.split, len(order), root, self.kind)

    def _take(self, i: int, content: bytes) -> None:
        i = self._position(i)
        digest = sha256(content).digest() if self._expected is None else self._expected.check(i, content)
        if self._read[i] and _digest(self._digests, i) != digest:
            raise VerificationError(
                f"The {self.split} sample {self._ids[i]!r} was changed between two readings of it; let nobody write "
                "to the data set, and start again."
            )
        self._digests[DIGEST * i : DIGEST * (i + 1)] = digest
        self._sizes[i], self._read[i] = len(content), 1

    def _position(self, i: int) -> int:
        """Return what a position from the end is from the start: the record holds one entry per sample, not more."""
        if not -len(self._ids) <= i < len(self._ids):
            raise ContractError(f"The data set told of the sample {i}, and has {len(self._ids)}, so nothing is used.")
        return i % len(self._ids)

    def _leaf(self, i: int) -> bytes:
        digest, name = bytes.fromhex(self.digest_of(i)), self._ids[i]
        return leaf_of(name, self._classes[self._labels[i]], self.split, self._sizes[i], digest)


def _digest(digests: bytearray, i: int) -> bytes:
    return bytes(digests[DIGEST * i : DIGEST * (i + 1)])
