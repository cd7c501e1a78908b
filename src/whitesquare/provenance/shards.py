"""A manifest in shards: files are hashed some thousand at a time, by workers or on a cluster, and what is done is kept.

The manifest is that of one process, byte for byte: its order is that of the ids, whoever hashed what and when. A task
that is taken up again is known by the names of its files and by what nobody can set of them: which file it is, and when
anything of it was changed last. Files that change while they are read end the work. This needs NumPy, which a manifest
that is made here does not.
"""

import json
import os
from array import array
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whitesquare._base.files import write_text
from whitesquare._base.hashing import digest_of
from whitesquare._base.kept_folder import working_folder
from whitesquare._base.machine import making_digest
from whitesquare.data.forms import opened_splits
from whitesquare.data.traits.told import traits_in
from whitesquare.errors import UsageError
from whitesquare.provenance.container_rows import SampleRow
from whitesquare.provenance.hashing import Hashed, Piece, hash_files
from whitesquare.provenance.merkle import leaf_of
from whitesquare.provenance.opened import sample_rows
from whitesquare.provenance.pixels import digest_of_pixels
from whitesquare.provenance.reading import SignedSizes
from whitesquare.provenance.unchanged import stamp_of, unchanged

if TYPE_CHECKING:  # they need NumPy
    from whitesquare.executor.engine import Engine, Way
    from whitesquare.types import ImageDataset

_ROOMS = ("_base", "data", "provenance", "types")
_TOGETHER = 64
"""Tasks that are handed out at a time: of so many the names of the files are held."""
_DIGEST = 32


@dataclass(frozen=True)
class ToHashFiles:
    """Files that are to be hashed.

    Attributes:
        root: folder of the data set.
        pieces: which of its files.
        folder: where what was found is kept.
        pixels: decode images and digest their pixels, too.
        signed: file that says which sizes are signed; ``None`` where none are.
    """

    root: str
    pieces: list[Piece]
    folder: Path
    pixels: bool
    signed: Path | None


@dataclass(frozen=True)
class ToHashShard:
    """Samples of a shard that are to be hashed.

    Attributes:
        listing: file that says which, see :mod:`whitesquare.data.listing`.
        split: of the data set.
        classes: class names.
        folder: where what was found is kept.
        pixels: digest the pixels of images, too.
    """

    listing: Path
    split: str
    classes: tuple[str, ...]
    folder: Path
    pixels: bool


@dataclass(frozen=True)
class HashingShards:
    """How the content of a data set is hashed in shards; made by :func:`hashing_shards`.

    Attributes:
        engine: where.
        folder: where what was found is kept.
    """

    engine: "Engine"
    folder: Path

    def files(
        self, root: str, tasks: Iterator[list[Piece]], *, pixels: bool, signed: SignedSizes | None
    ) -> Generator[tuple[list[Piece], Hashed], None, None]:
        """Hash files task by task, in order; see :func:`whitesquare.provenance.workers.hash_all`.

        Raises:
            UnfinishedError: a worker died.
            ChangedError: files were changed while they were read.
        """
        sizes = None
        if signed is not None:
            text = json.dumps(signed.message())
            sizes = self.folder / "signed" / f"{sha256(text.encode()).hexdigest()}.json"
            sizes.parent.mkdir(exist_ok=True)
            write_text(sizes, text)
        while some := list(islice(tasks, _TOGETHER)):
            items = [ToHashFiles(root, task, self.folder, pixels, sizes) for task in some]
            done = self.engine.map("hashing files", hash_task, items)
            for task, path in zip(some, done, strict=True):
                yield task, _hashed(path, pixels=pixels)

    def rows(
        self, splits: Mapping[str, "ImageDataset"], *, pixels: bool, traits: Counter[str] | None
    ) -> Iterator[SampleRow]:
        """Yield samples in the order of the manifest; see :func:`whitesquare.provenance.opened.sample_rows`.

        What no worker can read by itself is hashed here.

        Raises:
            DataError: a sample cannot be read.
            UnfinishedError: a worker died.
            ChangedError: samples were changed while they were read.
        """
        from whitesquare.data.listing import in_files

        here = {split: dataset for split, dataset in splits.items() if not in_files(dataset)}
        there = {split: dataset for split, dataset in splits.items() if in_files(dataset)}
        parts = [self._of_split(split, dataset, pixels, traits) for split, dataset in there.items()]
        return merge(*parts, *([sample_rows(here, pixels=pixels, traits=traits)] if here else []))

    def _of_split(
        self, split: str, dataset: "ImageDataset", pixels: bool, traits: Counter[str] | None
    ) -> Iterator[SampleRow]:
        from whitesquare.data.kept import read_kept
        from whitesquare.data.listing import check_unchanged, shards_in

        shards = shards_in(dataset, self.folder)
        items = [ToHashShard(one.listing, split, tuple(dataset.classes), self.folder, pixels) for one in shards]
        digests, leaves, seen, sizes = bytearray(), bytearray(), bytearray(), array("q")
        for path in self.engine.map("hashing shards", hash_shard, items):
            kept = read_kept(path)
            for whole, name in ((digests, "digests"), (leaves, "leaves"), (seen, "pixels")):
                if name in kept.layout:
                    whole += kept.array(name).tobytes()
            sizes.frombytes(kept.array("sizes").tobytes())
            if traits is not None:
                traits.update(kept.said["traits"])
        check_unchanged(dataset)  # whose ids and labels were read here, and its content by workers
        ids, labels = dataset.ids, dataset.labels.tolist()
        # Texts are in the order of their UTF-8 bytes: no name of a sample holds half of a pair.
        for i in sorted(range(len(ids)), key=ids.__getitem__):
            at = slice(_DIGEST * i, _DIGEST * (i + 1))
            label = dataset.classes[labels[i]]
            yield SampleRow(ids[i], split, label, sizes[i], bytes(digests[at]), bytes(leaves[at]), bytes(seen[at]))


@contextmanager
def hashing_shards(
    way: "Way | None", place: Path | None, told: Mapping[str, str], what: str
) -> Iterator[HashingShards | None]:
    """Give the way in which a data set is hashed in shards; ``None`` where it is hashed as any other.

    Args:
        way: as it was asked for.
        place: of the data set, in which nothing is kept.
        told: by name, what decides the result, so that a folder of other work is refused.
        what: kind of work.

    Raises:
        UsageError: the folder is of other work, lies in the data set, or another run works in it.
    """
    if way is None or not _in_shards(way, place):
        yield None
        return
    from whitesquare.executor.engine import Engine

    if way.folder is not None and place is not None and way.folder.resolve().is_relative_to(place.resolve()):
        raise UsageError(f"The folder {way.folder} lies in the data set {place}; name one elsewhere with --resume.")
    with working_folder(way.folder, told, what) as folder:
        yield HashingShards(Engine(way), folder)


def _in_shards(way: "Way", place: Path | None) -> bool:
    """Tell whether files are hashed in shards: those of a folder have processes of their own, which start faster."""
    if way.ray is not None or way.folder is not None or place is None or not place.is_dir():
        return True
    return bool(opened_splits(place))  # a folder of tables or tar files, which is signed sample by sample


def hash_task(task: ToHashFiles, shared: object) -> Path:
    """Hash some files, and keep what was found under a name that says of which.

    Raises:
        ChangedError: they were changed meanwhile.
        UnfinishedError: nothing can be written.
    """
    import numpy as np

    from whitesquare.data.kept import kept_whole, write_kept

    root = os.open(task.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        what = f"Files of {task.pieces[0].folder or task.root!r}"
        with unchanged(lambda: stamp_of(root, task.pieces), what) as stamp:
            sizes = task.signed.name if task.signed else ""
            path = _named(task.folder, task.root, repr(task.pixels), sizes, json.dumps(task.pieces), stamp)
            # What could not be read may be readable now, without a trace in what is known of the file.
            if (kept := kept_whole(path)) is not None and not kept.said["failed"]:
                return path
            signed = None if task.signed is None else _signed(task.signed)
            found = hash_files(root, task.pieces, pixels=task.pixels, signed=signed)
    finally:
        os.close(root)
    blobs = {"digests": found.digests, "leaves": found.leaves, "pixels": found.pixels}
    arrays: dict[str, Any] = {name: np.frombuffer(blob, np.uint8) for name, blob in blobs.items()}
    arrays["sizes"] = np.array(found.sizes, np.int64)
    write_kept(path, arrays, {"failed": list(found.failed.items()), "traits": found.traits})
    return path


def hash_shard(task: ToHashShard, shared: object) -> Path:
    """Hash the samples of a shard, and keep what was found under a name that says of which.

    Raises:
        DataError: a sample cannot be read.
        ChangedError: files were changed meanwhile.
        UnfinishedError: nothing can be written.
    """
    import numpy as np

    from whitesquare.data.kept import kept_whole, write_kept
    from whitesquare.data.listing import opened

    shard = opened(task.listing)
    digests, leaves, seen, sizes, traits = bytearray(), bytearray(), bytearray(), array("q"), Counter[str]()
    with unchanged(lambda: shard.stamp(strictly=True), f"Samples of {shard.paths[0]}") as stamp:
        path = _named(task.folder, task.listing.name, task.split, repr(task.pixels), *task.classes, stamp)
        if kept_whole(path) is not None:
            return path
        for i, (name, label) in enumerate(zip(shard.ids, shard.labels.tolist(), strict=True)):
            content = shard.content(i)
            digest = sha256(content).digest()
            digests += digest
            leaves += leaf_of(name, task.classes[label], task.split, len(content), digest)
            sizes.append(len(content))
            traits.update(traits_in(content))
            if task.pixels:
                image = shard.pixels(i, content)
                seen += digest_of_pixels(tuple(map(int, image.shape)), image.tobytes())
    blobs = {"digests": digests, "leaves": leaves} | ({"pixels": seen} if task.pixels else {})
    arrays: dict[str, Any] = {name: np.frombuffer(blob, np.uint8) for name, blob in blobs.items()}
    write_kept(path, arrays | {"sizes": np.array(sizes, np.int64)}, {"traits": traits})
    return path


def _named(folder: Path, *parts: str) -> Path:
    return folder / "hashed" / f"{digest_of(['hashed', making_digest(_ROOMS), *parts])}.kept"


@lru_cache(maxsize=1)
def _signed(path: Path) -> SignedSizes:
    sizes, named = json.loads(path.read_text(encoding="utf-8"))
    return SignedSizes(array("q", sizes), named)


def _hashed(path: Path, *, pixels: bool) -> Hashed:
    from whitesquare.data.kept import read_kept

    kept = read_kept(path)
    digests, leaves, seen = (kept.array(name).tobytes() for name in ("digests", "leaves", "pixels"))
    reasons = {int(position): reason for position, reason in kept.said["failed"]}
    return Hashed(kept.array("sizes").tolist(), digests, leaves, seen if pixels else b"", reasons, kept.said["traits"])
