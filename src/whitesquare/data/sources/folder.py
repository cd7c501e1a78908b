"""Class-per-folder images, decoded through Pillow only when asked for."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from whitesquare.data.batches import alike, as_shape, decoded, in_batches, unlike
from whitesquare.data.copying import above_class, copy_files, moved_names
from whitesquare.data.decode import decode_bytes, decoder, header_shape, read_image
from whitesquare.data.layouts import SPLITS, SUFFIXES, class_order, is_image
from whitesquare.data.left_out import LeftOut
from whitesquare.data.names import check_name, check_split
from whitesquare.data.nested import DEPTH, split_inside
from whitesquare.errors import DataError
from whitesquare.records import Progress, silent
from whitesquare.types import Index, IntArray, Shape, UInt8Array


@dataclass
class Seen:
    """What was learned of image files while they were decoded.

    Attributes:
        turned: positions of the images that were turned as their orientation says.
        converted: likewise, of those whose colours were converted as their profile says.
        shape: of the first image.
    """

    turned: set[int] = field(default_factory=set)
    converted: set[int] = field(default_factory=set)
    shape: Shape | None = None


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """An :class:`~whitesquare.types.EncodedDataset` of image files; build it with :func:`load_image_folder`.

    Attributes:
        root: the data set's folder.
        classes: class names, the names of the folders.
        ids: paths of the files below ``root``, with forward slashes.
        labels: ``(N,)`` int64, read-only.
        seen: what was learned of the images that were decoded so far.
        kind: what it is, in a word.
        told: what else is to be said of it, such as where its labels come from.
    """

    root: Path
    classes: tuple[str, ...]
    ids: tuple[str, ...] = field(repr=False)
    labels: IntArray = field(repr=False)
    seen: Seen = field(default_factory=Seen, repr=False)
    kind: str = "folder"
    told: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """``(C, H, W)`` of the first image, which every other must share."""
        if self.seen.shape is None:
            self.decode(0, self.content(0))
        assert self.seen.shape is not None  # noqa: S101 - narrows the type; the first image was decoded
        return self.seen.shape

    def decoder(self) -> str:
        """Name Pillow and what it decodes with."""
        return decoder()

    def header(self, i: int) -> Shape:
        """Return the shape of an image as it is shown, by what the headers of its file say.

        Raises:
            DataError: see :func:`whitesquare.data.decode.decode_image`.
        """
        return header_shape(self.root / self.ids[i])

    def decode(self, i: int, content: bytes, like: Shape | None = None) -> UInt8Array:
        """Decode the content of a file as ``(C, H, W)`` uint8, C = 1 or 3, as a viewer shows it.

        Args:
            i: its position; a negative one counts from the end.
            content: of the file.
            like: an image that has other channels, or more or fewer pixels, is not decoded.

        Raises:
            IndexError: there is no such position.
            DataError: if it is damaged, too large, or not like ``like``.
        """
        position = range(len(self.ids))[i]
        path = self.root / self.ids[position]

        def check(found: Shape) -> None:
            if like is not None and alike(found) != alike(like):
                raise unlike(str(path), found, str(self.root / self.ids[0]), like)

        image = decode_bytes(content, path, check)
        if image.turned:
            self.seen.turned.add(position)
        if image.converted:
            self.seen.converted.add(position)
        if position == 0:
            self.seen.shape = as_shape(image.pixels.shape)
        return image.pixels

    def images(self, index: Index) -> UInt8Array:
        """Decode images as ``(B, C, H, W)`` uint8, C = 1 or 3.

        Raises:
            DataError: if a file is damaged, too large, or of another size or colour mode than the first; or if they
                do not fit into memory.
        """
        return decoded(self, index, str(self.root))

    def batches(self, size: int) -> Iterator[tuple[slice, UInt8Array]]:
        """Decode every image once, in order; see :meth:`images`."""
        return in_batches(self, size)

    def content(self, i: int) -> bytes:
        """Return the bytes of the file.

        Raises:
            IndexError: there is no such position.
            DataError: if it cannot be read, or is larger than an image can be.
        """
        return read_image(self.root / self.ids[range(len(self.ids))[i]])

    def notes(self, positions: IntArray) -> tuple[str, ...]:
        """Say where labels come from, and what was done to images that were decoded to be what a viewer shows."""
        kept = set(positions.tolist())
        counts = (
            (len(kept & self.seen.turned), "carry an orientation and were read as a viewer shows them"),
            (
                len(kept & self.seen.converted),
                "carry a colour profile other than sRGB and were converted as a viewer does",
            ),
        )
        return (*self.told, *(f"{count:,} of {len(kept):,} images {what}." for count, what in counts if count))

    @property
    def entries(self) -> tuple[str, ...]:
        """Names that :meth:`rewrite` makes: class folders may lie in the folder directly."""
        return SPLITS if any((self.root / split).is_dir() for split in SPLITS) else self.classes

    def rewrite(self, folder: Path, positions: IntArray, on_progress: Progress = silent) -> None:
        """Copy files under their own names; a class without a file stays an empty folder."""
        self.rewrite_as(folder, positions, {}, on_progress)

    def rewrite_as(
        self, folder: Path, positions: IntArray, labels: Mapping[int, int], on_progress: Progress = silent
    ) -> dict[int, str]:
        """Copy files, those of another class into its folder; where a file of that name is, under a new one."""
        names = moved_names(self, labels)
        copy_files(self, folder, positions, on_progress, names)
        for place in {above_class(self.ids[i]) for i in positions.tolist()}:
            for name in self.classes:
                (folder / place / name).mkdir(exist_ok=True)
        return names


def load_image_folder(path: Path, split: str = "train") -> ImageFolder:
    """List a folder of class folders; nothing is decoded yet.

    With a ``train`` or ``test`` sub-folder, class folders are looked for in there and whatever lies beside
    them is ignored; else the class folders lie in ``path`` itself and are the training split. Classes are
    those of both splits, so that labels agree; whole numbers are sorted as numbers. Images in folders inside a
    class folder, at any depth, are of the class. A class folder that is quite empty is a class without images.
    Hidden files and folders and files that are not images are ignored.

    Args:
        path: the data set's folder.
        split: ``"train"`` or ``"test"``.

    Raises:
        UsageError: if the split is unknown.
        DataError: if there is no such split, no image, a name with control characters, a link that leads out
            of ``path``, a link to a folder inside a class folder, a folder there that is called as a split is, or
            a class folder that holds something but no image.
    """
    check_split(split)
    top = {entry.name: entry for entry in _visible(path) if _is_folder(entry)}
    splits = [name for name in SPLITS if name in top]
    if split not in (splits or ["train"]):
        raise DataError(
            f"{path} has no {split} split: expected class folders in {path / split}; "
            "add it, or use a data set that has one."
        )
    if splits:
        folders = {name: _class_folders(top[name], path) for name in splits}
    else:
        folders = {"train": {entry.name: _inside(entry, path) for entry in top.values()}}
    classes = sorted({name for found in folders.values() for name in found}, key=class_order)
    ids: list[str] = []
    labels: list[int] = []
    left = LeftOut()
    for label, name in enumerate(classes):
        if name in folders[split]:
            prefix = f"{split}/{name}" if splits else name
            files = _image_files(folders[split][name], path, left)
            ids += [f"{prefix}/{file}" for file in files]
            labels += [label] * len(files)
    if not ids:
        raise DataError(
            f"{path / split if splits else path} has no class folder with images; "
            "expected one folder per class, holding its image files."
        )
    known = np.array(labels, dtype=np.int64)
    known.setflags(write=False)
    return ImageFolder(path, tuple(classes), tuple(ids), known, told=left.told)


def _visible(folder: Path | str) -> list[os.DirEntry[str]]:
    """List what is not hidden."""
    return [entry for entry in _all_in(folder) if not entry.name.startswith(".")]


def _all_in(folder: Path | str) -> list[os.DirEntry[str]]:
    """List a folder; scandir tells files from folders without a call per file."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error}); check the folder and its permissions.") from error


def _inside(entry: os.DirEntry[str], root: Path) -> os.DirEntry[str]:
    """Refuse a name that breaks lines, and a link that leads out: it would pull foreign files in."""
    check_name(entry.name, "file name", str(root))
    if entry.is_symlink():
        try:
            goal = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise DataError(f"{entry.path} is a broken link ({error}); remove it.") from error
        if not goal.is_relative_to(root.resolve()):
            raise DataError(f"{entry.path} is a link to {goal}, expected a file inside {root}; copy the file there.")
    return entry


def _class_folders(parent: os.DirEntry[str], root: Path) -> dict[str, os.DirEntry[str]]:
    entries = _visible(_inside(parent, root).path)
    return {entry.name: _inside(entry, root) for entry in entries if _is_folder(entry)}


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder, or a link to one; a link that leads to itself is neither."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _image_files(folder: os.DirEntry[str], root: Path, left: LeftOut) -> list[str]:
    """Paths of the images below one class folder, sorted."""
    names: list[str] = []
    is_empty, places = True, [(folder.path, "")]
    while places:
        path, prefix = places.pop()
        found: list[str] = []
        for entry in _all_in(path):
            if entry.name.startswith("."):
                left.pass_over(entry.name, folder.name)
                continue
            is_empty = False
            if _is_folder(entry):
                places.append((_deeper(entry, root), f"{prefix}{entry.name}/"))
            elif is_image(entry.name) and _inside(entry, root).is_file():
                found.append(prefix + entry.name)
            else:
                left.pass_over(entry.name, folder.name)
        wrong, remedy = split_inside((folder.name, *prefix.split("/")[:-1])) if found else ("", "")
        if wrong:
            raise DataError(f"{path} {wrong}; {remedy}.")
        names += found
    if not is_empty and not names:
        raise DataError(
            f"{folder.path} has files but no image; expected {', '.join(sorted(SUFFIXES))}, "
            "so add images or remove the folder."
        )
    return sorted(names)


def _deeper(entry: os.DirEntry[str], root: Path) -> str:
    """Return the path of a folder inside a class folder, which is no link: its images would count twice, or for ever.

    What lies deeper than anything is hashed is refused.
    """
    _inside(entry, root)
    if entry.is_symlink():
        raise DataError(
            f"{entry.path!r} is a link to a folder, inside a class folder, and its images would be read twice, or for "
            "ever; put the images themselves there, or remove it."
        )
    if len(Path(entry.path).relative_to(root).parts) > DEPTH:
        raise DataError(f"{entry.path} is a folder more than {DEPTH} folders deep; move its images up or remove it.")
    return entry.path
