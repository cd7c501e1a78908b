"""The suspects of a scan as the page numbers them: class by class, the strongest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whitesquare.records import TIERS
from whitesquare.scanning.types import Flag, ScanResult
from whitesquare.types import FloatArray, IntArray

Run = tuple[int, int]
"""Rows from the first up to, and without, the last."""


@dataclass(frozen=True)
class ReviewClass:
    """The suspects of one class.

    Attributes:
        label: the class.
        name: its name.
        tier: the strongest tier among them.
        start: their first row.
        end: the row behind their last.
        alarmed: the row behind the last one that belongs to an alarm; :attr:`start` where there is none.
    """

    label: int
    name: str
    tier: str
    start: int
    end: int
    alarmed: int


@dataclass(frozen=True)
class RowFilter:
    """What is to be seen; what is ``None`` or empty asks nothing.

    Attributes:
        label: the class.
        tier: the tier.
        rule: the rule.
        least: the least fused score.
        standing: what people decided: one of :data:`whitesquare.reviewing.board.STANDINGS`.
        text: part of the id, whatever its case.
    """

    label: int | None = None
    tier: str = ""
    rule: str = ""
    least: float | None = None
    standing: str = ""
    text: str = ""


@dataclass(frozen=True)
class SuspectRows:
    """All suspects, in the order of the page.

    Attributes:
        flags: one per row.
        contents: by row the SHA-256 of the sample's content when it was scanned; empty where the scan did not keep it.
        classes: those with suspects: with an alarm first, in the order of the alarms, then by size.
    """

    flags: tuple[Flag, ...]
    contents: tuple[str, ...]
    classes: tuple[ReviewClass, ...]

    @cached_property
    def places(self) -> dict[str, int]:
        """Rows by id."""
        return {flag.id: row for row, flag in enumerate(self.flags)}

    @cached_property
    def scores(self) -> FloatArray:
        """Fused scores ``(N,)``."""
        return np.array([flag.fused for flag in self.flags], np.float32)

    @cached_property
    def _labels(self) -> IntArray:
        return np.array([flag.label for flag in self.flags], np.int64)

    @cached_property
    def _tiers(self) -> NDArray[np.uint8]:
        return np.array([TIERS.index(flag.tier) for flag in self.flags], np.uint8)

    @cached_property
    def _rules(self) -> IntArray:
        place = {rule: number for number, rule in enumerate(self.rules)}
        return np.array([place[flag.rule_id] for flag in self.flags], np.int64)

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        return tuple(flag.id.casefold() for flag in self.flags)

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """Every rule that flagged a row, once."""
        return tuple(dict.fromkeys(flag.rule_id for flag in self.flags))

    def seen(self, asked: RowFilter, decided: NDArray[np.bool_] | None = None) -> list[Run]:
        """Return the rows that a filter lets through.

        Args:
            asked: the filter; its standing is not looked at here.
            decided: ``(N,)``: rows that stand as it asks; ``None`` for all.
        """
        mask = np.ones(len(self.flags), np.bool_) if decided is None else decided.copy()
        if asked.label is not None:
            mask &= self._labels == asked.label
        if asked.tier:
            mask &= self._tiers == (TIERS.index(asked.tier) if asked.tier in TIERS else len(TIERS))
        if asked.rule:
            mask &= self._rules == (self.rules.index(asked.rule) if asked.rule in self.rules else -1)
        if asked.least is not None:
            mask &= self.scores >= asked.least
        if asked.text:
            part = asked.text.casefold()
            mask &= np.fromiter((part in one for one in self._folded), np.bool_, len(self.flags))
        return runs(mask)


def suspect_rows(result: ScanResult, contents: dict[str, str]) -> SuspectRows:
    """Put the suspects of a scan in the order of the page.

    Args:
        result: the scan.
        contents: by id the SHA-256 of the content, as far as the scan kept it.
    """
    alarmed = {label: place for place, label in enumerate(dict.fromkeys(one.label for one in result.alarms))}
    names = {row.label: row.name for row in result.classes}
    sizes: dict[int, int] = {}
    for flag in result.flagged:
        sizes[flag.label] = sizes.get(flag.label, 0) + 1
    order = sorted(sizes, key=lambda label: (alarmed.get(label, len(alarmed)), -sizes[label], label))
    place = {label: number for number, label in enumerate(order)}
    flags = tuple(sorted(result.flagged, key=lambda one: (place[one.label], TIERS.index(one.tier), -one.fused)))
    classes, start = [], 0
    for label in order:
        own = flags[start : start + sizes[label]]
        loud = sum(one.tier != TIERS[-1] for one in own) if label in alarmed else 0
        name = names.get(label, str(label))
        classes.append(ReviewClass(label, name, own[0].tier, start, start + len(own), start + loud))
        start += len(own)
    return SuspectRows(flags, tuple(contents.get(one.id, "") for one in flags), tuple(classes))


def runs(mask: NDArray[np.bool_]) -> list[Run]:
    """Return where a mask ``(N,)`` holds, as runs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def unrolled(given: Sequence[Run], size: int) -> list[int]:
    """Return the rows of runs, each once, ascending; what lies beyond ``size`` is left out."""
    mask = np.zeros(size, np.bool_)
    for start, end in given:
        mask[max(start, 0) : max(end, 0)] = True
    found: list[int] = np.flatnonzero(mask).tolist()
    return found
