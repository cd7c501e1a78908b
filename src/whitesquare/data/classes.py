"""Which class is meant, by its number or its name; needs no NumPy."""

from collections.abc import Sequence
from difflib import get_close_matches

from whitesquare._base.safe_text import printable
from whitesquare.errors import UsageError

NUMBER, NAME = "number=", "name="
"""What says which of the two is meant, where a class is called by a number."""

_LISTED = 20


def class_label(asked: int | str, classes: Sequence[str]) -> int:
    """Return the label of the class that is meant.

    Args:
        asked: its number (a label), or its name; ``number=3`` and ``name=3`` say which of the two.
        classes: the names, in the order of the labels.

    Raises:
        UsageError: there is none, with the nearest name, or two can be meant.
    """
    number, name = _read(asked, classes)
    numbered = number if number is not None and 0 <= number < len(classes) else None
    named = classes.index(name) if name in classes else None
    if numbered is not None and named is not None and numbered != named:
        raise UsageError(
            f"The class {name!r:.60} can be read in two ways: class number {numbered} is called "
            f"{printable(classes[numbered])!r:.60}, and the class called {name!r:.60} has the number {named}; write "
            f"{NUMBER}{numbered} or {NAME}{name:.60}."
        )
    found = numbered if named is None else named
    if found is not None:
        return found
    if number is not None:
        raise UsageError(f"The target class {number} has no sample in these data; expected {listed(classes)}.")
    near = get_close_matches(name.lower(), [one.lower() for one in classes], n=1)
    same = [one for one in classes if near and one.lower() == near[0]]
    hint = f" Did you mean {printable(same[0])!r:.60}?" if same else ""
    raise UsageError(f"There is no class {name!r:.60} in these data; expected {listed(classes)}.{hint}")


def _read(asked: int | str, classes: Sequence[str]) -> tuple[int | None, str]:
    """Return the number and the name that may be meant; no class is called by the empty name."""
    if isinstance(asked, int):
        return asked, ""
    if asked in classes:
        return _number(asked), asked
    if asked.startswith(NAME):
        return None, asked.removeprefix(NAME)
    number = _number(asked.removeprefix(NUMBER))
    return number, "" if number is not None else asked


def _number(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdigit() and text.isascii() else None


def class_option(label: int, classes: Sequence[str]) -> str:
    """Write a class so that :func:`class_label` reads it back: its number, said to be one where it could be a name."""
    name = str(label)
    return f"{NUMBER}{name}" if name in classes and classes.index(name) != label else name


def listed(classes: Sequence[str]) -> str:
    """Say which classes there are, each with its number, as many as can be read."""
    shown = ", ".join(f"{label} {printable(name)!r:.40}" for label, name in enumerate(classes[:_LISTED]))
    more = len(classes) - _LISTED
    return f"a number or a name of {shown}" + (f" and {more} more (`whitesquare list DATA` shows all)" * (more > 0))
