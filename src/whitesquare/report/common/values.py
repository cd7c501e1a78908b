"""A value as a page shows it, which can be found again in the file that the page was made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """One value as shown, and where to find it in the result.

    Attributes:
        text: what the reader sees.
        json: the value as JSON, in full precision.
        field: dotted path of the field below the row (or the victim, or the result).
        row: name of the row; empty for a field of the result itself.
        victim: position of the victim in the row, if the value is one victim's.
        of: true class, if the value is one class's.
        answer: predicted class, if the value is a count of the confusion matrix.
    """

    text: str
    json: str
    field: str
    row: str = ""
    victim: int | None = None
    of: str | None = None
    answer: str | None = None
