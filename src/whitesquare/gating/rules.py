"""The decision: a pure function of policy, evidence and time. It reads no clock, no file, and changes nothing.

It fails closed: evidence that is missing or cannot be trusted fails the rule that asks for it and every rule that
rests on it, and a rule that breaks has failed.
"""

from datetime import datetime

from whitesquare.gating import data_rules, measure_rules, review_rules, scan_rules, training_rules
from whitesquare.gating.data_rules import manifest_of
from whitesquare.gating.settings import SECTIONS, Policy
from whitesquare.gating.types import (
    FAILED,
    MISSING,
    PASSED,
    Fault,
    FileState,
    Rule,
    RuleOutcome,
    RuleResult,
    RunEvidence,
    SignedPart,
    Unwaived,
    Verdict,
)
from whitesquare.gating.waivers import Settled, fingerprint, settle
from whitesquare.signing.times import to_text

RULES: tuple[Rule, ...] = (
    *data_rules.RULES,
    *scan_rules.RULES,
    *review_rules.RULES,
    *training_rules.RULES,
    *measure_rules.RULES,
)
ROOTS = {
    "model": "model-present",
    "dataset": "data-signed",
    "scan": "scan-signed",
    "review": "review-signed",
    "training": "training-signed",
    "measure": "measure-signed",
}
"""By part of the evidence, the rule that says that it is there and can be trusted."""


def decide(policy: Policy, evidence: RunEvidence, now: datetime) -> Verdict:
    """Hold the evidence of a run against a policy.

    Args:
        policy: what is asked for.
        evidence: what there is.
        now: the time, for everything that expires.
    """
    asked = [rule for rule in RULES if (not rule.section or rule.section in policy.sections) and rule.applies(policy)]
    settled = [_judge(rule, policy, evidence, now) for rule in asked]
    results = tuple(one.result for one in settled)
    used = {key for one in settled for key in one.used}
    passed = not any(result.status in (FAILED, MISSING) for result in results)
    covered = {name for result in results for name in result.covers}
    return Verdict(
        result=PASSED if passed else FAILED,
        rules=results,
        model=evidence.model.sha256 if policy.about_model else "",
        manifest=manifest_of(evidence),
        policy=policy.sha256,
        policy_name=policy.name,
        decided=to_text(now),
        unused=tuple(waiver for waiver in policy.waivers if waiver.fingerprint not in used),
        notes=tuple(note for one in settled for note in one.notes),
        unasked=tuple(section for section in SECTIONS if section not in policy.sections),
        left_out=tuple(name for name in _present(evidence) if name not in covered),
    )


def _present(evidence: RunEvidence) -> list[str]:
    """Return the names of the files that are there and could belong to a release."""
    parts = (evidence.dataset, evidence.scan, evidence.review, evidence.training, evidence.measure)
    states = (evidence.model, *evidence.files.values())
    found = [state.name for state in states if state.sha256 or state.problem]
    return found + [name for part in parts for name in (part.files or ([part.file] if part.sha256 else []))]


def _judge(rule: Rule, policy: Policy, evidence: RunEvidence, now: datetime) -> Settled:
    for need in rule.needs:
        part = _part(evidence, need)
        missing = part.missing if isinstance(part, SignedPart) else not part.sha256 and not part.problem
        usable = part.said is not None if isinstance(part, SignedPart) else bool(part.sha256)
        if not usable:
            return Settled(_blocked(rule, ROOTS[need], part, missing=missing))
    try:
        outcome = rule.check(policy, evidence, now)
    except Exception as error:  # noqa: BLE001 - whatever broke, the rule did not pass
        reason = f"The rule could not be decided: {type(error).__name__}: {error}."
        outcome = RuleOutcome("an error", rule.title, (Fault(reason, (reason,)),))
    return settle(rule, outcome, policy, now)


def _blocked(rule: Rule, root: str, part: SignedPart[object] | FileState, *, missing: bool) -> RuleResult:
    """Return the result of a rule that has nothing to check; only the rule at the root of it says why at length."""
    name = part.file if isinstance(part, SignedPart) else part.name
    what = "is missing" if missing else "cannot be trusted"
    own = rule.id == root
    reason = (part.problem if own else "") or f"{name} {what}."
    return RuleResult(
        rule=rule.id,
        title=rule.title,
        status=MISSING if missing else FAILED,
        reason=reason,
        found=f"{name} {what}",
        expected=rule.title,
        step=rule.step if own else "",
        faults=(Unwaived(reason, fingerprint(rule.id, (name, part.sha256)), waivable=False),),
        because="" if own else root,
    )


def _part(evidence: RunEvidence, name: str) -> SignedPart[object] | FileState:
    parts: dict[str, SignedPart[object] | FileState] = {
        "model": evidence.model,
        "dataset": evidence.dataset,
        "scan": evidence.scan,
        "review": evidence.review,
        "training": evidence.training,
        "measure": evidence.measure,
    }
    return parts[name]
