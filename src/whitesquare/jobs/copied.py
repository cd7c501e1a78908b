"""How a cleansed copy is written: in the form of its source where that can be, with the labels that people gave."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whitesquare._base.folders import folder_kind
from whitesquare.data import ENTRIES, Part, format_of, has_test, open_dataset, write_dataset
from whitesquare.data.layouts import NPZ
from whitesquare.data.names import Data, named
from whitesquare.data.relabelled import Relabelled, Relabelling
from whitesquare.data.sized import is_resized, unsized
from whitesquare.errors import UsageError
from whitesquare.records import Progress
from whitesquare.types import ImageDataset, IntArray, Rewritable


@dataclass(frozen=True)
class CopyPlan:
    """What is written, and how.

    Attributes:
        form: one of :data:`whitesquare.data.FORMATS`, or the source's own.
        kept: the training samples that are written.
        test: the test split; ``None`` for none.
        labels: by id, the class of samples that get another one.
        again: what writes itself in the form in which it was read, with the positions to write; else nothing.
    """

    form: str
    kept: ImageDataset
    test: ImageDataset | None
    labels: Mapping[str, int]
    again: tuple[tuple[Rewritable, IntArray], ...]

    @property
    def entries(self) -> tuple[str, ...]:
        """Names that :meth:`write` makes in a folder."""
        return tuple({name for one, _ in self.again for name in one.entries}) or ENTRIES[self.form]

    def write(self, folder: Path, on_progress: Progress) -> dict[str, str]:
        """Write it; return by id the ids that samples with another class have in the copy."""
        if self.again:
            (train, positions), *rest = self.again
            moved = self._rewrite(folder, train, positions, on_progress)
            for one, some in rest:
                one.rewrite(folder, some, on_progress)
            return moved
        place = {name: i for i, name in enumerate(self.kept.ids)}
        labels = {place[name]: label for name, label in self.labels.items()}
        kept = Relabelled(self.kept, labels) if labels else self.kept
        ids = write_dataset(folder, kept, self.test, self.form, on_progress)
        return {self.kept.ids[i]: ids[i] for i in labels}

    def _rewrite(self, folder: Path, train: Rewritable, positions: IntArray, on_progress: Progress) -> dict[str, str]:
        if not isinstance(train, ImageDataset) or not self.labels:
            train.rewrite(folder, positions, on_progress)
            return {}
        if not isinstance(train, Relabelling):
            raise UsageError(
                f"A data set of the kind {train.kind!r:.60} cannot be written with other labels in its own form; name "
                "another one with --format, such as npz."
            )
        place = {name: i for i, name in enumerate(train.ids)}
        labels = {place[name]: label for name, label in self.labels.items()}
        return {train.ids[i]: name for i, name in train.rewrite_as(folder, positions, labels, on_progress).items()}


def plan_copy(
    source: Data,
    opened: ImageDataset,
    kept: ImageDataset,
    labels: Mapping[str, int],
    *,
    fmt: str | None,
    size: int | None,
    fit: str | None,
) -> CopyPlan:
    """Choose how a copy is written.

    Args:
        source: the data set, as it was given.
        opened: its training split.
        kept: what of it is written.
        labels: by id, the class of samples that get another one.
        fmt: one of :data:`whitesquare.data.FORMATS`; ``None`` is the form of the source, and npz for an object.
        size: both sides that image files were brought to.
        fit: how.

    Raises:
        UsageError: what would be written are images of another size than those of the files.
    """
    own = format_of(source) if isinstance(source, str | Path) else None
    form = fmt or own or NPZ
    test = open_dataset(source, "test", size=size, fit=fit) if has_test(source) else None
    again = _again(unsized(opened), kept, unsized(test) if test else None) if form == own else ()
    if not again and (is_resized(opened) or (test is not None and is_resized(test))):
        raise UsageError(
            f"The images of {named(source)} have several sizes and were read at one, and a cleansed copy holds the "
            "files as they are; give the path of class folders and leave --format out."
        )
    return CopyPlan(form, kept, test, labels, again)


def _again(
    opened: ImageDataset, kept: ImageDataset, test: ImageDataset | None
) -> tuple[tuple[Rewritable, IntArray], ...]:
    """Return what writes itself in the form in which it was read, with the positions to write; else nothing."""
    place = {name: i for i, name in enumerate(opened.ids)}
    splits = [(opened, np.array([place[name] for name in kept.ids], np.int64))]
    splits += [] if test is None else [(test, np.arange(len(test.labels)))]
    return tuple((one, positions) for one, positions in splits if isinstance(one, Rewritable))


def names_beside(source: Data, plan: CopyPlan) -> tuple[str, ...]:
    """Return what lies in the folder of a data set and is no part of its copy, such as a split for validation."""
    place = Path(source) if plan.again and isinstance(source, str | Path) else None
    if place is None or not place.is_dir() or folder_kind(place) is not None:
        return ()
    names = {entry.name for entry in place.iterdir() if not entry.name.startswith(".")}
    return tuple(sorted(names - set(plan.entries)))


def part_without(dataset: ImageDataset, positions: IntArray) -> Part:
    """Return a data set without the samples at ``positions``."""
    return Part(dataset, np.setdiff1d(np.arange(len(dataset.labels)), positions))
