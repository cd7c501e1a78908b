"""Opening an object as a data set, whatever library it is of; the one place that tells kinds of objects apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from whitesquare.data.sources.objects.frames import open_frame
from whitesquare.data.sources.objects.hub import is_hub, open_hub
from whitesquare.data.sources.objects.kinds import TORCH_DATA, is_frame, is_of, is_torch_dataset
from whitesquare.data.sources.objects.request import ObjectRequest
from whitesquare.data.sources.objects.tensors import open_mapping, open_pair
from whitesquare.data.sources.objects.torch_sets import open_items, open_stream, open_torch
from whitesquare.errors import UsageError
from whitesquare.types import ImageDataset


def open_object(thing: Any, asked: ObjectRequest) -> ImageDataset | None:
    """Open an object as a data set; ``None`` if it is of no kind that is known.

    Raises:
        UsageError: it is close to one that is.
        DataError: it holds no images with labels, or cannot be read.
    """
    if isinstance(thing, Mapping):
        _refuse_other_splits(thing)
        return open_mapping(thing, asked)
    _refuse_several(thing)
    if is_of(thing, "polars", "LazyFrame"):
        raise UsageError("A LazyFrame of polars was given, which holds no rows yet; give frame.collect().")
    if isinstance(thing, tuple) and len(thing) == 2:
        if all(_is_split(one) for one in thing):
            raise UsageError(
                "A pair of two pairs of arrays was given, as Keras returns them; say which is which: "
                "{'train': pair[0], 'test': pair[1]}."
            )
        return open_pair(*thing, asked)
    if is_hub(thing):
        return open_hub(thing, asked)
    if is_frame(thing):
        return open_frame(thing, asked)
    if is_torch_dataset(thing) or is_of(thing, TORCH_DATA, "DataLoader"):
        return open_torch(thing, asked, _inside)
    if isinstance(thing, (type, bytes, tuple, np.ndarray)) or is_of(thing, "torch", "Tensor"):
        return None
    if hasattr(thing, "__getitem__"):
        return open_items(thing, asked)
    return open_stream(thing, asked) if hasattr(thing, "__iter__") else None


def _refuse_several(thing: Any) -> None:
    """Refuse a list or tuple that holds no samples but whole data sets, or a list of images and labels."""
    if isinstance(thing, (list, tuple)) and thing and all(map(_is_whole, thing)):
        raise UsageError(
            f"A {type(thing).__name__} of {len(thing)} data sets was given, as random_split returns them; give one of "
            "them, or say which is which: {'train': parts[0], 'test': parts[1]}."
        )
    if isinstance(thing, list) and len(thing) == 2 and _is_split(thing):
        raise UsageError("A list of images and labels was given; give them as a pair: (images, labels).")


def _refuse_other_splits(thing: Mapping[Any, Any]) -> None:
    """Refuse a dict of data sets, of which none is called as a split that is read."""
    if thing and all(map(_is_whole, thing.values())):
        name = next(iter(thing))
        raise UsageError(
            f"A dict of data sets was given, with {', '.join(map(repr, thing)):.80}; expected 'train', or 'train' and "
            f"'test', so say which is which: {{'train': given[{name!r:.60}]}}, or give one of them by itself."
        )


def _is_whole(one: Any) -> bool:
    """Tell whether a part of a list or tuple is a data set by itself."""
    return is_torch_dataset(one) or is_of(one, TORCH_DATA, "DataLoader") or is_hub(one) or is_frame(one)


def _is_split(one: Any) -> bool:
    """Tell whether a part of a pair is images and labels by itself."""
    parts = one if isinstance(one, (tuple, list)) and len(one) == 2 else ()
    if not parts:
        return False
    images, labels = (tuple(getattr(part, "shape", ())) for part in parts)
    return len(images) in (3, 4) and len(labels) in (1, 2) and images[0] == labels[0]


def _inside(thing: Any, asked: ObjectRequest) -> ImageDataset:
    opened = open_object(thing, asked)
    if opened is None:
        raise UsageError(f"A {type(thing).__name__} inside another data set is no data set; give one of PyTorch.")
    return opened
