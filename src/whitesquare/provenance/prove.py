"""One sample of a signed data set, proven by the few hashes between its leaf and the signed root.

Whoever has the statement can check it without the manifest, and without seeing any other sample.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from whitesquare.data.forms import opened_splits
from whitesquare.errors import UsageError, VerificationError, require_extra
from whitesquare.provenance.changes import nearest_ids
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.merkle import inclusion_proof, leaf_hash, root_from_proof
from whitesquare.provenance.opened import FILES
from whitesquare.provenance.reading import read_regular
from whitesquare.provenance.types import DatasetPredicate, Item
from whitesquare.signing.keys import TrustedKey
from whitesquare.signing.signatures import BY_DEFAULT, Signatures
from whitesquare.signing.times import utc_now


@dataclass(frozen=True)
class Proof:
    """The inclusion proof of one sample (RFC 6962, section 2.1.1).

    Attributes:
        item: the sample as it is signed.
        leaf: hash of its leaf, 32 bytes.
        index: its position in the tree.
        path: hashes of the audit path from the bottom up, 32 bytes each.
        predicate: what is signed: size and root of the tree are there.
        signers: whose signatures the statement bears.
    """

    item: Item
    leaf: bytes
    index: int
    path: tuple[bytes, ...]
    predicate: DatasetPredicate
    signers: tuple[TrustedKey, ...]


def prove(
    id: str,
    bundle: Path,
    trusted: Sequence[TrustedKey],
    *,
    split: str | None = None,
    asked: Signatures = BY_DEFAULT,
    now: datetime | None = None,
) -> Proof:
    """Make the inclusion proof of a sample, and check it against the signed root.

    Args:
        id: of the sample.
        bundle: bundle or envelope; the manifest lies beside it.
        trusted: the keys that may sign.
        split: needed only where two splits have a sample of that id.
        asked: how many keys of which roles must have signed.
        now: the time; default: now.

    Raises:
        UsageError: there is no such sample, or one in each split.
        NothingToDoError: bundle or manifest is missing.
        VerificationError: they cannot be trusted.
    """
    signed = read_dataset(bundle, trusted, now or utc_now(), asked)
    leaves: list[bytes] = []
    found: list[tuple[int, Item]] = []
    for index, item in enumerate(read_items(signed.manifest)):
        leaves.append(leaf_hash(item))
        if item.id == id and split in (None, item.split):
            found.append((index, item))
    if not found:
        near = nearest_ids(signed.manifest, id)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        where = f" in the split {split!r}" if split is not None else ""
        raise UsageError(f"There is no sample {id!r}{where} among the {len(leaves)} that are signed.{hint}")
    if len(found) > 1:
        splits = " and ".join(item.split for _, item in found)
        raise UsageError(f"There is a sample {id!r} in {splits} each; say which by --split.")
    index, item = found[0]
    path, tree = inclusion_proof(leaves, index), signed.predicate.tree
    if len(leaves) != tree.size or root_from_proof(leaves[index], index, tree.size, path) != bytes.fromhex(tree.root):
        raise VerificationError(
            f"The proof does not lead to the root that {bundle} states: manifest and statement are signed, but are not "
            "about the same; attest the data set again."
        )
    return Proof(item, leaves[index], index, path, signed.predicate, signed.signers)


def look_up(source: str, proof: Proof) -> str:
    """Compare a sample of a data set with a proof.

    Args:
        source: ``mnist``, a folder or an .npz file.
        proof: of the sample.

    Returns:
        How it differs from the signed one; empty if it does not.

    Raises:
        UsageError: there is no such data set.
        DataError: it cannot be read.
        MissingDependencyError: reading it needs an extra.
    """
    item = proof.item
    if proof.predicate.content.kind != FILES or opened_splits(source):
        return _look_into(source, item)
    if not Path(source).is_dir():
        raise UsageError(f"There is no folder {source!r}, in which {item.id!r} would be a file; give the data set.")
    root = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        content = read_regular(root, item.id, item.size)
    except OSError as error:
        return f"it cannot be read as a plain file ({error.strerror})"
    finally:
        os.close(root)
    return _difference(item, content, item.label)


def _look_into(source: str, item: Item) -> str:
    """Compare a sample of a container; a file beside it is not known as a sample."""
    require_extra("numpy", "scan", "a sample of a file that holds many")
    from whitesquare.data import open_dataset

    if not item.split:
        raise UsageError(f"{item.id!r} is a file beside the samples; compare it by `whitesquare verify`.")
    dataset = open_dataset(source, item.split)
    try:
        position = list(dataset.ids).index(item.id)
    except ValueError:
        return "it is not there"
    return _difference(item, dataset.content(position), dataset.classes[dataset.labels[position]])


def _difference(item: Item, content: bytes, label: str) -> str:
    if label != item.label:
        return f"its class is {label!r}, signed is {item.label!r}"
    if (found := sha256(content).hexdigest()) != item.sha256.hex():
        return f"its content has the SHA-256 {found}, signed is {item.sha256.hex()}"
    return ""
