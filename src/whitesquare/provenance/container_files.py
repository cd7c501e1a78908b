"""The files that hold many samples, compared with what is signed of them: before they are read, and after."""

import math
from pathlib import Path

from whitesquare._base.streams import MOST_BYTES, most_beside
from whitesquare.data.layouts import place_of
from whitesquare.errors import VerificationError
from whitesquare.provenance.dataset import SignedDataset
from whitesquare.provenance.manifest import read_items


def check_files(dataset: object, signed: SignedDataset) -> None:
    """Compare containers that were read with what is signed of them: nothing in format 1, and of objects.

    Args:
        dataset: the split that was read.
        signed: what they must be.

    Raises:
        VerificationError: one of them is another, or was not signed.
    """
    from whitesquare.types import Contained

    read = dataset.containers if isinstance(dataset, Contained) else ()
    if not read or not _listed(signed):
        return
    known = {item.id: item for item in read_items(signed.manifest, split="")}
    if not known:  # each sample is held against the manifest, whatever it was read from
        return
    for name, size, digest in read:
        item = known.get(name)
        if item is None or (item.size, item.sha256) != (size, digest):
            wanted = "none was signed" if item is None else f"signed were {item.size} with {item.sha256.hex()[:16]}"
            raise VerificationError(
                f"The file {name!r} is not the signed one: found {size} bytes with SHA-256 {digest.hex()[:16]}, "
                f"{wanted}; restore it, or attest the data set anew."
            )


def expect_sizes(source: str | Path, signed: SignedDataset) -> int:
    """Refuse containers that are far larger than what is signed, before a byte of them is unpacked.

    Args:
        source: the data set, as :func:`whitesquare.data.open_dataset` takes it.
        signed: what it must be.

    Returns:
        Bytes that the images of a container may announce.

    Raises:
        VerificationError: a file is too large.
    """
    content = signed.predicate.content
    if content.shape is None:
        return MOST_BYTES
    root = place_of(source)
    if _listed(signed) and root is not None:
        for item in read_items(signed.manifest, split=""):
            path = root / item.id if root.is_dir() else root
            if (size := _size(path)) > (most := most_beside(item.size)):
                raise VerificationError(
                    f"{path} has {size} bytes, and {item.size} are signed: more than {most} are not even looked at; "
                    "restore it, or attest the data set anew."
                )
    largest = max((split.size for split in signed.predicate.splits.values()), default=0)
    return most_beside(largest * math.prod(content.shape))


def _listed(signed: SignedDataset) -> bool:
    """Tell whether the manifest lists containers."""
    return signed.predicate.format > 1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # whoever reads it will say so
        return 0
