"""Rules about what a scan rested on besides the data: the model it was given, and samples it was told are clean.

Either can hide poison. A model that has learned nothing sees nothing; a reference that carries the trigger makes the
trigger look like what clean samples have.
"""

from datetime import datetime

from whitesquare.gating.checks import brief, names, sound
from whitesquare.gating.data_rules import manifest_of
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import Fault, Rule, RuleOutcome, RunEvidence
from whitesquare.provenance.evidence import TOLD, ReferenceRecord, ScanEvidence

_GIVEN, _FREE = "given model", "model-free"


def scan_model(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """A given model is the one here, and whatever model the scan used had learned something."""
    scan, model = evidence.scan.value, evidence.model.sha256
    expected = "none, its own, or the model here; with an accuracy above chance"
    if scan.format < TOLD:
        if scan.mode != _GIVEN:
            return RuleOutcome(f"{scan.mode}, not recorded", expected)
        reason = "The scan was made before format 2, which does not say which model it was given; scan again."
        return RuleOutcome("not recorded", expected, (Fault(reason, (scan.root,)),))
    faults = []
    if (scan.mode == _GIVEN) != bool(scan.model):
        reason = f"The scan says {scan.mode!r:.40}, and that its given model is {brief(scan.model)}."
        faults.append(Fault(reason, (scan.mode, scan.model, scan.root)))
    elif scan.model and scan.model != model:
        reason = f"The scan was given the model {brief(scan.model)}, and the one here is {brief(model)}."
        faults.append(Fault(reason, (scan.model, model, scan.root)))
    faults += _learned(scan, len(evidence.dataset.value.classes))
    learned = f", accuracy {scan.learned.value:.2%}" if scan.learned else ""
    return RuleOutcome(f"{scan.mode}{learned}", expected, tuple(faults))


def _learned(scan: ScanEvidence, classes: int) -> tuple[Fault, ...]:
    """Return a fault if the model behind the scan had not learned more than to guess."""
    if scan.mode == _FREE and scan.learned is None:
        return ()
    if scan.learned is None:
        return (Fault("The scan does not say what its model had learned.", (scan.root,)),)
    if unsound := sound("The accuracy of the scan's model", scan.learned):
        return unsound
    if classes > 1 and scan.learned.low <= 1 / classes:
        reason = f"The scan's model had learned nothing: accuracy {scan.learned.value:.2%} on {classes} classes."
        return (Fault(reason, (repr(scan.learned.low), scan.root)),)
    return ()


def scan_reference(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """No reference was used, or one is allowed and is signed by as many as the data themselves."""
    scan, allowed = evidence.scan.value, policy.scan.allow_reference
    expected = "none, or one signed as the data are" if allowed else "none"
    if scan.format < TOLD:
        reason = "The scan was made before format 2, which does not say whether it had a reference; scan again."
        return RuleOutcome("not recorded", expected, (Fault(reason, (scan.root,)),))
    reference = scan.reference
    if reference is None:
        return RuleOutcome("none", expected)
    found = f"{reference.size} samples, root {brief(reference.root)}"
    if not allowed:
        reason = f"The scan was told that {reference.size} samples are clean, and the policy allows no reference."
        return RuleOutcome(found, expected, (Fault(reason, (reference.root, scan.root)),))
    return RuleOutcome(found, expected, (*_vouched(policy, evidence, reference, now), *_apart(evidence, reference)))


def _vouched(policy: Policy, evidence: RunEvidence, reference: ReferenceRecord, now: datetime) -> tuple[Fault, ...]:
    """Return a fault for every role of which too few keys signed the reference."""
    content = (reference.manifest, reference.root)
    known = {key.keyid: key for key in evidence.trusted if not key.refuses(now)}
    signers = [known[keyid] for keyid in dict.fromkeys(reference.signers) if keyid in known]
    counts = {role: sum(key.role == role for key in signers) for role in policy.data.signatures}
    reasons = [
        f"The reference is signed by {counts[role]} trusted keys of the role {role}; expected {number}."
        for role, number in policy.data.signatures.items()
        if counts[role] < number
    ]
    scanners = {key.keyid for key in evidence.scan.signers}
    own = names([key.name for key in signers if key.keyid in scanners])
    if scanners & set(reference.signers):
        reasons.append(f"The key {own} signed both the reference and the scan that rests on it.")
    return tuple(Fault(reason, content) for reason in reasons)


def _apart(evidence: RunEvidence, reference: ReferenceRecord) -> tuple[Fault, ...]:
    """Return a fault if the samples under suspicion are their own witnesses."""
    scan = evidence.scan.value
    same_split = (reference.manifest, reference.split) == (manifest_of(evidence), scan.split)
    if reference.size > 0 and reference.root != scan.root and not same_split:
        return ()
    reason = "The reference is empty, or the very samples that were scanned: they cannot be their own witnesses."
    return (Fault(reason, (reference.manifest, reference.root, scan.root)),)


RULES = (
    Rule(
        "scan-model", "scan", "The model behind the scan is known and had learned something",
        "Scan again without --model, or with the model of this run.", ("dataset", "scan"), scan_model,
    ),
    Rule(
        "scan-reference", "scan", "The scan trusted no sample that nobody signed",
        "Scan again without --reference; or set allow_reference, and give one that is signed as the data are.",
        ("dataset", "scan"), scan_reference,
    ),
)  # fmt: skip
