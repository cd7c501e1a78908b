"""Objects that only say what a sample is when it is read: every sample is read once, and kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from whitesquare.data.layouts import position_id
from whitesquare.data.sources.arrays import from_arrays
from whitesquare.data.sources.objects.cells import content_of
from whitesquare.data.sources.objects.contents import ContentImages
from whitesquare.data.sources.objects.kinds import IMAGES, LABELS, choose
from whitesquare.data.sources.objects.labels import Label, label_of, numbered, said_of
from whitesquare.data.sources.objects.numbers import refuse_dark
from whitesquare.data.sources.objects.request import ObjectRequest
from whitesquare.data.sources.objects.store import Kept, Spool
from whitesquare.errors import DataError, WhitesquareError
from whitesquare.types import ImageDataset

Read = Callable[[int], Any]
"""From a position to the sample there."""
Sample = tuple[bytes, Label]
"""Content of the image, and the label."""

_LOOKED_AT, _AGAIN = 16, 2
"""Samples that are read again, and how often: to see whether chance has a part in them."""
_TOLD = 1000
"""Samples after which progress is told."""


def read_samples(
    read: Read,
    count: int,
    asked: ObjectRequest,
    *,
    kind: str,
    names: tuple[str, ...] | None = None,
    ids: tuple[str, ...] | None = None,
    told: tuple[str, ...] = (),
) -> ImageDataset:
    """Read the samples that are wanted, each once, and keep them.

    Args:
        read: gives one.
        count: of all there are.
        asked: which are wanted.
        kind: what the object is called.
        names: class names, if it has some.
        ids: of the samples that are wanted; ``None`` names them by their positions.
        told: what is to be said of it.

    Raises:
        DataError: there is none, one is no image with a label, or is another when it is read again.
    """
    positions = asked.positions(count).tolist()
    if not positions:
        raise DataError(f"{kind} has no samples; expected images of two classes or more, so add some.")
    labels: list[Label] = []
    with Spool(kind) as store:
        for done, i in enumerate(positions, 1):
            content, label = sample_at(read, i, kind)
            store.add(content)
            labels.append(label)
            if done % _TOLD == 0 or done == len(positions):
                asked.on_progress("reading", done, len(positions))
        kept = store.kept()
    for slot in np.unique(np.linspace(0, len(positions) - 1, _LOOKED_AT).astype(int)).tolist():
        for _ in range(_AGAIN):
            if sample_at(read, positions[slot], kind) != (kept(slot), labels[slot]):
                raise _by_chance(kind, positions[slot])
    return _opened(kept, labels, ids or asked.ids(count), asked, kind, names, told)


def read_stream(
    items: Iterable[Any],
    asked: ObjectRequest,
    *,
    kind: str,
    names: tuple[str, ...] | None = None,
    told: tuple[str, ...] = (),
) -> ImageDataset:
    """Read what comes in order and has no positions, once, and keep it; see :func:`read_samples`."""
    labels: list[Label] = []
    with Spool(kind) as store:
        for content, label in _stream(items, kind):
            store.add(content)
            labels.append(label)
            if len(labels) % _TOLD == 0:
                asked.on_progress("reading", len(labels), len(labels) + 1)
        kept = store.kept()
    if not labels:
        raise DataError(f"{kind} gives no samples; expected images of two classes or more, so add some.")
    said = f"A stream of {len(labels):,} samples was read once, and {kept.data.nbytes / 1e6:,.1f} MB of it are kept"
    for _ in range(_AGAIN):
        again = _again(items, kind)
        if any(one != (kept(i), labels[i]) for i, one in enumerate(again)):
            raise _by_chance(kind, 0)
        if not again:
            said += "; it cannot be read again, so nobody saw whether chance has a part in its images"
            break
    ids = tuple(position_id(asked.split, i) for i in range(len(labels)))
    return _opened(kept, labels, ids, asked, kind, names, (f"{said}.", *told))


def sample_at(read: Read, i: int, kind: str) -> Sample:
    """Read one sample.

    Raises:
        DataError: its reader raises, or gives no image with a label.
    """
    try:
        item = read(i)
    except WhitesquareError:
        raise
    except Exception as error:
        raise DataError(
            f"{kind}: reading sample {i} raised {type(error).__name__}: {error!s:.200}; look at dataset[{i}] and mend "
            "it, or leave it out with torch.utils.data.Subset."
        ) from error
    return _sample(item, f"{kind}: sample {i}")


def guarded(items: Iterable[Any], kind: str) -> Iterator[Any]:
    """Go through a stream.

    Raises:
        DataError: what gives it raises something.
    """
    done = 0
    try:
        for done, item in enumerate(items, 1):  # noqa: B007 - how far it came is told below
            yield item
    except WhitesquareError:
        raise
    except Exception as error:
        raise DataError(
            f"{kind}: reading sample {done} of the stream raised {type(error).__name__}: {error!s:.200}; mend it or "
            "leave it out, and give the stream anew."
        ) from error


def _stream(items: Iterable[Any], kind: str) -> Iterator[Sample]:
    for i, item in enumerate(guarded(items, kind)):
        yield _sample(item, f"{kind}: sample {i}")


def _again(items: Iterable[Any], kind: str) -> list[Sample]:
    """Return the first samples of a stream anew; none if it cannot be read again."""
    try:
        return [] if iter(items) is items else list(islice(_stream(items, kind), _LOOKED_AT))
    except DataError:
        return []


def _sample(item: Any, where: str) -> Sample:
    if isinstance(item, Mapping):
        found = list(item)
        mend = "give a dict with 'image' and 'label'"
        image, label = (
            item[choose(found, IMAGES, "image", where, mend)],
            item[choose(found, LABELS, "label", where, mend)],
        )
    elif isinstance(item, (tuple, list)) and len(item) > 1:
        image, label = item[0], item[1]
    else:
        raise DataError(
            f"{where} is a {type(item).__name__}; expected an image and its label, as a tuple or as a dict with "
            "'image' and 'label', so give both."
        )
    return content_of(image, where), label_of(label, where)


def _by_chance(kind: str, i: int) -> DataError:
    return DataError(
        f"{kind}: sample {i} was another when it was read again, so chance has a part in it (as in augmentation) and "
        "what is found or signed now would hold for no other reading; give the data set without random transforms, as "
        "dataset.transform = None."
    )


def _opened(
    kept: Kept,
    labels: list[Label],
    ids: tuple[str, ...],
    asked: ObjectRequest,
    kind: str,
    names: tuple[str, ...] | None,
    told: tuple[str, ...],
) -> ImageDataset:
    known, classes = numbered(labels, names, kind)
    told = (*told, said_of(known, classes, f"the samples of {kind}"))
    pixels = kept.pixels()
    if pixels is not None:
        refuse_dark(pixels, kind)
    if pixels is None or asked.is_sized:
        return ContentImages(root=Path(kind), classes=classes, ids=ids, labels=known, kind=kind, told=told, cell=kept)
    opened = from_arrays(pixels, known, classes=classes, ids=ids, split=asked.split, where=kind, layout="NCHW")
    return replace(opened, kind=kind, told=told)
