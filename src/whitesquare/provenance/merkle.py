"""The Merkle tree of RFC 6962 (section 2.1) over labelled samples, built as a stream.

A leaf binds everything that makes a sample what it is for training: id, split, label, size and content. Every field
is preceded by its length, so no two samples share an encoding. Checked in the tests against the vectors of the RFC's
reference implementation.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256

from whitesquare.provenance.types import LEAF, Item

EMPTY = sha256(b"").digest()
"""Root of the tree without leaves."""


def _with_length(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field


_HEAD = b"\0" + _with_length(LEAF.encode())
_TAIL = _with_length(b"sha256") + (32).to_bytes(4, "big")


def leaf_hash(item: Item) -> bytes:
    """Return the hash of a sample's leaf, 32 bytes; pixels are no part of it."""
    return leaf_of(item.id, item.label, item.split, item.size, item.sha256)


def leaf_of(id: str, label: str, split: str, size: int, content: bytes) -> bytes:
    """Return what :func:`leaf_hash` does, of the fields of an :class:`Item`: for millions of them."""
    name = id.encode()
    parts = (_HEAD, len(name).to_bytes(4, "big"), name, _middle(label, split), size.to_bytes(8, "big"), _TAIL, content)
    return sha256(b"".join(parts)).digest()


@lru_cache(maxsize=4096)
def _middle(label: str, split: str) -> bytes:
    return _with_length(split.encode()) + _with_length(label.encode()) + (8).to_bytes(4, "big")


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


class TreeBuilder:
    """A tree that takes leaf hashes as they come and keeps only the roots of the full subtrees seen so far."""

    def __init__(self) -> None:
        self.size = 0
        self._waiting: list[bytes | None] = []
        """By height, the root of a full subtree that has no right neighbour yet."""

    def add(self, leaf: bytes) -> None:
        """Append the hash of a leaf."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append hashes of leaves; many at once are much faster than one by one."""
        level, height = list(leaves), 0
        self.size += len(level)
        while level:
            if height == len(self._waiting):
                self._waiting.append(None)
            if (left := self._waiting[height]) is not None:
                level.insert(0, left)
            self._waiting[height] = level.pop() if len(level) % 2 else None
            pairs = zip(level[::2], level[1::2], strict=True)
            level = [sha256(b"\1" + left + right).digest() for left, right in pairs]
            height += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        waiting = [node for node in self._waiting if node is not None]
        if not waiting:
            return EMPTY
        root = waiting[0]
        for left in waiting[1:]:
            root = node_hash(left, root)
        return root


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    tree = TreeBuilder()
    tree.extend(leaves)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of a leaf, from the bottom up (RFC 6962, section 2.1.1).

    Args:
        leaves: all leaf hashes, in order.
        index: position of the leaf.
    """
    path: list[bytes] = []
    level = list(leaves)
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
        index >>= 1
    return tuple(path)


def root_from_proof(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that an audit path leads to (RFC 9162, section 2.1.3.2); ``None`` if it cannot be one.

    Args:
        leaf: hash of the leaf.
        index: its position.
        size: number of leaves of the tree.
        path: see :func:`inclusion_proof`.
    """
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None
