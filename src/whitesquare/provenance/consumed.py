"""Hash-on-read: what a training, a scan or a measurement really consumed, hashed in the buffer that was decoded.

A data set that was verified a minute ago may be another one now. Here the same bytes are hashed and decoded, so that
nothing fits between the two: with a signed manifest the first sample that is not the signed one ends the work, and
the root over what was read is what the evidence of the work states.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from typing import TYPE_CHECKING, NoReturn

from whitesquare.errors import ContractError, VerificationError
from whitesquare.provenance.container_files import check_files
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.listing import FILES, PIXELS
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.merkle import leaf_of, tree_root
from whitesquare.provenance.types import Item

if TYPE_CHECKING:
    from whitesquare.types import ImageDataset

_NEXT = "run `whitesquare verify` to see all that differs, then restore the data set or attest it anew"
_DIGEST = 32


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

    40 bytes are kept per sample, and as many again for a signed manifest. The record is of this process: a loader
    that decodes in processes of its own needs a reading in each.
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
        from whitesquare.data import ArrayDataset, ImageFolder, watched

        self.split = split
        self.kind = FILES if isinstance(dataset, ImageFolder) else PIXELS
        self._signed = signed
        self._ids, self._classes = dataset.ids, dataset.classes
        self._labels = array("q", dataset.labels.tolist())
        self._order = sorted(range(len(self._ids)), key=lambda i: self._ids[i].encode())
        self._digests = bytearray(_DIGEST * len(self._ids))
        self._sizes = array("q", bytes(8 * len(self._ids)))
        self._read = bytearray(len(self._ids))
        self._expected: tuple[bytearray, array[int]] | None = None
        if signed is not None:
            self._check_kind(signed, dataset)
            self._expected = self._listed(signed)
        self.dataset: ImageDataset = watched(dataset, self._take)
        """What is read, to be used instead of the data set that was given."""
        if signed is not None:
            check_files(dataset.files if isinstance(dataset, ArrayDataset) else (), signed)

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
        whole = len(order) == len(self._ids)
        if self._signed is not None and whole and root != self._signed.predicate.splits[self.split].root:
            raise VerificationError(
                f"{self._signed.manifest} was changed after its signature was checked; {_NEXT}, and let nobody write "
                "to its folder."
            )
        return Consumed(self.split, len(order), root, self.kind)

    def _take(self, i: int, content: bytes) -> None:
        digest = sha256(content).digest()
        if self._expected is not None:
            digests, sizes = self._expected
            if (wanted := _digest(digests, i)) != digest or sizes[i] != len(content):
                raise VerificationError(
                    f"The {self.split} sample {self._ids[i]!r} is not the signed one: found {len(content)} bytes with "
                    f"SHA-256 {digest.hex()[:16]}, signed were {sizes[i]} bytes with {wanted.hex()[:16]}; it was "
                    f"changed after it was signed, so {_NEXT}."
                )
        if self._read[i] and _digest(self._digests, i) != digest:
            raise VerificationError(
                f"The {self.split} sample {self._ids[i]!r} was changed between two readings of it; let nobody write "
                "to the data set, and start again."
            )
        self._digests[_DIGEST * i : _DIGEST * (i + 1)] = digest
        self._sizes[i], self._read[i] = len(content), 1

    def _leaf(self, i: int) -> bytes:
        digest, name = bytes.fromhex(self.digest_of(i)), self._ids[i]
        return leaf_of(name, self._classes[self._labels[i]], self.split, self._sizes[i], digest)

    def _check_kind(self, signed: SignedDataset, dataset: "ImageDataset") -> None:
        """Compare what is true of every sample: class map, split, what is hashed, shape of the pixels."""
        predicate = signed.predicate
        if self.split not in predicate.splits:
            known = ", ".join(predicate.splits) or "none"
            raise VerificationError(
                f"The signed data set has no {self.split} split (it has: {known}); give the manifest of this data set."
            )
        for label, (own, wanted) in enumerate(zip_longest(self._classes, predicate.classes)):
            if own != wanted:
                raise VerificationError(
                    f"The class map is not the signed one: the label {label} is {_named(own)}, signed was "
                    f"{_named(wanted)}; {_NEXT}."
                )
        if self.kind != predicate.content.kind:
            raise VerificationError(
                f"The signed manifest is over {predicate.content.kind}, and this data set is one of {self.kind}; give "
                "the data set in the form in which it was attested."
            )
        shape = tuple(dataset.images(slice(0, 1)).shape[1:]) if self.kind == PIXELS else None
        if shape is not None and shape != predicate.content.shape:
            raise VerificationError(
                f"The images have the shape {shape}, signed was {predicate.content.shape}: the same pixels in "
                f"another shape are other images; {_NEXT}."
            )

    def _listed(self, signed: SignedDataset) -> tuple[bytearray, "array[int]"]:
        """Compare ids and labels with the manifest, and return the signed digests and sizes by position."""
        digests, sizes = bytearray(len(self._digests)), array("q", bytes(8 * len(self._ids)))
        for i, item in zip_longest(self._order, _items(signed, self.split)):
            if i is None or (item is not None and item.id.encode() < self._ids[i].encode()):
                self._refuse(item.id, "is missing", signed)
            if item is None or item.id != self._ids[i]:
                self._refuse(self._ids[i], f"is not among those signed{_elsewhere(signed, self._ids[i])}", signed)
            if (own := self._classes[self._labels[i]]) != item.label:
                self._refuse(item.id, f"has the label {own!r}, signed was {item.label!r}", signed)
            digests[_DIGEST * i : _DIGEST * (i + 1)], sizes[i] = item.sha256, item.size
        return digests, sizes

    def _refuse(self, name: str, what: str, signed: SignedDataset) -> NoReturn:
        raise VerificationError(
            f"The {self.split} sample {name!r} {what}: the data set is not the one of {signed.manifest}; {_NEXT}."
        )


def _items(signed: SignedDataset, split: str) -> Iterator[Item]:
    """Yield the samples of a split, in the manifest's order."""
    return (item for item in read_items(signed.manifest) if item.split == split)


def _elsewhere(signed: SignedDataset, name: str) -> str:
    """Say where a sample that was not expected is listed, if it is."""
    found = next((item for item in read_items(signed.manifest) if item.id == name), None)
    if found is None:
        return ""
    return f" (it was signed as part of {found.split})" if found.split else " (it was signed as a file of no class)"


def _digest(digests: bytearray, i: int) -> bytes:
    return bytes(digests[_DIGEST * i : _DIGEST * (i + 1)])


def _named(name: str | None) -> str:
    return "none" if name is None else repr(name)
