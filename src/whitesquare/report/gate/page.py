"""A verdict of the gate as one self-contained page: whether the model may leave, what stands in the way, what to do."""

from whitesquare.gating.types import FAILED, MISSING, PASSED, WAIVED, RuleResult, Verdict
from whitesquare.records import Made
from whitesquare.report.common import formats, html
from whitesquare.report.common.made import shown_made
from whitesquare.report.gate.text import LIMIT, MOST, about, headline, left_out, meaning, unused

_WORDS = {
    PASSED: "\u2713\u00a0passed",
    FAILED: "\u2715\u00a0failed",
    MISSING: "?\u00a0no evidence",
    WAIVED: "\u2713\u00a0waived",
}


def render_gate(verdict: Verdict, command: str = "") -> str:
    """Render the page: without script, and every name in it as text.

    Args:
        verdict: what was decided.
        command: the command line that asked for it; empty where it is not known.
    """
    passed = verdict.result == PASSED
    remarks = [*verdict.notes, *unused(verdict), *left_out(verdict)]
    page = html.environment().get_template("gate/page.html.j2")
    found = page.render(
        **html.style(),
        v=verdict,
        made_by=shown_made(Made(verdict.decided, command)),
        kind="good" if passed else "open" if verdict.only_missing else "bad",
        headline=headline(verdict),
        about=about(verdict),
        lead=meaning(verdict) if passed else _lead(verdict),
        failed=[rule for rule in verdict.failed if not rule.because],
        most=MOST,
        words=_WORDS,
        rules=[_line(rule) for rule in verdict.rules],
        waived=[_waived(rule, number) for rule in verdict.rules for number in range(len(rule.waived))],
        remarks=remarks,
        digests=[(name, value) for name, value in _digests(verdict) if value],
        limit=LIMIT,
    )
    return html.clean(found)


def _lead(verdict: Verdict) -> str:
    """Say in one sentence what follows for the model."""
    first = [rule for rule in verdict.failed if not rule.because]
    names = ", ".join(rule.rule for rule in first[:6]) + (" and more" if len(first) > 6 else "")
    if verdict.only_missing:
        return f"The model must not leave yet: there is no evidence for {names}."
    return f"The model must not leave: {names} did not pass. What was found and what to do about it stands below."


def _line(rule: RuleResult) -> tuple[str, tuple[str, ...]]:
    said = f"see {rule.because}" if rule.because else rule.found
    return rule.rule, (formats.short(rule.title, 200), _WORDS[rule.status], formats.short(said, 300))


def _waived(rule: RuleResult, number: int) -> str:
    one = rule.waived[number]
    return f"{rule.rule}: waived by {one.waiver.by} until {one.waiver.expires}: {one.waiver.reason} ({one.reason})"


def _digests(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    return ("model", verdict.model), ("manifest", verdict.manifest), ("policy", verdict.policy)
