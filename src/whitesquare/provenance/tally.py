"""What is found of a data set, counted as it comes: trees over it, numbers of samples, what must not be there."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from whitesquare.data.layouts import SPLITS
from whitesquare.errors import DataError
from whitesquare.provenance.container_rows import Container, SampleRow
from whitesquare.provenance.hashing import Hashed, Piece
from whitesquare.provenance.manifest import Block, ManifestWriter
from whitesquare.provenance.merkle import TreeBuilder
from whitesquare.provenance.types import SplitTree
from whitesquare.provenance.walk import RUN


@dataclass
class Tally:
    """Counts what is found, builds the trees over it and hands it on to the manifest.

    Attributes:
        source: the data set, as it was named.
        strict: whether what a data set must not hold is an error.
        writer: of the manifest.
        most: bytes that the images of one container may announce.
        files: whether containers are items themselves (not in format 1).
        tree: over all items.
        trees: over the samples of each split.
        counts: items by split and label.
        refused: by id, what must not be there.
        traits: see :class:`~whitesquare.provenance.hashing.Hashed`.
    """

    source: str
    strict: bool
    writer: ManifestWriter
    most: int
    files: bool
    tree: TreeBuilder = field(default_factory=TreeBuilder)
    trees: dict[str, TreeBuilder] = field(default_factory=lambda: {split: TreeBuilder() for split in SPLITS})
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    traits: Counter[str] = field(default_factory=Counter)

    def refuse(self, id: str, reason: str) -> None:
        """Note what a data set must not hold.

        Raises:
            DataError: it is listed strictly.
        """
        if self.strict:
            raise DataError(
                f"{id!r} in {self.source} {reason}; a data set holds regular files only, each under a name of its own, "
                "so remove or rename it."
            )
        self.refused[id] = reason

    def take(self, block: Block, leaves: bytes) -> None:
        """Add items in the order of the manifest, with their leaf hashes, 32 bytes each."""
        self.writer.add(block)
        self.counts.update(zip(block.splits, block.labels, strict=True))
        hashes = [leaves[start : start + 32] for start in range(0, len(leaves), 32)]
        self.tree.extend(hashes)
        for split in set(block.splits) - {""}:
            of_split = zip(block.splits, hashes, strict=True)
            self.trees[split].extend([leaf for found, leaf in of_split if found == split])

    def take_hashed(self, task: list[Piece], hashed: Hashed) -> None:
        """Add files that were hashed; see :meth:`refuse` for those that could not be."""
        ids = [piece.folder + name for piece in task for name in piece.names]
        labels = [piece.label for piece in task for _ in piece.names]
        splits = [piece.split for piece in task for _ in piece.names]
        for position, reason in hashed.failed.items():
            self.refuse(ids[position], reason)
        self.traits.update(hashed.traits)
        self.take(Block(ids, labels, splits, hashed.sizes, hashed.digests, hashed.pixels), hashed.leaves)

    def take_container(self, container: Container, others: Iterable[SampleRow] = (), *, pixels: bool) -> None:
        """Add the samples of containers, their files where these are items, and what lies beside them."""
        files = container.file_rows(pixels=pixels) if self.files else ()
        self.take_rows(merge(*container.rows(), files, others))

    def take_rows(self, rows: Iterator[SampleRow]) -> None:
        """Add items one by one, in the order of the manifest."""
        while some := list(islice(rows, RUN)):
            ids, splits, labels, sizes, digests, leaves, pixels = zip(*some, strict=True)
            self.take(Block(ids, labels, splits, sizes, b"".join(digests), b"".join(pixels)), b"".join(leaves))

    def splits(self, classes: tuple[str, ...]) -> dict[str, SplitTree]:
        """Return the trees of the splits that have a sample, by name."""
        return {
            split: SplitTree(tree.size, tree.root().hex(), {name: self.counts[split, name] for name in classes})
            for split, tree in self.trees.items()
            if tree.size
        }
