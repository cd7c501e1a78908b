"""The page of a scan: one HTML file that says what was found, on what evidence, and what to do next."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whitesquare.records import TIERS
from whitesquare.report.common import formats, html, style
from whitesquare.report.common.made import shown_made
from whitesquare.report.common.values import Value
from whitesquare.report.scan import charts as scan_charts
from whitesquare.report.scan import pictures as scan_pictures
from whitesquare.report.scan import tables as scan_tables
from whitesquare.report.scan import text as scan_text
from whitesquare.report.scan.pictures import Suspect, TriggerPictures
from whitesquare.scanning.contacts import ContactSheet
from whitesquare.scanning.types import NOT_ASKED, Alarm, DetectorRun, Scan, ScanResult, TriggerEstimate

_QUEUE = 100
_CLASSES = 20
_ROWS = 1000
_ALARMS = 20
_SKIPPED = 50


@dataclass(frozen=True)
class Card:
    """Everything the page shows of one alarm.

    Attributes:
        alarm: the alarm.
        place: where the trigger sits, in words; empty without a trigger.
        trigger: its pictures.
        chart: the causal test as a data URI; empty where none was made.
        facts: title, value and what belongs to it.
        told: what that chart shows, in words.
        untested: why there is none.
        suspects: the contact sheet.
        total: number of suspects in the sheet.
    """

    alarm: Alarm
    place: str
    trigger: TriggerPictures | None
    chart: str
    told: str
    untested: str
    facts: tuple[tuple[str, Value, str], ...]
    suspects: tuple[Suspect, ...]
    total: int


def render_scan(scan: Scan, scan_file: str | None = None, options: str = "") -> str:
    """Render the page of a scan: self-contained, without script, and every name in it as text.

    Args:
        scan: what was found.
        scan_file: where ``scan.json`` is written, which the next command reads; ``None`` if it is not.
        options: how the data were opened, to follow that command.

    Raises:
        DataError: the pictures do not fit together.
    """
    result = scan.result
    sheets: dict[int, ContactSheet] = {}
    for sheet in scan.sheets:
        scan_pictures.check(sheet)
        sheets.setdefault(sheet.label, sheet)
    shown = result.alarms[:_ALARMS]
    lines = scan_tables.classes(result)[:_ROWS]
    standing = sum(bool(line.tier) or any(mark.stands_out for mark in line.statistics) for line in lines)
    first = max(_CLASSES, min(standing, 3 * _CLASSES))
    context: dict[str, Any] = {
        "r": result,
        "headline": scan_text.headline(result),
        "verdict": result.verdict,
        "lead": scan_text.lead(result),
        "caution": scan_text.caution(result),
        "coverage": scan_text.coverage(result),
        "learned": scan_text.learned(result),
        "losses": scan_text.losses(result),
        "calibration": scan_text.calibration(result),
        "made_by": shown_made(result.made),
        "scan_file": scan_file or scan_text.SCAN_FILE,
        "command": scan_text.next_command(result, scan_file or scan_text.SCAN_FILE, options),
        "meaning": scan_text.TIER_MEANING,
        "tiles": _tiles(result),
        "idle": [run for run in result.runs if run.reason not in ("", NOT_ASKED)],
        "unasked": [run.name for run in result.runs if run.reason == NOT_ASKED],
        "told_skipped": scan_text.skipped(result),
        "skipped": list(result.skipped.items())[:_SKIPPED],
        "cards": [_card(i, alarm, sheets.get(alarm.label), len(shown), result.mode) for i, alarm in enumerate(shown)],
        "columns": scan_tables.columns(result),
        "raising": sum(column.criterion is not None for column in scan_tables.columns(result)),
        "detectors": [_detector(i, run) for i, run in enumerate(result.runs)],
        "first": lines[:first],
        "rest": lines[first:],
        "marks_from": scan_tables.STANDS_OUT,
        "queue": scan_tables.review(result, _QUEUE),
        "explain": explain_command,
    }
    page = html.environment().get_template("scan/page.html.j2")
    return html.clean(page.render(**html.style(), **context))


def _tiles(result: ScanResult) -> list[tuple[str, Value, str, str]]:
    """Return title, value, what the value is out of, and a note."""
    ran = sum(not run.reason for run in result.runs)
    crashed = sum(run.crashed for run in result.runs)
    alarmed = len({alarm.label for alarm in result.alarms})
    flagged = sum(flag.tier != "review" for flag in result.flagged)
    queued = len(result.flagged) - flagged
    found = scan_text.checked(result)
    waiting = f"{formats.count(queued)} more only rank high: a queue for review, not a finding"
    unasked = sum(run.reason == NOT_ASKED for run in result.runs)
    stopped = len(result.runs) - ran - unasked
    parts = [f"{unasked} more, which are slow, run when asked for"] if unasked else []
    parts += [f"{stopped} could not run; the reasons are below"] if stopped else []
    beside = "; ".join(parts) or "all of them"
    return [
        (
            "Classes with an alarm",
            _plain(alarmed if found else None),
            f"of {formats.count(len(result.classes))}",
            _by_tier(result) if found else "none was looked at",
        ),
        (
            "Samples flagged in them",
            _plain(flagged if found else None),
            f"of {formats.count(result.size)}",
            waiting if queued else "no other ranks high enough for review" if found else "none was looked at",
        ),
        (
            "Detectors that ran",
            _plain(ran),
            f"of {formats.count(len(result.runs))}",
            f"{crashed} crashed; see below" if crashed else beside,
        ),
    ]


def _detector(position: int, run: DetectorRun) -> tuple[str, tuple[str | Value, ...]]:
    """Return the name of a detector and the cells of its line."""
    ran = "crashed" if run.crashed else "not asked for" if run.reason == NOT_ASKED else "no" if run.reason else "yes"
    field = f"detectors.{position}.seconds"
    took = Value(formats.duration(run.seconds), formats.as_json(run.seconds), field)
    time = formats.MISSING if run.reason and not run.crashed else took
    return run.name, (formats.short(run.rule_id), _FAMILIES.get(run.family, formats.short(run.family)), ran, time)


_FAMILIES = {
    "pixel": "pixel: marks that recur",
    "residual": "residual: grain beneath the content",
    "latent": "latent: features of the network",
    "dynamics": "dynamics: how it was learned",
    "label": "label: does it fit the image",
    "response": "response: answers to changed images",
}


def _by_tier(result: ScanResult) -> str:
    labels = {tier: len({one.label for one in result.alarms if one.tier == tier}) for tier in TIERS}
    return ", ".join(f"{number} {tier}" for tier, number in labels.items() if number) or "no class stands out"


def _plain(number: int | None) -> Value:
    return Value(formats.MISSING if number is None else formats.count(number), formats.as_json(number), "")


def _card(position: int, alarm: Alarm, sheet: ContactSheet | None, alarms: int, mode: str) -> Card:
    chart = ""
    if alarm.transplant is not None:
        chart = html.uri("image/svg+xml", style.save(scan_charts.flip_rates(alarm.transplant), "svg"))
    pictures = scan_pictures.trigger_pictures(alarm.trigger) if alarm.trigger else None
    return Card(
        alarm=alarm,
        place=_place(alarm.trigger, pictures) if alarm.trigger and pictures else "",
        trigger=pictures,
        chart=chart,
        told=_told(alarm),
        untested=scan_text.untested(alarm, mode),
        facts=tuple(_facts(f"alarms.{position}", alarm)),
        suspects=tuple(scan_pictures.suspects(sheet, alarms)) if sheet else (),
        total=len(sheet.suspects) if sheet else 0,
    )


def _told(alarm: Alarm) -> str:
    test = alarm.transplant
    if test is None:
        return ""
    worst, mean = formats.percent(test.control_worst), formats.percent(test.control_mean)
    return (
        f"Bars: the reconstructed trigger turns {formats.percent(test.flip_rate.value)} of images of other classes, "
        f"the worst control {worst}, controls on average {mean}, nothing pasted {formats.percent(test.untouched_rate)}."
    )


_PLACES: Mapping[str, str] = {
    "patch": "A patch of {height} \u00d7 {width} pixels, always at row {top}, column {left}",
    "field": "A pattern over the whole image",
    "roaming": "A mark of {height} \u00d7 {width} pixels with no fixed place, shown where it was seen first",
}


def _place(trigger: TriggerEstimate, pictures: TriggerPictures) -> str:
    top, left, bottom, right = trigger.bbox
    known = _PLACES.get(trigger.kind, formats.visible(trigger.kind).replace("{", "").replace("}", ""))
    where = known.format(height=bottom - top, width=right - left, top=top, left=left)
    whole = f"the image is {pictures.height} \u00d7 {pictures.width}"
    if pictures.opacity > 0.995:
        return f"{where} ({whole}); it covers what is below."
    return (
        f"{where} ({whole}); what is below shines through: it replaces up to {formats.percent(pictures.opacity)} of it."
    )


def _facts(path: str, alarm: Alarm) -> list[tuple[str, Value, str]]:
    def value(text: str, raw: float | None, field: str) -> Value:
        return Value(text, formats.as_json(raw), f"{path}.{field}")

    facts = []
    test = alarm.transplant
    if test is not None:
        rate = test.flip_rate
        shown = formats.interval(rate.value, rate.low, rate.high)
        n = formats.plural(rate.n, "image", sign="n = ")
        said = f"95 % interval; {n} of other classes; trigger pasted {scan_text.strength(alarm)}"
        facts.append(("Flip rate", value(shown, rate.value, "flip_rate.value"), said))
        worst = f"on average; the worst of {formats.count(test.controls)} turns {formats.percent(test.control_worst)}"
        facts.append(("Controls", value(formats.percent(test.control_mean), test.control_mean, "control_mean"), worst))
    p_value = value(formats.p_value(alarm.p_value), alarm.p_value, "p_value")
    facts.append(("p-value", p_value, formats.short(alarm.p_method, 200)))
    carriers = value(formats.count(alarm.carriers), alarm.carriers, "carriers")
    facts.append(("Samples flagged", carriers, "in this class"))
    return facts


def explain_command(rule_id: str) -> str:
    """Return the command that explains a rule."""
    return f"whitesquare explain {shlex.quote(formats.visible(rule_id))}"
