"""A user's data set without the transforms that it puts on its images: what it has, not what training makes of it."""

import copy
from typing import Any

from whitesquare.data.names import kind_of
from whitesquare.data.sources.objects.kinds import is_torch_dataset
from whitesquare.data.sources.objects.reading import sample_at
from whitesquare.errors import WhitesquareError

TRANSFORMS = ("transform", "transforms", "target_transform")
"""What they are called in the data sets of torchvision, and in those that are made like them."""


def transforms_of(thing: Any) -> tuple[str, ...]:
    """Return the names of the transforms that a data set has, and those inside it."""
    own = vars(thing) if hasattr(thing, "__dict__") else {}
    found = [name for name in TRANSFORMS if own.get(name) is not None]
    if "transforms" in found and len(found) > 1:  # torchvision's, which are the other two together
        found.remove("transforms")
    return (*found, *(name for one in _inside(thing).values() for name in transforms_of(one)))


def without_transforms(thing: Any) -> Any:
    """Return a data set without transforms, and so those inside it; it is a copy, but for the data themselves."""
    if not transforms_of(thing):
        return thing
    copied = copy.copy(thing)
    own = vars(copied)
    own.update({name: None for name in TRANSFORMS if name in own})
    own.update({name: without_transforms(one) for name, one in _inside(thing).items()})
    return copied


def set_aside(thing: Any, first: int) -> tuple[Any, tuple[str, ...]]:
    """Return a data set without its transforms if it can be read so, and say what was done.

    Args:
        thing: with items by position.
        first: position of one of them.
    """
    names = ", ".join(dict.fromkeys(transforms_of(thing)))
    if not names:
        return thing, ()
    kind = kind_of(thing)
    try:
        plain = without_transforms(thing)
        sample_at(plain.__getitem__, first, kind)
    except (WhitesquareError, AttributeError, TypeError):
        return thing, (
            f"Of {kind}, {names} cannot be set aside: what is read, and signed, is what it makes of images.",
        )
    return plain, (said_aside(kind, names),)


def said_aside(kind: str, names: str) -> str:
    """Say that transforms are no part of what is read."""
    return f"Of {kind}, {names} was set aside: what is read, and signed, are the images before it."


def said_kept(kind: str, names: str) -> str:
    """Say that transforms are part of what is read."""
    return f"Of {kind}, {names} cannot be set aside: what is read, and signed, is what it makes of images."


def _inside(thing: Any) -> dict[str, Any]:
    own = vars(thing) if hasattr(thing, "__dict__") else {}
    return {name: one for name, one in own.items() if is_torch_dataset(one)}
