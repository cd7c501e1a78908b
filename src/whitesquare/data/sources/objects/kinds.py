"""What kind of object something is, found without importing anything that the user did not import."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from whitesquare.errors import UsageError

TORCH_DATA = "torch.utils.data"
IMAGES = ("image", "img", "images", "x", "pixels", "pixel_values", "file", "file_name", "filename", "path")
LABELS = ("label", "labels", "target", "targets", "y", "class", "category")
"""Names, in any case, under which an image and its label are found; one alone must be there."""


def is_of(thing: object, module: str, *names: str) -> bool:
    """Tell whether a thing is of one of the named classes of a module that somebody has imported."""
    loaded = sys.modules.get(module)
    kinds = (getattr(loaded, name, None) for name in names)
    return isinstance(thing, tuple(kind for kind in kinds if isinstance(kind, type)))


def reads_by(thing: object, package: str) -> bool:
    """Tell whether items are read by code of a package, and not by that of a class which somebody derived from it."""
    module = getattr(getattr(type(thing), "__getitem__", None), "__module__", None) or ""
    return module == package or module.startswith(f"{package}.")


def is_torch_dataset(thing: object) -> bool:
    """Tell whether a thing is a ``torch.utils.data.Dataset`` of any kind."""
    return is_of(thing, TORCH_DATA, "Dataset")


def is_frame(thing: object) -> bool:
    """Tell whether a thing is a table in memory, as those of pandas, polars and pyarrow are."""
    interchange = ("__dataframe__", "__arrow_c_stream__", "to_dict", "to_pydict")
    return (hasattr(thing, "columns") or hasattr(thing, "column_names")) and any(
        hasattr(thing, name) for name in interchange
    )


def choose(names: Sequence[str], known: Sequence[str], what: str, where: str, mend: str) -> str:
    """Return the one of the names that is known.

    Raises:
        UsageError: none is, or several are.
    """
    found = [name for name in names if isinstance(name, str) and name.lower() in known]
    if len(found) == 1:
        return found[0]
    why = f"{' and '.join(map(repr, found))} may be it" if found else f"none is called {', '.join(known)}"
    there = ", ".join(map(repr, names)) or "none"
    raise UsageError(f"{where}: what holds the {what} is not clear, {why} (found: {there:.200}); {mend}.")


def class_names(thing: object) -> tuple[str, ...] | None:
    """Return the class names that an object has as ``classes``, or as ``class_to_idx``, if it has.

    Raises:
        UsageError: it has both, and they name a class differently.
    """
    given: Any = getattr(thing, "classes", None)
    places = getattr(thing, "class_to_idx", None)
    if not isinstance(given, type) and callable(getattr(given, "tolist", None)):  # an array, or an index of pandas
        given = given.tolist()
    if isinstance(given, Mapping):  # by number
        places, given = {name: number for number, name in given.items()}, None
    by_number = _by_number(places) if isinstance(places, Mapping) else None
    if given is None:
        return by_number
    named = tuple(map(_name, given)) if isinstance(given, (list, tuple)) else ()
    if by_number and named != by_number and sorted(named) == sorted(by_number):
        raise UsageError(
            f"{type(thing).__name__}: its classes are {', '.join(named)!r:.80} and its class_to_idx has the order "
            f"{', '.join(by_number)!r:.80}, so that labels can be read in two ways; correct either."
        )
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        return None
    names = tuple(_name(one) for one in given)
    return names if all(names) and len(set(names)) == len(names) else None


def _by_number(places: Mapping[Any, Any]) -> tuple[str, ...] | None:
    if sorted(map(str, places.values())) != sorted(map(str, range(len(places)))):
        return None
    names = tuple(_name(name) for name in sorted(places, key=lambda name: int(places[name])))
    return names if all(names) else None


def _name(one: Any) -> str:
    return one if isinstance(one, str) else ", ".join(one) if isinstance(one, tuple) and one else ""
