"""A verdict as SARIF 2.1.0, for code scanning: one result per rule that failed, with its names in ATLAS and OWASP."""

from whitesquare._base.taxonomy import (
    DATA_POISONING,
    DATASET_PROVENANCE,
    MANIPULATE_MODEL,
    MODEL_POISONING,
    POISON_MODEL,
    POISON_TRAINING_DATA,
    SUPPLY_CHAIN,
    SUPPLY_CHAIN_DATA,
    VERIFY_ARTIFACTS,
    Term,
    tags,
)
from whitesquare.gating.rules import RULES
from whitesquare.gating.types import FAILED, WAIVED, Rule, RuleResult, Verdict
from whitesquare.gating.waivers import fingerprint
from whitesquare.records import WEIGHTS
from whitesquare.report.common import formats, sarif
from whitesquare.report.gate.text import headline

FINGERPRINT = "whitesquareGate/v1"
FILES = {
    "": WEIGHTS,
    "data": "manifest.sigstore.json",
    "scan": "scan.sigstore.json",
    "review": "decisions.dsse.json",
    "training": "provenance.sigstore.json",
    "measure": "measure.sigstore.json",
}
"""By section of the policy, the file of the run folder that its rules are about: code scanning wants a place."""
OF_SECTION: dict[str, tuple[Term, ...]] = {
    "": (VERIFY_ARTIFACTS, SUPPLY_CHAIN),
    "data": (SUPPLY_CHAIN_DATA, DATASET_PROVENANCE, DATA_POISONING, SUPPLY_CHAIN),
    "scan": (POISON_TRAINING_DATA, DATASET_PROVENANCE, DATA_POISONING),
    "review": (POISON_TRAINING_DATA, DATASET_PROVENANCE, DATA_POISONING),
    "training": (POISON_MODEL, VERIFY_ARTIFACTS, DATASET_PROVENANCE, SUPPLY_CHAIN, MODEL_POISONING),
    "measure": (MANIPULATE_MODEL, POISON_MODEL, MODEL_POISONING),
}
"""By section of the policy, what its rules guard against."""


def gate_sarif(verdict: Verdict) -> str:
    """Write a verdict as SARIF 2.1.0; what is waived is written too, as suppressed."""
    asked = {result.rule for result in verdict.rules}
    rules = {rule.id: rule for rule in RULES if rule.id in asked}
    shown = [one for one in verdict.rules if one in verdict.failed or one.status == WAIVED]
    run = sarif.SarifRun(
        tool="whitesquare gate",
        rules=[_rule(rule) for rule in rules.values()],
        results=[_result(rules[one.rule], one) for one in shown],
        fingerprints=FINGERPRINT,
        base="RUN",
        base_text="The run folder that the gate looked at.",
        headline=headline(verdict),
        properties={
            "verdict": verdict.result,
            "model": verdict.model,
            "manifest": verdict.manifest,
            "policy": verdict.policy,
            "decided": verdict.decided,
        },
    )
    return sarif.write_sarif(run)


def _rule(rule: Rule) -> sarif.SarifRule:
    title, terms = f"{rule.title}.", OF_SECTION[rule.section]
    return sarif.SarifRule(rule.id, rule.id, title, title, f"{title} If not: {rule.step}", "error", tags(terms), terms)


def _result(rule: Rule, result: RuleResult) -> sarif.SarifResult:
    told = [result.reason, f"Expected: {result.expected}.", f"Next: {result.step}" if result.step else ""]
    accepted = [f"{one.waiver.reason} ({one.waiver.by}, until {one.waiver.expires})" for one in result.waived]
    return sarif.SarifResult(
        rule=rule.id,
        level="error" if result.status == FAILED else "warning",
        text=formats.short(" ".join(part for part in told if part), 2000),
        places=(sarif.SarifPlace(FILES[rule.section]),),
        fingerprint=fingerprint(rule.id, result.fingerprints),
        properties={"status": result.status, "fingerprints": list(result.fingerprints), "because": result.because},
        accepted=[formats.short(why, 500) for why in accepted] if result.status == WAIVED else (),
    )
