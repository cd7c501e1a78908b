"""A verdict as SARIF 2.1.0, for code scanning: one result per rule that failed, with its names in ATLAS and OWASP."""

from typing import Any

import whitesquare
from whitesquare._base.taxonomy import tags
from whitesquare.gating.rules import RULES
from whitesquare.gating.types import FAILED, WAIVED, Rule, RuleResult, Verdict
from whitesquare.gating.waivers import fingerprint
from whitesquare.records import WEIGHTS
from whitesquare.report.common import formats
from whitesquare.report.common.sarif_parts import safe, write_log
from whitesquare.report.gate.taxonomies import OF_SECTION, relationships, taxonomies
from whitesquare.report.gate.text import headline

FINGERPRINT = "whitesquareGate/v1"
FILES = {
    "": WEIGHTS,
    "data": "manifest.sigstore.json",
    "scan": "scan.sigstore.json",
    "training": "provenance.sigstore.json",
    "measure": "measure.sigstore.json",
}
"""By section of the policy, the file of the run folder that its rules are about: code scanning wants a place."""
_BASE = "RUN"


def gate_sarif(verdict: Verdict) -> str:
    """Write a verdict as SARIF 2.1.0; what is waived is written too, as suppressed."""
    asked = {result.rule for result in verdict.rules}
    rules = [rule for rule in RULES if rule.id in asked]
    position = {rule.id: i for i, rule in enumerate(rules)}
    listed = taxonomies(term for rule in rules for term in OF_SECTION[rule.section])
    driver = {
        "name": "whitesquare gate",
        "semanticVersion": whitesquare.__version__,
        "version": whitesquare.__version__,
        "rules": [_descriptor(rule, listed) for rule in rules],
        "supportedTaxonomies": [{"name": one["name"], "index": i} for i, one in enumerate(listed)],
    }
    run = {
        "tool": {"driver": driver},
        "taxonomies": listed,
        "invocations": [{"executionSuccessful": True, "exitCodeDescription": formats.plain(headline(verdict))}],
        "originalUriBaseIds": {_BASE: {"description": {"text": "The run folder that the gate looked at."}}},
        "results": [
            _result(rules[position[one.rule]], position[one.rule], one)
            for one in verdict.rules
            if one in verdict.failed or one.status == WAIVED
        ],
        "properties": {
            "verdict": verdict.result,
            "model": verdict.model,
            "manifest": verdict.manifest,
            "policy": verdict.policy,
            "decided": verdict.decided,
        },
    }
    return write_log(run)


def _descriptor(rule: Rule, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.split("-")),
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": f"{rule.title}."},
        "help": {"text": f"{rule.title}. If not: {rule.step}"},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": list(tags(OF_SECTION[rule.section]))},
        "relationships": relationships(OF_SECTION[rule.section], listed),
    }


def _result(rule: Rule, index: int, result: RuleResult) -> dict[str, Any]:
    keys = result.fingerprints
    told = [result.reason, f"Expected: {result.expected}.", f"Next: {result.step}" if result.step else ""]
    record = {
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": "error" if result.status == FAILED else "warning",
        "message": {"text": _text(" ".join(part for part in told if part), 2000)},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": FILES[rule.section], "uriBaseId": _BASE}}},
        ],
        "partialFingerprints": {FINGERPRINT: fingerprint(rule.id, keys)},
        "properties": {"status": result.status, "fingerprints": list(keys), "because": result.because},
    }
    if result.status == WAIVED:
        record["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": _text(
                f"{one.waiver.reason} ({one.waiver.by}, until {one.waiver.expires})", 500)}
            for one in result.waived
        ]  # fmt: skip
    return record


def _text(text: str, limit: int) -> str:
    return safe(text, limit)
