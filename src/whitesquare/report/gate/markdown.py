"""A verdict as Markdown, for a pull request or a job's summary; names in it stay names, whatever they are made of."""

import re

from whitesquare.gating.types import PASSED, RuleResult, Verdict
from whitesquare.report.common import formats
from whitesquare.report.gate.text import MOST, headline, left_out, meaning, unused

_SAFE = re.compile(r"[^A-Za-z0-9 ,;()%=]")
_NOTIFIES = re.compile("([@#])")


def gate_markdown(verdict: Verdict) -> str:
    """Write a verdict as GitHub-flavoured Markdown."""
    sign = "\u2705" if verdict.result == PASSED else "\u274c"
    parts = [
        f"## {sign} {escape(headline(verdict))}",
        f"Model `{verdict.model or 'none'}`, policy {escape(verdict.policy_name)} `{verdict.policy}`.",
        "\n".join(["| rule | status | found |", "| --- | --- | --- |", *(_row(rule) for rule in verdict.rules)]),
    ]
    parts += [_details(rule) for rule in verdict.failed if not rule.because]
    waived = [
        f"- **{rule.rule}** waived by {escape(one.waiver.by)} until {one.waiver.expires}: "
        f"{escape(one.waiver.reason, 400)} ({escape(one.reason, 400)})"
        for rule in verdict.rules
        for one in rule.waived
    ]
    remarks = [f"- {escape(text, 400)}" for text in (*verdict.notes, *unused(verdict), *left_out(verdict))]
    parts += ["\n".join(found) for found in (waived, remarks) if found]
    if verdict.result == PASSED:
        parts.append(escape(meaning(verdict), 1000))
    return "\n\n".join(parts) + "\n"


def escape(text: str, limit: int = 120) -> str:
    """Write text so that no reader of Markdown sees markup, a link, or somebody to notify in it."""
    shown = _NOTIFIES.sub("\\1\u200b", formats.plain(formats.short(text, limit)))
    return _SAFE.sub(lambda found: f"&#{ord(found[0])};", shown)


def _row(rule: RuleResult) -> str:
    said = f"see {rule.because}" if rule.because else rule.found
    return f"| {rule.rule} | {rule.status} | {escape(said)} |"


def _details(rule: RuleResult) -> str:
    found = [f"- **{rule.rule}**"]
    for fault in rule.faults[:MOST]:
        waive = f" (to waive: `{fault.fingerprint}`)" if fault.waivable else ""
        found.append(f"  - {escape(fault.reason, 600)}{waive}")
    found += [f"  - and {len(rule.faults) - MOST} more"] if len(rule.faults) > MOST else []
    found += [f"  - expected: {escape(rule.expected, 400)}", f"  - next: {escape(rule.step, 400)}"]
    return "\n".join(found)
