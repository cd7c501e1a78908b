"""Rules about the training: who signed it, on what data it was, and with which code."""

from datetime import datetime

from whitesquare.gating.checks import brief, names, of_model, signed_by, whole_split
from whitesquare.gating.data_rules import manifest_of
from whitesquare.gating.settings import TRAINER, Policy
from whitesquare.gating.types import Fault, Rule, RuleOutcome, RunEvidence


def training_signed(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """A trainer's key signed the provenance."""
    return signed_by(evidence.training, (TRAINER,), now)


def training_model(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The model here is the one that was trained, and so is its card, where the trainer signed that too."""
    return of_model(evidence.training, evidence)


def training_data(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The training obeyed this manifest."""
    said, wanted = evidence.training.value.manifest, manifest_of(evidence)
    found, expected = brief(said), brief(wanted)
    reason = f"The training was told to obey the manifest {found}; the signed one here is {expected}."
    return RuleOutcome(found, expected, () if said == wanted else (Fault(reason, (said, wanted)),))


def training_complete(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The training read all samples of the signed split, and none besides."""
    training = evidence.training.value
    return whole_split(policy, evidence, (training.split, training.size, training.root), "The training")


def training_code(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The code that trained is accepted."""
    code, wanted = evidence.training.value.code, policy.training.code
    expected = names([brief(one) for one in wanted])
    content = (code, evidence.model.sha256, evidence.training.value.root)
    fault = Fault(f"The code that trained is {brief(code)}; expected {expected}.", content, waivable=True)
    return RuleOutcome(brief(code), expected, () if code in wanted else (fault,))


RULES = (
    Rule(
        "training-signed", "training", "A trainer's key signed the model's provenance",
        "Train with `whitesquare train DATA --attested manifest.dsse.json --trust keys/ --key trainer.pem -o RUN`.",
        ("training",), training_signed,
    ),
    Rule(
        "training-model", "training", "The model is the one that was trained",
        "Put back the weights this provenance was signed for, or train again.", ("training", "model"), training_model,
    ),
    Rule(
        "training-data", "training", "The training obeyed this manifest",
        "Train again with --attested and this manifest.", ("dataset", "training"), training_data,
    ),
    Rule(
        "training-complete", "training", "The training read exactly the signed split",
        "Train again with --attested and this manifest.", ("dataset", "training"), training_complete,
    ),
    Rule(
        "training-code", "training", "The code that trained is accepted",
        "Train with a version the policy names, or add this one after a review.", ("training",), training_code,
        lambda policy: bool(policy.training.code),
    ),
)  # fmt: skip
