"""How a statement is made, and numbers and names in it; names come from strangers and are made harmless to show."""

from collections.abc import Sequence
from dataclasses import dataclass

from whitesquare._base.safe_text import printable
from whitesquare.auditing.controls import SERVES
from whitesquare.auditing.evidence import AuditEvidence
from whitesquare.auditing.reads import ShareRead
from whitesquare.auditing.types import DossierStatement, Rest
from whitesquare.provenance.evidence import Figure
from whitesquare.records import Estimate

_LONGEST = 80


@dataclass(frozen=True)
class Speaker:
    """Makes the statements of one section, each with the files that it rests on."""

    evidence: AuditEvidence
    section: str

    def shown(
        self,
        name: str,
        text: str,
        *files: str,
        facts: dict[str, str] | None = None,
        figures: Sequence[Estimate] = (),
    ) -> DossierStatement:
        """Say something that files show.

        Args:
            name: of the statement, unique in its section.
            text: one sentence or two.
            files: names of the files that it rests on.
            facts: details.
            figures: shares.
        """
        rests = self._rests(files)
        return DossierStatement(
            id=f"{self.section}.{name}",
            section=self.section,
            text=text,
            shown=True,
            signed=bool(rests) and all(one.signed for one in rests),
            rests=rests,
            facts=facts or {},
            figures=tuple(figures),
            serves=self._serves,
        )

    def missing(self, name: str, what: str, command: str, *files: str) -> DossierStatement:
        """Say that something is not shown, why, and what would show it.

        Args:
            name: of the statement.
            what: what is not shown, as the end of a sentence.
            command: what would show it.
            files: those that should, as far as they are there: their problem is the reason.
        """
        there = [self.evidence.files[one] for one in files if one in self.evidence.files]
        why = " ".join(one.problem for one in there if one.problem)
        return DossierStatement(
            id=f"{self.section}.{name}",
            section=self.section,
            text=f"Not shown: {what}.{' ' if why else ''}{harmless(why, 400)}",
            shown=False,
            signed=False,
            rests=self._rests([one.name for one in there]),
            command=command,
            serves=self._serves,
        )

    @property
    def _serves(self) -> tuple[str, ...]:
        return tuple(one.id for one in SERVES[self.section])

    def _rests(self, files: Sequence[str]) -> tuple[Rest, ...]:
        found = [self.evidence.files[one] for one in dict.fromkeys(files) if one in self.evidence.files]
        return tuple(Rest(one.name, one.sha256, bool(one.signers)) for one in found)


def harmless(text: str, limit: int = _LONGEST) -> str:
    """Make a stranger's text harmless to show, and no longer than ``limit``."""
    shown = printable(text)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}\u2026"


def named(name: str) -> str:
    """Put a stranger's name between quotation marks."""
    return f"\u201c{harmless(name)}\u201d"


def listed(names: Sequence[str], most: int = 12) -> str:
    """List names; of many, the first and how many more there are."""
    shown = ", ".join(harmless(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown or "none"


def percent(share: float) -> str:
    """Write a share in per cent; what is neither 0 nor 1 is not rounded to it."""
    return f"{_hundredths(share)} %"


def rate(share: float) -> str:
    """Write a share that somebody chose, in per cent, with the digits that they gave it."""
    return f"{100 * share:.6g} %"


def of(figure: Figure | ShareRead | Estimate) -> str:
    """Write a share with its interval."""
    low, high = _hundredths(figure.low), _hundredths(figure.high)
    return f"{percent(figure.value)} [{low}, {high}], n = {figure.n:,}"


def _hundredths(share: float) -> str:
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}"
    shown = f"{100 * share:.{1 if 0.01 <= share <= 0.99 else 2}f}"
    return {"0.00": "<0.01", "100.00": ">99.99"}.get(shown, shown)


def estimate(name: str, figure: Figure | ShareRead) -> Estimate:
    """Return a share of a statement as an estimate with a name."""
    return Estimate(name, figure.value, figure.low, figure.high, figure.n, "95 % interval, as the file states it")


def plural(count: int, noun: str, ending: str = "s") -> str:
    """Write a number and what is counted."""
    return f"{count:,} {noun}{'' if count == 1 else ending}"
