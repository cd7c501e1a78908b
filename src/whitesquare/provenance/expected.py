"""What a split must be: its samples by position, as a signed manifest lists them, to compare what is read with."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from typing import TYPE_CHECKING, NoReturn

from whitesquare.errors import VerificationError
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.merkle import leaf_of, tree_root
from whitesquare.provenance.opened import PIXELS
from whitesquare.provenance.types import Item

if TYPE_CHECKING:
    from whitesquare.types import ImageDataset

NEXT = "run `whitesquare verify` to see all that differs, then restore the data set or attest it anew"
DIGEST = 32


@dataclass(frozen=True)
class SignedSplit:
    """The signed samples of a split, by their position in the data set that is read; other processes can have it.

    Attributes:
        split: its name.
        classes: class names.
        ids: of the samples.
        labels: of the samples.
        order: positions in the manifest's order.
        digests: SHA-256 of the samples, one after the other.
        sizes: number of bytes of each.
    """

    split: str
    classes: tuple[str, ...]
    ids: Sequence[str]
    labels: "array[int]"
    order: Sequence[int]
    digests: bytes
    sizes: "array[int]"

    def check(self, i: int, content: bytes) -> bytes:
        """Compare what was read with what is signed, and return its digest.

        Raises:
            VerificationError: it is something else.
        """
        digest = sha256(content).digest()
        wanted = self.digests[DIGEST * i : DIGEST * (i + 1)]
        if wanted != digest or self.sizes[i] != len(content):
            raise VerificationError(
                f"The {self.split} sample {self.ids[i]!r} is not the signed one: found {len(content)} bytes with "
                f"SHA-256 {digest.hex()[:16]}, signed were {self.sizes[i]} bytes with {wanted.hex()[:16]}; it was "
                f"changed after it was signed, so {NEXT}."
            )
        return digest

    def root(self, kept: Iterable[int] | None = None) -> str:
        """Return the root, hexadecimal, of the tree over all samples, or over those at some positions."""
        chosen = None if kept is None else set(kept)
        return tree_root(
            leaf_of(
                self.ids[i],
                self.classes[self.labels[i]],
                self.split,
                self.sizes[i],
                self.digests[DIGEST * i : DIGEST * (i + 1)],
            )
            for i in self.order
            if chosen is None or i in chosen
        ).hex()


def expected(dataset: "ImageDataset", split: str, kind: str, signed: SignedDataset) -> SignedSplit:
    """Compare everything about a split but the content of its samples with a signed manifest.

    Args:
        dataset: the split.
        split: its name.
        kind: what is hashed: ``files`` or ``pixels``.
        signed: what it must be.

    Raises:
        VerificationError: the signed data set has other classes, another kind of content, no such split, or other
            samples or labels in it.
    """
    _check_kind(dataset, split, kind, signed)
    ids, labels = dataset.ids, array("q", dataset.labels.tolist())
    order = manifest_order(ids)
    digests, sizes = bytearray(DIGEST * len(ids)), array("q", bytes(8 * len(ids)))
    for i, item in zip_longest(order, _items(signed, split)):
        if i is None or (item is not None and item.id.encode() < ids[i].encode()):
            _refuse(split, item.id, "is missing", signed)
        if item is None or item.id != ids[i]:
            _refuse(split, ids[i], f"is not among those signed{_elsewhere(signed, ids[i])}", signed)
        if (own := dataset.classes[labels[i]]) != item.label:
            _refuse(split, item.id, f"has the label {own!r}, signed was {item.label!r}", signed)
        digests[DIGEST * i : DIGEST * (i + 1)], sizes[i] = item.sha256, item.size
    return SignedSplit(split, dataset.classes, ids, labels, order, bytes(digests), sizes)


def manifest_order(ids: Sequence[str]) -> list[int]:
    """Return the positions of samples in the order in which a manifest lists them."""
    return sorted(range(len(ids)), key=lambda i: ids[i].encode())


def check_root(samples: SignedSplit, signed: SignedDataset) -> None:
    """Refuse samples that come from another manifest than the signed one.

    Raises:
        VerificationError: they do.
    """
    if samples.root() != signed.predicate.splits[samples.split].root:
        raise VerificationError(
            f"{signed.manifest} was changed after its signature was checked; {NEXT}, and let nobody write to its "
            "folder."
        )


def _check_kind(dataset: "ImageDataset", split: str, kind: str, signed: SignedDataset) -> None:
    """Compare what is true of every sample: class map, split, what is hashed, shape of the pixels."""
    predicate = signed.predicate
    if split not in predicate.splits:
        known = ", ".join(predicate.splits) or "none"
        raise VerificationError(
            f"The signed data set has no {split} split (it has: {known}); give the manifest of this data set."
        )
    for label, (own, wanted) in enumerate(zip_longest(dataset.classes, predicate.classes)):
        if own != wanted:
            raise VerificationError(
                f"The class map is not the signed one: the label {label} is {_named(own)}, signed was "
                f"{_named(wanted)}; {NEXT}."
            )
    if kind != predicate.content.kind:
        raise VerificationError(
            f"The signed manifest is over {predicate.content.kind}, and this data set is one of {kind}; give "
            "the data set in the form in which it was attested."
        )
    shape = tuple(dataset.shape) if kind == PIXELS else None
    if shape is not None and shape != predicate.content.shape:
        raise VerificationError(
            f"The images have the shape {shape}, signed was {predicate.content.shape}: the same pixels in "
            f"another shape are other images; {NEXT}."
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


def _refuse(split: str, name: str, what: str, signed: SignedDataset) -> NoReturn:
    raise VerificationError(
        f"The {split} sample {name!r} {what}: the data set is not the one of {signed.manifest}; {NEXT}."
    )


def _named(name: str | None) -> str:
    return "none" if name is None else repr(name)
