"""Records of what people decided: a mark is one line of the file, a standing is where one sample stands."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from whitesquare.errors import DataError, unknown_name

KEEP, REMOVE, RELABEL, UNSURE = "keep", "remove", "relabel", "unsure"
CHOICES = (KEEP, REMOVE, RELABEL, UNSURE)
"""What a person can say of a sample."""

DISAGREED = "disagreed"
"""What :attr:`Standing.choice` says where people say different things."""

HEAD_FORMAT = "whitesquare decisions 1"
"""Value of ``format`` in the first line; it changes when a reader of the old form would misread the new one."""

_DIGEST = re.compile("[0-9a-f]{64}").fullmatch


@dataclass(frozen=True, kw_only=True)
class ReviewHead:
    """What is being decided about: the first line of the file.

    Attributes:
        format: :data:`HEAD_FORMAT`.
        scan: SHA-256 of the ``scan.json``, hexadecimal.
        dataset: digest of the data set that the scan names.
        source: name or path of the data set, as the scan has it; for people.

    Raises:
        DataError: the form is another one, or a digest is none.
    """

    format: str = HEAD_FORMAT
    scan: str
    dataset: str
    source: str

    def __post_init__(self) -> None:
        """Look at the values."""
        if self.format != HEAD_FORMAT:
            raise DataError(f"its format is {self.format!r:.60}; expected {HEAD_FORMAT!r}.")
        for name, digest in (("scan", self.scan), ("dataset", self.dataset)):
            if not _DIGEST(digest):
                raise DataError(f"{name} is {digest!r:.80}; expected a SHA-256 digest, 64 hexadecimal digits.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What one person said of one sample: one line of the file.

    Attributes:
        id: id of the sample.
        content: SHA-256 of its content bytes (``dataset.content(i)``), hexadecimal: what the person looked at.
        choice: one of :data:`CHOICES`, or empty: the person takes back what he said before.
        by: who said it.
        role: as what (``data``, ``review``, ...); empty where none was named.
        at: when, by that person's clock, as RFC 3339 in UTC. The order of the file decides, never this.
        why: the reason; may be empty.
        label: name of the class that it should have; only where ``choice`` is ``relabel``, and there always.

    Raises:
        DataError: a value is none of these.
    """

    id: str
    content: str
    choice: str
    by: str
    role: str = ""
    at: str
    why: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        """Look at the values."""
        if self.choice and self.choice not in CHOICES:
            raise DataError(str(unknown_name("choice", self.choice, CHOICES)))
        if (self.choice == RELABEL) != bool(self.label):
            raise DataError(
                f"choice is {self.choice!r} and label is {self.label!r:.60}; expected a label with 'relabel', and only "
                "there."
            )
        if not self.by.strip():
            raise DataError("by is empty; expected the name of who decided.")
        if not _DIGEST(self.content):
            raise DataError(f"content is {self.content!r:.80}; expected a SHA-256 digest, 64 hexadecimal digits.")
        if not _is_time(self.at):
            raise DataError(f"at is {self.at!r:.60}; expected a time in UTC, such as 2026-01-31T12:00:00Z.")


@dataclass(frozen=True)
class Standing:
    """Where one sample stands after all marks.

    Attributes:
        id: id of the sample.
        content: SHA-256 of the content that was decided on, hexadecimal.
        by_person: by name, the last mark of each person; who took it back is left out.
    """

    id: str
    content: str
    by_person: dict[str, Mark]

    @property
    def choice(self) -> str:
        """The one choice on which all agree; empty if nobody decided, :data:`DISAGREED` if they differ.

        To relabel to one class and to relabel to another are different choices.
        """
        said = {(mark.choice, mark.label) for mark in self.by_person.values()}
        return "" if not said else DISAGREED if len(said) > 1 else next(iter(said))[0]

    @property
    def label(self) -> str:
        """The class on which all agree; empty unless :attr:`choice` is ``relabel``."""
        return next(iter(self.by_person.values())).label if self.choice == RELABEL else ""


@lru_cache(maxsize=4096)  # what is decided together has one time
def _is_time(text: str) -> bool:
    try:
        return text.endswith("Z") and datetime.fromisoformat(text) is not None
    except ValueError:
        return False
