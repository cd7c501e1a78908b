"""What a data set is: every sample, and every file that is none, in a manifest, and the trees over them.

A file is a sample exactly if :mod:`whitesquare.data` presents it as one; everything else that lies in the folder is an
item without label and split.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import file_digest
from itertools import chain, groupby
from pathlib import Path

from whitesquare._base.streams import MOST_BYTES
from whitesquare.data.cifar_files import refuse_pickles
from whitesquare.data.layouts import (
    CIFAR,
    FOLDER,
    IDX,
    NPZ,
    SPLITS,
    class_order,
    dataset_kinds,
    is_image,
    is_plain,
    only_kind,
    place_of,
)
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
from whitesquare.provenance.reading import NOTHING, SignedSizes
from whitesquare.provenance.tally import Tally
from whitesquare.provenance.types import FORMAT, LEAF, TREE, Content, SplitTree, Tree
from whitesquare.provenance.walk import RUN, Odd, count_files, list_folder, walk
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
        on_note: told, of an object, where its labels come from and what is hashed.
        on_progress: told how many files are hashed.

    Raises:
        UsageError: there is no such data set.
        DataError: a file cannot be read, or must not be there.
        MissingDependencyError: pixels of files and .npz files need the extra ``scan``.
    """
    with manifest_writer(path, pixels=pixels) as writer:
        tally = Tally(named(source), strict, writer, most, files=format > 1)
        data = opened_tables(source)
        if not isinstance(data, str):
            splits = splits_of(data)
            classes, content = tuple(next(iter(splits.values())).classes), content_of(splits)
            for note in (*told_of(splits), signed_of(content)):
                on_note(note)
            tally.take_rows(sample_rows(splits, pixels=pixels, on_progress=on_progress))
        else:
            container = _take_named(data, tally, expected, signed, on_progress, pixels=pixels)
            classes, content = container.classes, Content(FILES, None, False)
            if container.files or place_of(data) is None:
                content = Content(PIXELS, container.shape, container.positional)
    with path.open("rb") as file:
        digest, size = file_digest(file, "sha256").hexdigest(), file.seek(0, os.SEEK_END)
    tree = Tree(TREE, LEAF, tally.tree.size, tally.tree.root().hex())
    traits = dict(sorted(tally.traits.items()))
    return Listing(tree, tally.splits(classes), classes, content, digest, size, tally.refused, traits)


def _take_named(
    source: str,
    tally: Tally,
    expected: Content | None,
    signed: SignedSizes | None,
    on_progress: Progress,
    *,
    pixels: bool,
) -> Container:
    place = place_of(source)
    if place is not None and place.is_dir():
        return _take_folder(place, tally, expected, signed, on_progress, pixels=pixels)
    if place is None:
        container = read_mnist(pixels=pixels)
    else:
        container = read_npz({"train": _npz_file(source)}, pixels=pixels, refuse=tally.refuse, most=tally.most)
    tally.take_container(container, pixels=pixels)
    return container


def _npz_file(source: str) -> Path:
    path = Path(source)
    if path.suffix.lower() != ".npz" or not path.is_file():
        raise UsageError(f"{source!r} is not a data set; give 'mnist', a folder, or an .npz file.")
    if not is_plain(path.name):
        raise DataError(f"{path.name!r} has a name that holds a control character; rename it.")
    return path


def _take_folder(
    folder: Path,
    tally: Tally,
    expected: Content | None,
    signed: SignedSizes | None,
    on_progress: Progress,
    *,
    pixels: bool,
) -> Container:
    root = os.open(folder.resolve(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        kind = _kind(folder, expected)
        places: dict[str, tuple[str, str]] = {}
        if kind == IDX:
            container = read_idx_folder(folder, pixels=pixels, refuse=tally.refuse, most=tally.most)
        elif kind == NPZ:
            paths = {split: path for split in SPLITS if (path := folder / f"{split}.npz").is_file()}
            container = read_npz(paths, pixels=pixels, refuse=tally.refuse, most=tally.most)
        elif kind in CIFAR:
            container = read_cifar_folder(folder, kind, pixels=pixels, refuse=tally.refuse, most=tally.most)
        else:
            if not (places := _class_folders(root)):
                refuse_pickles(folder)
            classes = sorted({label for _, label in places.values()}, key=class_order)
            container = Container((), tuple(classes), None, {})
        if pixels and not container.files:
            require_extra("numpy", "scan", "--pixels")
            require_extra("PIL", "scan", "--pixels")
        tasks = _tasks(_pieces(root, places, container.files.keys(), tally))
        with closing(hash_all(root, tasks, pixels=pixels and not container.files, signed=signed)) as hashed:
            told = _told(hashed, root, on_progress)
            if container.files:
                others = chain.from_iterable(_as_rows(*one, tally, pixels=pixels) for one in told)
                tally.take_container(container, others, pixels=pixels)
            else:
                for task, found in told:
                    tally.take_hashed(task, found)
    finally:
        os.close(root)
    return container


def _kind(folder: Path, expected: Content | None) -> str:
    kinds = dataset_kinds(folder)
    if expected is not None:
        kinds = [kind for kind in kinds if (kind == FOLDER) == (expected.kind == FILES)]
    return only_kind(folder, kinds)


def _class_folders(root: int) -> dict[str, tuple[str, str]]:
    """Return split and label of each folder that holds samples."""
    top = _folders(root, "")
    if splits := [split for split in SPLITS if split in top]:
        return {f"{split}/{name}/": (split, name) for split in splits for name in _folders(root, f"{split}/")}
    return {f"{name}/": ("train", name) for name in top}


def _folders(root: int, folder: str) -> list[str]:
    try:
        names, _ = list_folder(root, folder)
    except OSError:  # the walk will say so
        return []
    return [name[:-1] for name in names if name.endswith("/") and not name.startswith(".")]


def _pieces(root: int, places: dict[str, tuple[str, str]], read: Collection[str], tally: Tally) -> Iterator[Piece]:
    """Tell what is to be hashed, in order; files that were read as containers were hashed then."""
    for found in walk(root):
        if isinstance(found, Odd):
            if found.listed:
                yield Piece("", "", "", [found.id], found.reason)
            else:
                tally.refuse(found.id, found.reason)
            continue
        if not found.names:
            if (kept := _class_of(found.folder, places)) and kept != found.folder:
                tally.refuse(
                    found.folder.rstrip("/"), "is an empty folder inside a class folder, which no manifest lists"
                )
            continue
        split, label = places.get(found.folder, ("", ""))
        names = found.names if found.folder else [name for name in found.names if name not in read]
        if not split:
            yield Piece(found.folder, "", "", names)
            continue
        for sample, group in groupby(names, is_image):
            yield Piece(found.folder, split if sample else "", label if sample else "", list(group))


def _class_of(folder: str, places: dict[str, tuple[str, str]]) -> str:
    """Return the class folder in which a folder lies that a loader would see; empty if it lies in none."""
    steps = folder.split("/")
    above = ("/".join(steps[:count]) + "/" for count in (1, 2))
    found = next((place for place in above if place in places), "")
    return "" if folder[len(found) :].startswith(".") else found


def _tasks(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Gather pieces until there are about as many files as one piece can have."""
    task: list[Piece] = []
    size = 0
    for piece in pieces:
        if task and size + len(piece.names) > RUN:
            yield task
            task, size = [], 0
        task.append(piece)
        size += len(piece.names)
    if task:
        yield task


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
