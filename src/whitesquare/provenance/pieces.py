"""Which files of a folder are samples, and of which class: what is to be hashed, in the order of the manifest."""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

from whitesquare.data.layouts import SPLITS, is_image
from whitesquare.data.nested import is_hidden, split_inside
from whitesquare.provenance.hashing import Piece
from whitesquare.provenance.tally import Tally
from whitesquare.provenance.walk import RUN, Odd, list_folder, walk


def class_folders(root: int) -> dict[str, tuple[str, str]]:
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


def pieces_of(root: int, places: dict[str, tuple[str, str]], read: Collection[str], tally: Tally) -> Iterator[Piece]:
    """Tell what is to be hashed, in order; files that were read as containers were hashed then."""
    for found in walk(root):
        if isinstance(found, Odd):
            if found.listed:
                yield Piece("", "", "", [found.id], found.reason)
            else:
                tally.refuse(found.id, found.reason)
            continue
        place = _class_of(found.folder, places)
        if not found.names:
            if place not in ("", found.folder):
                tally.refuse(
                    found.folder.rstrip("/"), "is an empty folder inside a class folder, which no manifest lists"
                )
            continue
        split, label = places.get(place, ("", ""))
        if place not in ("", found.folder) and any(map(is_image, found.names)):
            wrong, _ = split_inside((label, *found.folder[len(place) : -1].split("/")))
            if wrong:
                tally.refuse(found.folder[:-1], wrong)
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
    return "" if is_hidden(folder[len(found) :]) else found


def tasks_of(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
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
