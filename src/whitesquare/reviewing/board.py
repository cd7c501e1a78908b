"""Where every suspect stands: the file of decisions, kept up with, added to, and taken back from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from whitesquare.deciding.log import DecisionLog
from whitesquare.deciding.types import CHOICES, DISAGREED, RELABEL, Mark, Standing
from whitesquare.errors import UsageError, unknown_name
from whitesquare.reviewing.rows import runs
from whitesquare.reviewing.samples import ReviewSamples

OPEN = "open"
STANDINGS = (OPEN, *CHOICES, DISAGREED)
"""By code: what the page is told of a row."""
_KEPT_STEPS = 100
_READ_ANEW = 1000
"""Rows whose contents are read once more when they are decided about; of more, what was read since the page opened
has to do. Whoever takes samples out reads all of them again."""


@dataclass(frozen=True)
class News:
    """What changed: runs of rows with the code of their standing, and from where to ask the next time."""

    changed: tuple[tuple[int, int, int], ...]
    next: int


@dataclass(frozen=True)
class Stored:
    """What became of a request.

    Attributes:
        count: rows whose decision is on the disk.
        choice: what was decided; empty if decisions were taken back.
        refused: by row, why nothing was stored for it.
    """

    count: int
    choice: str
    refused: dict[int, str]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Board:
    """The decisions of everybody, of which one person's are made here.

    Args:
        log: the file.
        samples: the suspects.
        by: who decides here.
        role: as what; may be empty.
        now: the time, as a mark has it.
    """

    def __init__(
        self, log: DecisionLog, samples: ReviewSamples, by: str, role: str = "", now: Callable[[], str] = _now
    ) -> None:
        """Read what was decided before."""
        self.log, self.samples, self.by, self.role, self._now = log, samples, by, role, now
        self.codes = np.zeros(len(samples.rows.flags), np.uint8)
        self._standings: dict[int, Standing] = {}
        self._changes: list[int] = []
        self._steps: list[dict[int, Mark | None]] = []
        self._foreign: set[str] = set()
        self._rows = samples.rows.places  # made now: the first decision does not wait for it
        self._place, self._last, self._lock = 0, "", RLock()
        self.refresh()

    def refresh(self) -> None:
        """Read what was added to the file since, by anybody.

        Raises:
            DataError: it cannot be read, or holds what is no decision.
        """
        with self._lock:
            marks, self._place = self.log.read(self._place)
            for mark in marks:
                self._take(mark)

    def _take(self, mark: Mark) -> None:
        row = self._rows.get(mark.id)
        if row is None:
            return  # a sample that is not flagged: others may decide about it, elsewhere
        scanned = self.samples.rows.contents[row]
        if scanned and scanned != mark.content:
            self._foreign.add(mark.id)
            return
        standing = self._standings.setdefault(row, Standing(mark.id, mark.content, {}))
        if standing.content != mark.content:
            self._foreign.add(mark.id)
            return
        before = standing.by_person.pop(mark.by, None)
        if mark.choice:
            standing.by_person[mark.by] = mark
        if mark.by == self.by:
            self._step(row, before, mark)
        self.codes[row] = STANDINGS.index(standing.choice or OPEN)
        self._changes.append(row)

    def _step(self, row: int, before: Mark | None, mark: Mark) -> None:
        """Remember what a decision replaced, also of one that was read from the file: the server may have been killed.

        Marks with one time were made together. What took a decision back takes its step away, too.
        """
        if self._steps and not mark.choice and self._steps[-1].get(row, mark) is None:
            del self._steps[-1][row]
            if not self._steps[-1]:
                self._steps.pop()
            return
        if mark.at != self._last:
            self._steps = [*self._steps[1 - _KEPT_STEPS :], {}]
            self._last = mark.at
        if not self._steps:
            self._steps.append({})
        self._steps[-1].setdefault(row, before)

    @property
    def foreign(self) -> int:
        """Number of samples with decisions about other contents than those that were scanned: they do not count."""
        return len(self._foreign)

    def news(self, since: int) -> News:
        """Return what changed after an earlier call, whose ``next`` is ``since``; 0 for all."""
        with self._lock:
            since = max(0, since)
            rows = np.unique(np.array(self._changes[since:], np.int64))
            mask = np.zeros(len(self.codes), np.bool_)
            mask[rows] = True
            told = [
                (start, end, code)
                for code in np.unique(self.codes[rows]).tolist()
                for start, end in runs(mask & (self.codes == code))
            ]
            return News(tuple(told), len(self._changes))

    def standing(self, row: int) -> Standing | None:
        """Return where a row stands; ``None`` if nobody decided about it."""
        return self._standings.get(row)

    def counts(self) -> dict[str, int]:
        """Return how many rows stand how."""
        found = np.bincount(self.codes, minlength=len(STANDINGS))
        return {name: int(number) for name, number in zip(STANDINGS, found, strict=True)}

    def standing_as(self, name: str) -> NDArray[np.bool_]:
        """Return the rows that stand so, ``(N,)``.

        Raises:
            UsageError: there is no such standing.
        """
        if name not in STANDINGS:
            raise unknown_name("standing", name, STANDINGS)
        found: NDArray[np.bool_] = self.codes == STANDINGS.index(name)
        return found

    def decide(self, rows: Sequence[int], choice: str, *, why: str = "", label: str = "") -> Stored:
        """Store a decision about rows, and wait until it is on the disk.

        Raises:
            UsageError: there is no such choice.
            DataError: it cannot be stored.
        """
        if choice not in CHOICES:
            raise unknown_name("choice", choice, CHOICES)
        if choice == RELABEL and not label:
            raise UsageError("To relabel needs the class that it should have; choose one.")
        if len(rows) <= _READ_ANEW:
            self.samples.forget(rows)
        refused = {row: told for row in rows if (told := self.samples.trouble(row))}
        at = self._unlike_the_last()
        marks = [
            self._mark(row, choice, at, why, label if choice == RELABEL else "") for row in rows if row not in refused
        ]
        self._append(marks)
        return Stored(len(marks), choice, refused)

    def undo(self) -> Stored:
        """Take back the last thing that was decided here, and give back what it replaced.

        Raises:
            UsageError: there is nothing to take back.
            DataError: it cannot be stored.
        """
        with self._lock:
            self.refresh()
            if not self._steps:
                raise UsageError("There is nothing to take back.")
            step = self._steps[-1]
            at = self._unlike_the_last()
            marks = []
            for row, before in step.items():
                held = self._standings[row]
                marks.append(
                    Mark(
                        id=held.id,
                        content=held.content,
                        choice=before.choice if before else "",
                        by=self.by,
                        role=self.role,
                        at=at,
                        why=before.why if before else "",
                        label=before.label if before else "",
                    )
                )
            left = self._steps[:-1]
            self._append(marks)
            self._steps = left
            return Stored(len(marks), "", {})

    def _mark(self, row: int, choice: str, at: str, why: str, label: str) -> Mark:
        return Mark(
            id=self.samples.rows.flags[row].id,
            content=self.samples.content(row),
            choice=choice,
            by=self.by,
            role=self.role,
            at=at,
            why=why,
            label=label,
        )

    def _append(self, marks: list[Mark]) -> None:
        with self._lock:
            self.log.append(marks)
            self.refresh()

    def _unlike_the_last(self) -> str:
        """Return the time, which tells one step from the next even if the clock stands still or was set back."""
        at = self._now()
        return at if at != self._last else f"{at[:-1].split('.')[0]}.{len(self._changes) % 1_000_000:06d}Z"
