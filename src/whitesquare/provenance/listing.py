"""What a data set is: every sample, and every file that is none, in a manifest, and the trees over them.

A file is a sample exactly if :mod:`whitesquare.data` presents it as one; everything else that lies in the folder is an
item without label and split.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import file_digest
from itertools import chain
from pathlib import Path

from whitesquare._base.streams import MOST_BYTES
from whitesquare.data.cifar_files import refuse_pickles
from whitesquare.data.layouts import (
    CIFAR,
    FOLDER,
    IDX,
    SPLITS,
    class_order,
    dataset_kinds,
    is_plain,
    only_kind,
    place_of,
)
from whitesquare.data.misplaced import refuse_above
from whitesquare.data.names import Data, named
from whitesquare.errors import DataError, UsageError, require_extra
from whitesquare.provenance.container_rows import Container, SampleRow
from whitesquare.provenance.containers import read_cifar_folder, read_idx_folder, read_mnist, read_npz
from whitesquare.provenance.hashing import Hashed, Piece
from whitesquare.provenance.manifest import manifest_writer
from whitesquare.provenance.opened import (
    FILES,
    PIXELS,
    content_of,
    opened_tables,
    sample_rows,
    signed_of,
    splits_of,
    told_of,
)
from whitesquare.provenance.pieces import class_folders, pieces_of, tasks_of
from whitesquare.provenance.reading import NOTHING, SignedSizes
from whitesquare.provenance.shards import HashingShards
from whitesquare.provenance.tally import Tally
from whitesquare.provenance.types import FORMAT, LEAF, TREE, Content, SplitTree, Tree
from whitesquare.provenance.unchanged import stamp_of, unchanged
from whitesquare.provenance.walk import count_files, list_folder
from whitesquare.provenance.workers import hash_all
from whitesquare.records import OnNote, Progress, silent, unheard


@dataclass(frozen=True)
class Listing:
    """A data set as it was found.

    Attributes:
        tree: over all items.
        splits: those with a sample, by name.
        classes: class names in the order of their labels.
        content: what was hashed.
        sha256: of the manifest, hexadecimal.
        bytes: its size.
        refused: by id, what a data set to be signed must not hold; empty if it was listed strictly.
        traits: by name, how many samples have it, see :data:`whitesquare.data.traits.NAMES`; those of none are not
            named.
    """

    tree: Tree
    splits: dict[str, SplitTree]
    classes: tuple[str, ...]
    content: Content
    sha256: str
    bytes: int
    refused: dict[str, str]
    traits: dict[str, int]


def make_manifest(
    source: Data,
    path: Path,
    *,
    pixels: bool = False,
    strict: bool = True,
    expected: Content | None = None,
    most: int = MOST_BYTES,
    format: int = FORMAT,
    signed: SignedSizes | None = None,
    workers: int | None = None,
    shards: HashingShards | None = None,
    on_note: OnNote = unheard,
    on_progress: Progress = silent,
) -> Listing:
    """List a data set and write its manifest, whole or not at all.

    Args:
        source: ``mnist``, a folder, or an .npz file, as :func:`whitesquare.data.open_dataset` takes it; or objects.
        path: the manifest; it must not lie in the data set.
        pixels: decode images and digest their pixels, too.
        strict: raise for what a data set must not hold; else list it with a digest that no file has, or, where it is
            not one file, only name it.
        expected: what was hashed when it was signed, so that a file which was added since cannot make the data set
            one of another kind.
        most: bytes that the images of one container may announce; see
            :func:`whitesquare.provenance.container_files.expect_sizes`.
        format: of the manifest; in format 1, containers are no items.
        signed: sizes of what was signed, so that no large file is read which cannot be the signed one.
        workers: processes that hash the files of a folder; default: by the number of cores.
        shards: hashes in shards; ``None`` in this process, and of a folder in some beside it.
        on_note: told, of an object, where its labels come from and what is hashed.
        on_progress: told how many files are hashed.

    Raises:
        UsageError: there is no such data set.
        DataError: a file cannot be read, or must not be there.
        MissingDependencyError: pixels of files and .npz files need the extra ``scan``.
    """
    with manifest_writer(path, pixels=pixels) as writer:
        tally = Tally(named(source), strict, writer, most, files=format > 1)
        data = opened_tables(source) if expected is None or expected.samples_only is not False else source
        if not isinstance(data, str):
            splits = splits_of(data)
            classes, content = tuple(next(iter(splits.values())).classes), content_of(splits)
            for note in (*told_of(splits), signed_of(content)):
                on_note(note)
            traits = tally.traits if content.kind == FILES else None
            if shards is not None:
                tally.take_rows(shards.rows(splits, pixels=pixels, traits=traits))
            else:
                tally.take_rows(sample_rows(splits, pixels=pixels, traits=traits, on_progress=on_progress))
        else:
            how = _Hashing(expected, signed, workers, shards, on_progress, pixels)
            container = _take_named(data, tally, how)
            classes, content = container.classes, Content(FILES, None, False, False)
            if container.files or place_of(data) is None:
                content = Content(PIXELS, container.shape, container.positional, place_of(data) is None)
    with path.open("rb") as file:
        digest, size = file_digest(file, "sha256").hexdigest(), file.seek(0, os.SEEK_END)
    tree = Tree(TREE, LEAF, tally.tree.size, tally.tree.root().hex())
    found = dict(sorted(tally.traits.items()))
    return Listing(tree, tally.splits(classes), classes, content, digest, size, tally.refused, found)


@dataclass(frozen=True)
class _Hashing:
    """How what is named is read; see :func:`make_manifest`."""

    expected: Content | None
    signed: SignedSizes | None
    workers: int | None
    shards: HashingShards | None
    on_progress: Progress
    pixels: bool

    def hashed(self, folder: Path, root: int, tasks: Iterator[list[Piece]], *, pixels: bool) -> "Files":
        """Hash files task by task, in order."""
        if self.shards is not None:
            return self.shards.files(str(folder.resolve()), tasks, pixels=pixels, signed=self.signed)
        return hash_all(root, tasks, pixels=pixels, signed=self.signed, workers=self.workers)


Files = Generator[tuple[list[Piece], Hashed], None, None]


def _take_named(source: str, tally: Tally, how: _Hashing) -> Container:
    place, pixels = place_of(source), how.pixels
    if place is not None and place.is_dir():
        return _take_folder(place, tally, how)
    container = read_mnist(pixels=pixels) if place is None else _read_file(_npz_file(source), tally, pixels=pixels)
    tally.take_container(container, pixels=pixels)
    return container


def _read_file(path: Path, tally: Tally, *, pixels: bool) -> Container:
    root = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with unchanged(lambda: stamp_of(root, [Piece("", "", "", [path.resolve().name])]), str(path)):
            return read_npz({"train": path}, pixels=pixels, refuse=tally.refuse, most=tally.most)
    finally:
        os.close(root)


def _npz_file(source: str) -> Path:
    path = Path(source)
    if path.suffix.lower() != ".npz" or not path.is_file():
        raise UsageError(f"{source!r} is not a data set; give 'mnist', a folder, or an .npz file.")
    if not is_plain(path.name):
        raise DataError(f"{path.name!r} has a name that holds a control character; rename it.")
    return path


def _take_folder(folder: Path, tally: Tally, how: _Hashing) -> Container:
    root, pixels = os.open(folder.resolve(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), how.pixels
    try:
        kind = _kind(folder, how.expected)
        places: dict[str, tuple[str, str]] = {}
        if kind != FOLDER:
            with unchanged(lambda: stamp_of(root, [_files_in(root)]), f"Files of {folder}"):
                container = _read_containers(folder, kind, tally, pixels=pixels)
        else:
            if not (places := class_folders(root)):
                refuse_pickles(folder)
            if tally.strict and len(places) == 1:  # of which the folders inside may be the classes
                refuse_above(folder)
            classes = sorted({label for _, label in places.values()}, key=class_order)
            container = Container((), tuple(classes), None, {})
        if pixels and not container.files:
            require_extra("numpy", "scan", "--pixels")
            require_extra("PIL", "scan", "--pixels")
        tasks = tasks_of(pieces_of(root, places, container.files.keys(), tally))
        with closing(how.hashed(folder, root, tasks, pixels=pixels and not container.files)) as hashed:
            told = _told(hashed, root, how.on_progress)
            if container.files:
                others = chain.from_iterable(_as_rows(*one, tally, pixels=pixels) for one in told)
                tally.take_container(container, others, pixels=pixels)
            else:
                for task, found in told:
                    tally.take_hashed(task, found)
    finally:
        os.close(root)
    return container


def _read_containers(folder: Path, kind: str, tally: Tally, *, pixels: bool) -> Container:
    if kind == IDX:
        return read_idx_folder(folder, pixels=pixels, refuse=tally.refuse, most=tally.most)
    if kind in CIFAR:
        return read_cifar_folder(folder, kind, pixels=pixels, refuse=tally.refuse, most=tally.most)
    paths = {split: path for split in SPLITS if (path := folder / f"{split}.npz").is_file()}
    return read_npz(paths, pixels=pixels, refuse=tally.refuse, most=tally.most)


def _files_in(root: int) -> Piece:
    names, _ = list_folder(root, "")
    return Piece("", "", "", sorted(name for name in names if not name.endswith("/")))


def _kind(folder: Path, expected: Content | None) -> str:
    kinds = dataset_kinds(folder)
    if expected is not None:
        kinds = [kind for kind in kinds if (kind == FOLDER) == (expected.kind == FILES)]
    return only_kind(folder, kinds)


def _told(
    hashed: Iterator[tuple[list[Piece], Hashed]], root: int, on_progress: Progress
) -> Iterator[tuple[list[Piece], Hashed]]:
    total = done = 0
    for task, found in hashed:
        if not done and on_progress is not silent:  # not before, so that the workers are at work meanwhile
            total = count_files(root)
        yield task, found
        done += len(found.sizes)
        on_progress("hash", done, max(total, done + 1))
    on_progress("hash", done, done)


def _as_rows(task: list[Piece], hashed: Hashed, tally: Tally, *, pixels: bool) -> Iterator[SampleRow]:
    """Tell files beside a container; what they show, if anything, is not looked at."""
    seen = NOTHING if pixels else b""
    files = ((piece, piece.folder + name) for piece in task for name in piece.names)
    for position, (piece, id) in enumerate(files):
        if position in hashed.failed:
            tally.refuse(id, hashed.failed[position])
        place = slice(32 * position, 32 * position + 32)
        size, digest, leaf = hashed.sizes[position], hashed.digests[place], hashed.leaves[place]
        yield SampleRow(id, piece.split, piece.label, size, digest, leaf, seen)
