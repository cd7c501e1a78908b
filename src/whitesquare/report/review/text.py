"""Where the decisions about a scan stand: what a terminal shows, and the JSON of it."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from whitesquare.deciding.review import Review
from whitesquare.deciding.types import DISAGREED, Standing
from whitesquare.records import TIERS
from whitesquare.report.common import formats
from whitesquare.report.common.shown import Shown, ShownNext, ShownTable

FORMAT = "whitesquare review 1"
"""Value of ``format``; it changes when a reader of the old form would misread the new one."""
MOST = 10
"""Samples of one kind that a terminal names; all of them are in the JSON."""
_LONG = 60


def headline(review: Review) -> str:
    """Say it in one line."""
    flagged = review.scan.findings.flagged
    others = len(review.decided.keys() - {one.id for one in flagged})
    text = f"{len(flagged) - len(review.open)} of {len(flagged)} flagged samples are decided"
    text += f", and {formats.plural(others, 'sample')} that the scan did not flag" if others else ""
    said = [f"{number} {name}" for name, number in review.counts.items() if number and name != "open"]
    return f"{text}: {', '.join(said)}" if said else text


def shown(review: Review) -> list[Shown]:
    """Show where decisions stand."""
    found: list[Shown] = [formats.plain(f"{headline(review)}.")]
    if flagged := review.scan.findings.flagged:
        rows = []
        for tier in TIERS:
            names = [one.id for one in flagged if one.tier == tier]
            if names:
                done = [review.decided[name].choice for name in names if name in review.decided]
                counts = [str(done.count(choice)) for choice in review.counts if choice != "open"]
                rows.append((tier, str(len(names)), *counts, str(len(names) - len(done))))
        columns = ("tier", "flagged", *review.counts)
        found.append(ShownTable("\nFlagged samples", columns, rows, numbers=True))
    if review.people:
        rows = [(formats.short(name, _LONG), str(number)) for name, number in review.people.items()]
        found.append(ShownTable("\nWho decided", ("name", "samples"), rows, numbers=True))
    found += _named("\nDisagreed", review.disagreed) + _named("\nUnsure", review.unsure)
    if review.open:
        rows = [(formats.short(one.id, _LONG), one.tier) for one in review.open[:MOST]]
        found.append(ShownTable(_titled("\nOpen", len(review.open)), ("sample", "tier"), rows))
    return [*found, ShownNext(_next(review))]


def review_json(review: Review) -> str:
    """Write where decisions stand as JSON."""
    record = {
        "format": FORMAT,
        "scan": review.scan.head.scan,
        "dataset": review.scan.head.dataset,
        "source": review.scan.head.source,
        "decisions": str(review.log),
        "marks": len(review.marks),
        "flagged": len(review.scan.findings.flagged),
        "counts": review.counts,
        "people": review.people,
        "samples": [_sample(one) for one in review.decided.values()],
        "open": [{"id": one.id, "tier": one.tier} for one in review.open],
        "headline": headline(review),
    }
    return json.dumps(record, indent=1, allow_nan=False) + "\n"  # ASCII: names may hold half surrogate pairs


def _sample(one: Standing) -> dict[str, Any]:
    return {
        "id": one.id,
        "choice": one.choice,
        "label": one.label,
        "said": [
            {
                "by": mark.by,
                "role": mark.role,
                "at": mark.at,
                "choice": mark.choice,
                "label": mark.label,
                "why": mark.why,
            }
            for mark in one.by_person.values()
        ],
    }


def _named(title: str, standings: Sequence[Standing]) -> list[Shown]:
    """Name samples, and what each person says of them."""
    if not standings:
        return []
    rows = [(formats.short(one.id, _LONG), _said(one)) for one in standings[:MOST]]
    return [ShownTable(_titled(title, len(standings)), ("sample", "what people say"), rows)]


def _said(one: Standing) -> str:
    parts = []
    for mark in one.by_person.values():
        label = f" to {formats.quoted(mark.label)}" if mark.label else ""
        why = f" ({formats.short(mark.why, _LONG)})" if mark.why else ""
        parts.append(f"{formats.short(mark.by, 30)}: {mark.choice}{label}{why}")
    return "; ".join(parts)


def _titled(title: str, number: int) -> str:
    return f"{title}: {number}" + (f", the first {MOST} of them (all are in -o json)" if number > MOST else "")


def _next(review: Review) -> str:
    scan = shlex.quote(str(review.scan.path))
    lines = []
    if review.open or review.unsure or review.disagreed:
        lines.append(f"whitesquare review {scan}")
    counts = review.counts
    if counts["remove"] or counts["relabel"]:
        data, log = shlex.quote(review.scan.head.source), shlex.quote(str(review.log))
        option = " --keep-open" if counts[DISAGREED] or counts["unsure"] else ""
        lines.append(f"whitesquare cleanse {data} --scan {scan} --decisions {log}{option} -o cleaned")
    if review.decided:
        lines.append(f"whitesquare review {scan} --sign review.pem")
    return "\nNext:\n" + "".join(f"  {formats.plain(line)}\n" for line in lines) if lines else ""
