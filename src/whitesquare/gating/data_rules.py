"""Rules about the signed data set, and about the file of weights itself."""

from datetime import datetime

from whitesquare.gating.checks import brief, signed_by_each
from whitesquare.gating.settings import Policy
from whitesquare.gating.types import Fault, Rule, RuleOutcome, RunEvidence
from whitesquare.signing.times import from_text


def model_present(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """There are weights, and they could be hashed."""
    model = evidence.model
    if model.sha256:
        return RuleOutcome(brief(model.sha256), model.name)
    reason = model.problem or f"There is no {model.name}."
    return RuleOutcome("nothing", model.name, (Fault(reason, (model.name,)),), missing=not model.problem)


def data_signed(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Enough different keys of every role signed the manifest, and all are valid."""
    return signed_by_each(evidence.dataset, policy.data.signatures, "The manifest is", now)


def data_current(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The signed statement about the data set has not expired."""
    expires = evidence.dataset.value.expires
    found, expected = f"expires {expires[:10] if expires else 'never'}", "not expired"
    if expires is None or now <= from_text(expires):
        return RuleOutcome(found, expected)
    return RuleOutcome(found, expected, (Fault(f"The signed data set expired at {expires}.", (expires,)),))


def data_version(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """It is the data set that is asked for, and no version that was withdrawn."""
    dataset, wanted = evidence.dataset.value.dataset, policy.data
    found = f"{dataset.id}, version {dataset.version}"
    expected = f"{wanted.dataset or 'any data set'}, version {wanted.min_version} or later"
    faults = []
    if wanted.dataset is not None and dataset.id != wanted.dataset:
        faults.append(Fault(f"The data set is {dataset.id}; expected {wanted.dataset}.", (dataset.id,)))
    if dataset.version < wanted.min_version:
        reason = f"The data set's version is {dataset.version}; expected {wanted.min_version} or later."
        faults.append(Fault(reason, (dataset.id, str(dataset.version))))
    return RuleOutcome(found, expected, tuple(faults))


def data_pinned(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """It is the very manifest that the policy names."""
    found, expected = manifest_of(evidence), policy.data.manifest or ""
    faults = () if found == expected else (Fault(f"The manifest is {found}; expected {expected}.", (found,)),)
    return RuleOutcome(brief(found), brief(expected), faults)


def manifest_of(evidence: RunEvidence) -> str:
    """Return the digest of the signed manifest; empty if none can be trusted."""
    return evidence.dataset.subjects[0].sha256 if evidence.dataset.said and evidence.dataset.subjects else ""


RULES = (
    Rule(
        "model-present", "", "The model is there and can be read",
        "Give the folder that `whitesquare train` wrote.", (), model_present,
        lambda policy: policy.about_model,
    ),
    Rule(
        "data-signed", "data", "Enough trusted keys of every role signed the data set",
        "Have the missing person sign with `whitesquare attest --key`, or add the public key to the trusted keys.",
        ("dataset",), data_signed,
    ),
    Rule(
        "data-current", "data", "The signed data set has not expired",
        "Review the data set and attest it again with a later expiry.", ("dataset",), data_current,
    ),
    Rule(
        "data-version", "data", "The data set and its version are accepted",
        "Train on the current version; this one may have been withdrawn.", ("dataset",), data_version,
    ),
    Rule(
        "data-pinned", "data", "The manifest is the one that the policy names",
        "Train on the pinned data set, or change the pin in the policy after a review.", ("dataset",), data_pinned,
        lambda policy: policy.data.manifest is not None,
    ),
)  # fmt: skip
