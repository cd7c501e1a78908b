"""Data sets of PyTorch: those that hold tensors, parts and sums of others, loaders, streams, and a user's own."""

from pathlib import Path
from typing import Any

import numpy as np

from whitesquare.data.names import kind_of
from whitesquare.data.sources.objects.bare import said_kept, set_aside, transforms_of
from whitesquare.data.sources.objects.contents import Chosen, ContentImages, telling
from whitesquare.data.sources.objects.kinds import TORCH_DATA, class_names, is_of, reads_by
from whitesquare.data.sources.objects.labels import numbered
from whitesquare.data.sources.objects.reading import read_samples, read_stream
from whitesquare.data.sources.objects.request import Again, ObjectRequest
from whitesquare.data.sources.objects.tensors import open_pair
from whitesquare.data.sources.objects.vision import is_vision, open_vision
from whitesquare.errors import DataError, UsageError
from whitesquare.types import ImageDataset, IntArray


def open_torch(thing: Any, asked: ObjectRequest, again: Again) -> ImageDataset:
    """Open a ``torch.utils.data.Dataset``, or the one of a ``DataLoader``.

    Args:
        thing: it.
        asked: which samples are wanted.
        again: opens what lies inside.

    Raises:
        UsageError: it has no length.
        DataError: a sample cannot be read, or it holds no images with labels.
    """
    if is_of(thing, TORCH_DATA, "DataLoader"):
        told = "A DataLoader was given: its data set is read, without its sampler, batches and collate_fn."
        return telling(again(thing.dataset, asked), told)
    if is_of(thing, TORCH_DATA, "IterableDataset"):
        return open_stream(thing, asked)
    if reads_by(thing, f"{TORCH_DATA}.dataset"):
        if is_of(thing, TORCH_DATA, "Subset"):
            return _open_subset(thing, asked, again)
        if is_of(thing, TORCH_DATA, "ConcatDataset"):
            return _open_sum(thing, asked, again)
        if is_of(thing, TORCH_DATA, "TensorDataset"):
            return _open_tensors(thing, asked)
    if is_vision(thing):
        return open_vision(thing, asked)
    return open_items(thing, asked)


def open_items(thing: Any, asked: ObjectRequest) -> ImageDataset:
    """Open what gives a sample for each position, such as a user's own data set, or a list of samples.

    Raises:
        UsageError: it has no length.
        DataError: see :func:`whitesquare.data.sources.objects.reading.read_samples`.
    """
    kind, count = kind_of(thing), _count(thing)
    positions = asked.positions(count)
    plain, told = set_aside(thing, int(positions[0])) if len(positions) else (thing, ())
    return read_samples(plain.__getitem__, count, asked, kind=kind, names=class_names(thing), told=told)


def open_stream(thing: Any, asked: ObjectRequest) -> ImageDataset:
    """Open what gives samples in order.

    Raises:
        DataError: see :func:`whitesquare.data.sources.objects.reading.read_stream`.
    """
    names = ", ".join(dict.fromkeys(transforms_of(thing)))
    told = (said_kept(kind_of(thing), names),) if names else ()
    return read_stream(thing, asked, kind=kind_of(thing), names=class_names(thing), told=told)


def _count(thing: Any) -> int:
    try:
        return len(thing)
    except (TypeError, NotImplementedError) as error:
        raise UsageError(
            f"{kind_of(thing)} has no length; expected __len__, which says how many samples there are, so add it, or "
            "derive it from torch.utils.data.IterableDataset if it is a stream."
        ) from error
    except Exception as error:
        raise DataError(
            f"{kind_of(thing)}: asking for its length raised {type(error).__name__}: {error!s:.200}; mend __len__, so "
            "that it says how many samples there are."
        ) from error


def _open_tensors(thing: Any, asked: ObjectRequest) -> ImageDataset:
    kind = kind_of(thing)
    if len(thing.tensors) < 2:
        raise DataError(f"{kind} has one tensor; expected images and labels, so give TensorDataset(images, labels).")
    return open_pair(thing.tensors[0], thing.tensors[1], asked, kind=kind)


def _open_subset(thing: Any, asked: ObjectRequest, again: Again) -> ImageDataset:
    kind, count = kind_of(thing), _count(thing.dataset)
    given = np.asarray(list(thing.indices))
    if given.dtype == bool:
        raise DataError(
            f"{kind} has True and False for indices, which PyTorch reads as the positions 1 and 0; expected positions, "
            "so give Subset(dataset, numpy.flatnonzero(mask))."
        )
    indices = given.astype(np.int64)
    if len(indices) and not -count <= indices.min() <= indices.max() < count:
        raise DataError(f"{kind} has indices up to {indices.max()} of a data set of {count} samples; correct them.")
    chosen = (indices % max(1, count))[asked.positions(len(indices))]
    if not len(chosen):
        raise DataError(f"{kind} has no samples; expected images of two classes or more, so give it indices.")
    if len(np.unique(chosen)) < len(chosen):
        raise DataError(
            f"{kind} has some samples twice; expected each once, so give Subset(dataset, "
            "list(dict.fromkeys(subset.indices)))."
        )
    told = f"{len(indices):,} of {count:,} samples of {kind_of(thing.dataset)} were given, by the ids of all."
    return telling(again(thing.dataset, asked.of(chosen)), told)


def _open_sum(thing: Any, asked: ObjectRequest, again: Again) -> ImageDataset:
    kind = kind_of(thing)
    ends = np.cumsum([_count(one) for one in thing.datasets])
    positions = asked.positions(int(ends[-1]))
    part = np.searchsorted(ends, positions, side="right")
    at = positions - np.concatenate([[0], ends])[part]
    parts: dict[int, ImageDataset] = {}
    places = np.empty(len(at), np.int64)
    for number in np.unique(part).tolist():
        wanted, own = np.unique(at[part == number], return_inverse=True)
        parts[number] = again(thing.datasets[number], asked.of(wanted))
        places[part == number] = own
    if not parts:
        raise DataError(f"{kind} has no samples; expected images of two classes or more, so add some.")
    return _joined(kind, parts, part, places)


def _joined(kind: str, parts: dict[int, ImageDataset], part: IntArray, at: IntArray) -> ImageDataset:
    classes = max((one.classes for one in parts.values()), key=len)
    for number, one in parts.items():
        if one.classes != classes[: len(one.classes)]:
            raise DataError(
                f"{kind}: its data set {number} has the classes {', '.join(one.classes):.80}, another has "
                f"{', '.join(classes):.80}, so that one label means two things; give data sets of the same classes."
            )
    place = {number: i for i, number in enumerate(parts)}
    where = np.array([place[number] for number in part.tolist()], np.int64)
    pairs = list(zip(part.tolist(), at.tolist(), strict=True))
    ids = tuple(f"{number}/{parts[number].ids[i]}" for number, i in pairs)
    labels, _ = numbered([int(parts[number].labels[i]) for number, i in pairs], classes, kind)
    told = dict.fromkeys(note for one in parts.values() for note in getattr(one, "told", ()))
    cell = Chosen(tuple(parts.values()), where, at)
    return ContentImages(
        root=Path(kind), classes=classes, ids=ids, labels=labels, kind=kind, told=tuple(told), cell=cell
    )
