"""A verdict in words: what a terminal shows in 80 columns, and the JSON of it."""

import json
from dataclasses import asdict
from textwrap import wrap

from whitesquare.gating.types import PASSED, RuleResult, Verdict
from whitesquare.report.common import formats
from whitesquare.report.common.shown import Shown, laid_out

WIDTH = 80
FORMAT = "whitesquare gate 1"
"""Value of ``format``; it changes when a reader of the old form would misread the new one."""

_MEANINGS = {
    "data": "these keys approved these samples with these labels",
    "scan": "these detectors looked at all of them and raised no alarm that counts",
    "review": "people looked at what was flagged, and want none of it out",
    "training": "this training read exactly them",
    "measure": "the model did what it must on the images it was measured on",
}
LIMIT = "It is no proof that there is no poison."
MOST = 20
"""Faults of one rule that are written out; all of them are in the JSON."""
_RULE, _STATUS = 18, 8


def headline(verdict: Verdict) -> str:
    """Say it in one line."""
    counts = {status: sum(rule.status == status for rule in verdict.rules) for status in ("PASSED", "WAIVED")}
    total = len(verdict.rules)
    waived = f", {counts['WAIVED']} waived" if counts["WAIVED"] else ""
    text = f"{verdict.result}: {counts['PASSED']} of {total} rules passed{waived}"
    return f"{text}; the rest lacks evidence" if verdict.only_missing else text


def meaning(verdict: Verdict) -> str:
    """Say what a PASSED verdict means, and what it does not."""
    asked = "; ".join(text for section, text in _MEANINGS.items() if section not in verdict.unasked)
    data_only = {"training", "measure"} <= set(verdict.unasked)
    weights = " No rule covers the weights, so that no model can be released." if data_only else ""
    unasked = f" Not asked by the policy, so not known: {', '.join(verdict.unasked)}." if verdict.unasked else ""
    return f"PASSED means: {asked}.{unasked}{weights} {LIMIT}"


def lines(verdict: Verdict) -> list[str]:
    """Write a verdict for a terminal of 80 columns: the verdict, a line per rule, and what to do about each fault."""
    found = [
        headline(verdict),
        f"{about(verdict)}, policy {formats.short(verdict.policy_name, 40)}",
        "",
    ]
    found += [_line(rule) for rule in verdict.rules]
    for rule in verdict.failed:
        if not rule.because:
            found += ["", *_details(rule)]
    for rule in verdict.rules:
        for one in rule.waived:
            waiver = one.waiver
            found += ["", *_wrapped(f"{rule.rule}: waived by {waiver.by} until {waiver.expires}: {waiver.reason}", 400)]
            found += _wrapped(one.reason, 400, "  ")
    remarks = [*verdict.notes, *unused(verdict), *left_out(verdict)]
    if remarks:
        found += ["", *(line for remark in remarks for line in _wrapped(remark, 400))]
    if verdict.result == PASSED:
        found += ["", *wrap(meaning(verdict), WIDTH)]
    return found


def shown(verdict: Verdict) -> list[Shown]:
    """Show a verdict."""
    return laid_out(lines(verdict))


def unused(verdict: Verdict) -> list[str]:
    """Say which waivers cover nothing."""
    return [
        f"The waiver by {waiver.by} until {waiver.expires} covers nothing ({waiver.fingerprint[:16]}); remove it."
        for waiver in verdict.unused
    ]


def left_out(verdict: Verdict) -> list[str]:
    """Say which files a release leaves behind; of a verdict that lets nothing go there is nothing to say."""
    if verdict.result != PASSED or not verdict.left_out:
        return []
    return [f"No rule vouches for {', '.join(verdict.left_out)}: a release does not hold it."]


def about(verdict: Verdict) -> str:
    """Say what was decided about: a model, or data alone."""
    if verdict.model or not {"training", "measure"} <= set(verdict.unasked):
        return f"model {verdict.model[:16] or 'none'}"
    return f"data {verdict.manifest[:16] or 'none'}"


def gate_json(verdict: Verdict) -> str:
    """Write a verdict as JSON."""
    record = {"format": FORMAT, **asdict(verdict), "headline": headline(verdict), "meaning": meaning(verdict)}
    return json.dumps(record, indent=1, default=str, allow_nan=False) + "\n"


def _line(rule: RuleResult) -> str:
    room = WIDTH - _RULE - _STATUS
    said = f"see {rule.because}" if rule.because else rule.found
    return f"{rule.rule:<{_RULE}}{rule.status:<{_STATUS}}{formats.short(said, room)}"


def _details(rule: RuleResult) -> list[str]:
    many = len(rule.faults) > 1
    found = [f"{rule.rule}: {len(rule.faults)} faults"] if many else []
    for fault in rule.faults[:MOST]:
        found += _wrapped(f"- {fault.reason}" if many else f"{rule.rule}: {fault.reason}", 600, "  " if many else "")
        found += [f"    to waive: {fault.fingerprint}"] if fault.waivable else []
    found += [f"  and {len(rule.faults) - MOST} more, in -o json"] if len(rule.faults) > MOST else []
    found += _wrapped(f"expected: {rule.expected}", 400, "  ")
    return found + _wrapped(f"next: {rule.step}", 400, "  ")


def _wrapped(text: str, limit: int, indent: str = "") -> list[str]:
    shown = formats.plain(formats.short(text, limit))
    return wrap(shown, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ") or [indent]
