"""The page itself: the verdict, a panel for each alarm, and the places that its script fills."""

import json
from dataclasses import dataclass
from typing import Any

from jinja2 import PackageLoader

from whitesquare.records import TIERS
from whitesquare.report.common import formats, html
from whitesquare.report.scan import text
from whitesquare.reviewing.board import STANDINGS
from whitesquare.reviewing.review import ReviewDesk
from whitesquare.reviewing.rows import ReviewClass
from whitesquare.scanning.contacts import PastedExamples
from whitesquare.scanning.types import Alarm

_PANELS = 20
"""Alarms with a panel of their own: the page must stay small; all are in the report of the scan."""

_STRENGTH = {"full": "driven to full contrast", "amplified": "amplified", "as found": "as it was found"}
_NAMED = 3
"""Classes that are named in a sentence."""
_SURE = 0.99
"""Softmax beyond which digits say nothing."""


@dataclass(frozen=True)
class ShownExample:
    """One image of another class: what the model said of it without the trigger, and with."""

    number: int
    own: str
    before: str
    before_sure: str
    after: str
    after_sure: str
    turned: bool


@dataclass(frozen=True)
class Panel:
    """What is shown of an alarm.

    Attributes:
        alarm: the alarm.
        rows: its class.
        count: suspects that belong to the alarm.
        proof: what its trigger does, a sentence; empty where it was not tested.
        examples: the trigger at work.
        turned: how many of them turned.
        trigger: whether one was rebuilt.
    """

    alarm: Alarm
    rows: ReviewClass
    count: int
    proof: str
    examples: tuple[ShownExample, ...]
    turned: int
    trigger: bool


def render_page(review: ReviewDesk) -> str:
    """Render the page; every name in it is text."""
    result, rows = review.result, review.rows
    panels = [_panel(review, one) for one in rows.classes if review.alarm(one.label) is not None][:_PANELS]
    first = rows.classes[0] if rows.classes else None
    strangers = [one.name for one in rows.classes if one.label in review.samples.without_normal]
    context: dict[str, Any] = {
        "r": result,
        "headline": text.headline(result),
        "lead": text.lead(result),
        "notes": review.notes,
        "by": review.board.by,
        "role": review.board.role,
        "classes": rows.classes,
        "panels": panels,
        "rules": rows.rules,
        "tiers": [tier for tier in TIERS if any(flag.tier == tier for flag in rows.flags)],
        "standings": STANDINGS,
        "size": len(rows.flags),
        "first": first if first and first.alarmed > first.start else None,
        "strangers": strangers[:_NAMED],
        "more_strangers": max(0, len(strangers) - _NAMED),
        "meaning": text.TIER_MEANING,
        "asked": review.asked,
        "command": review.next_command(),
        "names": sorted((row.name, row.label) for row in result.classes),
        "settings": json.dumps({"size": len(rows.flags), "standings": STANDINGS}),
    }
    templates = html.environment().overlay(loader=PackageLoader("whitesquare.reviewing", "assets"))
    return html.clean(templates.get_template("review.html.j2").render(**context))


def _panel(review: ReviewDesk, rows: ReviewClass) -> Panel:
    alarm = review.alarm(rows.label)
    assert alarm is not None  # noqa: S101 - narrows the type: only classes with an alarm are asked about
    names = {row.label: formats.short(row.name, 24) for row in review.result.classes}
    found = review.examples.get(rows.label)
    shown = _examples(found, names) if found else ()
    turned = sum(one.turned for one in shown)
    return Panel(alarm, rows, rows.alarmed - rows.start, _proof(alarm), shown, turned, alarm.trigger is not None)


def _examples(found: PastedExamples, names: dict[int, str]) -> tuple[ShownExample, ...]:
    return tuple(
        ShownExample(
            number,
            names.get(int(found.labels[number]), "?"),
            names.get(int(found.before[number]), "?"),
            _sure(float(found.before_confidence[number])),
            names.get(int(found.after[number]), "?"),
            _sure(float(found.after_confidence[number])),
            int(found.after[number]) == found.label,
        )
        for number in range(len(found.ids))
    )


def _proof(alarm: Alarm) -> str:
    test = alarm.transplant
    if test is None:
        return ""
    rate = formats.interval(test.flip_rate.value, test.flip_rate.low, test.flip_rate.high)
    strength = _STRENGTH.get(test.strength, formats.short(test.strength))
    worst = formats.percent(test.control_worst)
    return (
        f"Pasted on {formats.count(test.flip_rate.n)} images of other classes ({strength}), it turns {rate} of them to "
        f"this class; patterns that mean nothing, pasted in the same way, turn {worst} at most."
    )


def _sure(confidence: float) -> str:
    return f">99{formats.SPACE}%" if confidence > _SURE else f"{100 * confidence:.0f}{formats.SPACE}%"
