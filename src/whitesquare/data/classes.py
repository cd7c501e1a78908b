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
    if isinstance(asked, str) and asked not in classes:
        if asked.startswith(NAME) and asked.removeprefix(NAME) in classes:
            return classes.index(asked.removeprefix(NAME))
        asked = asked.removeprefix(NUMBER)
    number = int(asked) if not isinstance(asked, str) or (asked.isascii() and asked.isdigit()) else None
    named = classes.index(asked) if isinstance(asked, str) and asked in classes else None
    there = number is not None and 0 <= number < len(classes)
    if number is not None and named is not None and there and number != named:
        raise UsageError(
            f"The class {asked!r:.60} can be read in two ways: class number {number} is called "
            f"{printable(classes[number])!r:.60}, and the class called {asked!r:.60} has the number {named}; write "
            f"{NUMBER}{number} or {NAME}{asked:.60}."
        )
    if named is not None:
        return named
    if number is not None and there:
        return number
    if number is not None:
        raise UsageError(f"The target class {number} has no sample in these data; expected {listed(classes)}.")
    near = get_close_matches(str(asked).lower(), [name.lower() for name in classes], n=1)
    same = [name for name in classes if near and name.lower() == near[0]]
    hint = f" Did you mean {printable(same[0])!r:.60}?" if same else ""
    raise UsageError(f"There is no class {asked!r:.60} in these data; expected {listed(classes)}.{hint}")


def listed(classes: Sequence[str]) -> str:
    """Say which classes there are, each with its number, as many as can be read."""
    shown = ", ".join(f"{label} {printable(name)!r:.40}" for label, name in enumerate(classes[:_LISTED]))
    more = len(classes) - _LISTED
    return f"a number or a name of {shown}" + (f" and {more} more (`whitesquare list DATA` shows all)" * (more > 0))
