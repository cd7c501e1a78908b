"""The folder of a drill: ``drill.json`` and one self-contained page."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import whitesquare
from whitesquare._base.files import write_text
from whitesquare._base.folders import output_folder
from whitesquare._base.schema import encode
from whitesquare.provenance.evidence import DRILL, DRILL_REPORT, DrillEvidence
from whitesquare.provenance.predicates import drill_predicate
from whitesquare.report.common import formats, html, style
from whitesquare.report.common.drawing import Figure
from whitesquare.report.common.made import shown_made
from whitesquare.report.common.values import Value
from whitesquare.report.drill import text as drill_text
from whitesquare.signing.keys import Signer
from whitesquare.signing.statements import TEST_RESULT_TYPE, Subject, write_statement
from whitesquare.signing.times import to_text, utc_now
from whitesquare.study.drill_types import CAUGHT, DrillResult, DrillRow

JSON, PAGE = DRILL_REPORT, "report.html"
_BARS, _TOLD = 40, 12


def write_drill(result: DrillResult, folder: Path, signer: Signer | None = None) -> None:
    """Write the folder, whole or not at all; with a signer, a signed statement about the JSON file as well."""
    with output_folder(folder, "drill", [JSON, PAGE, DRILL]) as part:
        write_text(part / JSON, encode(result))
        if signer is not None:
            said = DrillEvidence(result.digest, result.size, result.seed, whitesquare.__version__, to_text(utc_now()))
            subject = Subject(JSON, sha256((part / JSON).read_bytes()).hexdigest())
            write_statement(part / DRILL, [subject], TEST_RESULT_TYPE, drill_predicate(said), signer)
        write_text(part / PAGE, render_drill(result))


def render_drill(result: DrillResult) -> str:
    """Render the page."""
    figure = recall_chart(result.rows)
    kind, word = _verdict(result)
    page = (
        html.environment()
        .get_template("drill/page.html.j2")
        .render(
            **html.style(),
            r=result,
            picture=html.uri("image/svg+xml", style.save(figure, "svg")) if figure else "",
            rows=[(row.attack, _cells(i, row)) for i, row in enumerate(result.rows)],
            titles=[title.capitalize() for title in (*drill_text.TITLES, "clean accuracy")],
            made_by=shown_made(result.made),
            headline=drill_text.verdict(result),
            kind=kind,
            word=word,
            told=_told(result.rows),
            legend=drill_text.LEGEND,
            failures=[drill_text.failure(one) for one in result.failures],
        )
    )
    return html.clean(page)


def _verdict(result: DrillResult) -> tuple[str, str]:
    """Return the sign and the word of the page's head."""
    if result.base_line.alarmed:
        return "bad", "alarm in your data"
    if not result.smallest:
        alone = result.clean is not None and not result.failures
        return "open", "false alarms alone" if alone else "nothing rehearsed"
    return ("bad", "not all caught") if any(one.rate is None for one in result.smallest) else ("good", "all caught")


def _told(rows: Sequence[DrillRow]) -> str:
    """Say what the chart shows."""
    shown = rows[:_TOLD]
    each = [f"{formats.short(row.attack)} at {100 * row.rate:g} % {formats.percent(row.recall.value)}" for row in shown]
    more = f", and {len(rows) - _TOLD} more in the table below" if len(rows) > _TOLD else ""
    return f"Bars: the share of the poisons that an alarm flags, by attack and poison rate: {', '.join(each)}{more}."


def recall_chart(rows: Sequence[DrillRow]) -> Figure | None:
    """Draw recall as bars, one per attack and rate; ``None`` if there is no row. At most the first 40 are drawn."""
    shown = rows[:_BARS]
    if not shown:
        return None
    colours = dict(zip(dict.fromkeys(row.attack for row in shown), style.SERIES * _BARS, strict=False))
    with style.sheet():
        figure = style.new_figure(1.3 + 0.34 * len(shown))
        axes = figure.subplots()
        axes.axvline(CAUGHT, color=style.GREY, lw=1, ls=(0, (3, 3)))
        for y, row in enumerate(shown):
            colour, found = colours[row.attack], row.recall
            axes.barh(y, row.recall_with_review.value, 0.62, facecolor="none", edgecolor=colour, lw=1)
            axes.barh(y, found.value, 0.62, color=colour)
            axes.plot([found.low, found.high], [y, y], color=style.INK, lw=1.2)
        names = [f"{style.label(row.attack, i + 1)}, {100 * row.rate:g} %" for i, row in enumerate(shown)]
        axes.set_yticks(range(len(shown)), names)
        axes.set(xlim=(0, 1.02), ylim=(len(shown) - 0.4, -0.6))
        style.in_per_cent(axes.xaxis)
        axes.grid(axis="x", color=style.LINE, lw=0.6)
        style.bare(axes)
        beside = "" if len(shown) == len(rows) else f" (the first {len(shown)} of {len(rows)})"
        style.title(figure, f"Poisons flagged, in per cent{beside}")
        return figure


def _cells(number: int, row: DrillRow) -> list[Value]:
    """Show a row but its name: each value with its path in ``drill.json``."""
    shown = list(drill_text.cells(row)[1:])
    success, accuracy = row.attack_success, row.accuracy
    shown[4] = formats.interval(row.recall.value, row.recall.low, row.recall.high)
    shown[7] = formats.interval(success.value, success.low, success.high) if success else formats.MISSING
    shown.append(formats.percent(accuracy.value if accuracy else None))
    found: dict[str, object] = {
        "rate": row.rate,
        "poisons": row.poisons,
        "tiers": row.tiers,
        "right_class": row.right_class,
        "recall.value": row.recall.value,
        "recall_with_review.value": row.recall_with_review.value,
        "false_flags": row.false_flags,
        "attack_success.value": success.value if success else None,
        "accuracy.value": accuracy.value if accuracy else None,
    }
    return [
        Value(text, json.dumps(value), f"rows.{number}.{field}")
        for text, (field, value) in zip(shown, found.items(), strict=True)
    ]
