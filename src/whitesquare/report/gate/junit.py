"""A verdict as JUnit XML, for build servers: one case per rule; one that somebody answers for is skipped."""

from whitesquare.gating.types import FAILED, MISSING, WAIVED, RuleResult, Verdict
from whitesquare.report.common import formats
from whitesquare.report.common.junit import JunitCase, JunitSuite, write_junit
from whitesquare.report.gate.text import headline, left_out, unused

_GROUP = "whitesquare.gating"


def gate_junit(verdict: Verdict) -> str:
    """Write a verdict as JUnit XML; a failure's type is ``FAILED`` or ``MISSING``."""
    said = "\n".join((headline(verdict), *verdict.notes, *unused(verdict), *left_out(verdict)))
    properties = {name: str(getattr(verdict, name)) for name in ("result", "model", "manifest", "policy", "decided")}
    return write_junit(JunitSuite("whitesquare gate", [_case(rule) for rule in verdict.rules], 0.0, said, properties))


def _case(rule: RuleResult) -> JunitCase:
    if rule.status in (FAILED, MISSING):
        told = [
            *(one.reason for one in rule.faults),
            f"found: {rule.found}",
            f"expected: {rule.expected}",
            f"next: {rule.step}",
        ]
        text = "\n".join(formats.visible(line) for line in told)
        return JunitCase(_GROUP, rule.rule, "failure", formats.short(rule.reason, 300), rule.status, text, 0.0)
    if rule.status == WAIVED:
        said = "; ".join(f"{one.reason} Waived by {one.waiver.by}: {one.waiver.reason}" for one in rule.waived)
        return JunitCase(_GROUP, rule.rule, "skipped", formats.short(said, 600), seconds=0.0)
    return JunitCase(_GROUP, rule.rule, seconds=0.0)
