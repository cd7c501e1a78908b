"""What a rule is, in words: the text its detector's module carries, and the taxonomies all rules belong to."""

import inspect
import re
from dataclasses import dataclass

from whitesquare._base.taxonomy import SCAN_FINDING, tags
from whitesquare.detectors.types import Detector
from whitesquare.errors import UsageError
from whitesquare.report.common import formats
from whitesquare.report.common.shown import Shown

TAGS = tags(SCAN_FINDING)

_HEAD = re.compile(r"[A-Z][A-Za-z ]{2,30}: ")
"""Starts a line of its own: ``Cost: ...``, ``Failure modes: ...``."""

_ROLE = re.compile(r":[a-z:]+:`~?([^`]+)`")

_EVIDENCE = {
    "pixel": "the pixels of a class agree where natural images differ",
    "residual": "fine structure that natural images of the class do not have",
    "latent": "the features that the trained network computes fall into two groups or along one direction",
    "dynamics": "how fast or how firmly the network learned a sample",
    "label": "the label disagrees with what the image shows",
    "response": "how the network answers when images are changed",
}


@dataclass(frozen=True)
class ScanRule:
    """One rule in words.

    Attributes:
        rule_id: short and stable.
        name: the detector's name.
        family: the kind of evidence it sees.
        needs: what it needs of the evidence, sorted.
        summary: one sentence.
        text: all of it: what it looks for, citation, cost, when it fails.
    """

    rule_id: str
    name: str
    family: str
    needs: tuple[str, ...]
    summary: str
    text: str


def explain(text: str) -> ScanRule:
    """Explain the rule of that id or detector name.

    Raises:
        UsageError: there is no such rule.
    """
    from whitesquare.detectors.registry import find_rule

    return _rule(find_rule(text))


def _rule(detector: Detector) -> ScanRule:
    module = inspect.getmodule(type(detector))
    found = reflow(inspect.cleandoc((module.__doc__ if module else None) or type(detector).__doc__ or ""))
    summary = found.partition("\n")[0] or _general(detector.family)
    return ScanRule(
        detector.rule_id, detector.name, detector.family, tuple(sorted(detector.needs)), summary, found or summary
    )


def reflow(text: str) -> str:
    """Join the lines of a docstring, which are as long as the source allows; headed lines and indented ones stay.

    Roles and double backquotes, which only a documentation builder understands, go.
    """
    lines: list[str] = []
    joins = False
    for line in _ROLE.sub(r"\1", text).replace("``", "").splitlines():
        if joins and line and not line.startswith((" ", "- ", "* ")) and not _HEAD.match(line):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
        joins = bool(line) and not line.startswith(" ")
    return "\n".join(lines)


def shown(rule: ScanRule) -> list[Shown]:
    """Show a rule: its own text, after one line of facts."""
    needs = ", ".join(rule.needs) or "nothing but the samples"
    return [f"{rule.rule_id} {rule.name} (family: {rule.family}; needs: {needs})\n\n{rule.text}"]


def rule_of(rule_id: str, name: str, family: str) -> ScanRule:
    """Explain the rule of a detector that ran, in general words where this installation does not know it."""
    try:
        return explain(rule_id)
    except UsageError:
        summary = _general(family)
        return ScanRule(rule_id, name, family, (), summary, summary)


def _general(family: str) -> str:
    evidence = _EVIDENCE.get(family, "the kind of evidence is not described")
    return f"A detector of the {formats.short(family)} family: {evidence}."
