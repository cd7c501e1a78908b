"""Attested data in shards: what is listed of a shard is held against the manifest before anything is decoded.

A shard is decoded only where every content is the one that was listed (see :func:`~.reading.read_shard`), and here
every digest that was listed must be the signed one: so what is scanned is what was attested.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from whitesquare.data.kept import ArrayFile
from whitesquare.data.sized import unsized
from whitesquare.errors import VerificationError
from whitesquare.provenance.consumed import Consumed
from whitesquare.provenance.container_files import check_files
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.expected import NEXT, SignedSplit, check_root, expected
from whitesquare.provenance.opened import FILES
from whitesquare.scanning.sharded.reading import DIGEST
from whitesquare.types import ImageDataset, IntArray, UInt8Array


@dataclass(frozen=True)
class Vouched:
    """The signed samples of a data set that is read in shards.

    Attributes:
        signed: what the data must be.
        split: the samples that are signed, by position.
    """

    signed: SignedDataset
    split: SignedSplit

    def check(self, start: int, listed: ArrayFile) -> None:
        """Compare what was listed of a shard with what is signed; what could not be read is told when it is decoded.

        Args:
            start: position of its first sample.
            listed: its index.

        Raises:
            VerificationError: a sample is another.
        """
        digests, sizes = listed.array("digests"), listed.array("sizes")
        end = start + len(sizes)
        wanted = np.frombuffer(self.split.digests, np.uint8).reshape(-1, DIGEST)[start:end]
        lengths = np.frombuffer(self.split.sizes, np.int64)[start:end]
        unread = np.zeros(len(sizes), np.bool_)
        unread[[int(i) for i in listed.said["unread"]]] = True
        odd = ((digests != wanted).any(1) | (sizes != lengths)) & ~(unread & ~digests.any(1))
        if odd.any():
            self._refuse(start, int(odd.argmax()), digests, sizes)

    def _refuse(self, start: int, i: int, digests: UInt8Array, sizes: IntArray) -> None:
        at = slice(DIGEST * (start + i), DIGEST * (start + i + 1))
        raise VerificationError(
            f"The {self.split.split} sample {self.split.ids[start + i]!r} is not the signed one: found {sizes[i]} "
            f"bytes with SHA-256 {digests[i].tobytes().hex()[:16]}, signed were {self.split.sizes[start + i]} bytes "
            f"with {self.split.digests[at].hex()[:16]}; it was changed after it was signed, so {NEXT}."
        )

    def consumed(self, positions: IntArray) -> Consumed:
        """Return what was consumed of it: the samples at some positions.

        Raises:
            VerificationError: the manifest was exchanged after its signature was checked.
        """
        whole = len(positions) == len(self.split.ids)
        root = self.split.root(None if whole else positions.tolist())
        if not whole or root != self.signed.predicate.splits[self.split.split].root:
            check_root(self.split, self.signed)
        return Consumed(self.split.split, len(positions), root, FILES)

    def digests(self, ids: Iterable[str]) -> dict[str, str]:
        """Return by id the SHA-256, hexadecimal, of samples that were read."""
        wanted = set(ids)
        return {
            name: self.split.digests[DIGEST * i : DIGEST * (i + 1)].hex()
            for i, name in enumerate(self.split.ids)
            if name in wanted
        }


def vouched(dataset: ImageDataset, signed: SignedDataset, split: str = "train") -> Vouched:
    """Hold everything about image files but their content against what is signed.

    Args:
        dataset: whose files workers read.
        signed: what it must be.
        split: its name.

    Raises:
        VerificationError: other classes, samples or labels, or another kind of content.
    """
    found = Vouched(signed, expected(dataset, split, FILES, signed))
    check_files(unsized(dataset), signed)
    return found
