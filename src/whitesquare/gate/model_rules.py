"""Rules about the model: what it was trained on, and what it does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from whitesquare.gate.checks import about, aged, brief, names, signed_by, whole_split
from whitesquare.gate.data_rules import manifest_of
from whitesquare.gate.settings import TRAINER, Policy
from whitesquare.gate.types import CARD, Evidence, Fault, Outcome, Rule
from whitesquare.provenance.evidence import Figure


def training_signed(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """A trainer's key signed the provenance."""
    return signed_by(evidence.training, (TRAINER,), now)


def training_model(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """The model here is the one that was trained, and so is its card, where the trainer signed that too."""
    training, card = evidence.training, evidence.files[CARD].sha256
    same_card = tuple(one for one in training.subjects if (one.name, one.sha256) != (CARD, card) or not card)
    return about(replace(training, subjects=same_card), evidence.model.sha256, "the model")


def training_data(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """The training obeyed this manifest."""
    said, wanted = evidence.training.value.manifest, manifest_of(evidence)
    found, expected = brief(said), brief(wanted)
    reason = f"The training was told to obey the manifest {found}; the signed one here is {expected}."
    return Outcome(found, expected, () if said == wanted else (Fault(reason, (said, wanted)),))


def training_complete(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """The training read all samples of the signed split, and none besides."""
    training = evidence.training.value
    return whole_split(policy, evidence, (training.split, training.size, training.root), "The training")


def training_code(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """The code that trained is accepted."""
    code, wanted = evidence.training.value.code, policy.training.code
    expected = names([brief(one) for one in wanted])
    fault = Fault(f"The code that trained is {brief(code)}; expected {expected}.", (code,), waivable=True)
    return Outcome(brief(code), expected, () if code in wanted else (fault,))


def measure_signed(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """A key of an accepted role signed the measurement."""
    return signed_by(evidence.measure, policy.measure.signed_by, now)


def measure_model(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """The model here is the one that was measured."""
    return about(evidence.measure, evidence.model.sha256, "the model")


def measure_test(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """The test images are those of the signed test split."""
    split = evidence.dataset.value.splits.get("test")
    said, wanted = evidence.measure.value.test_root, split.root if split else ""
    found, expected = f"root {brief(said)}", f"root {brief(wanted)}"
    reason = f"The test images are not the signed test split: found {found}; expected {expected}."
    return Outcome(found, expected, () if said and said == wanted else (Fault(reason, (said, wanted)),))


def measure_age(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """The measurement is recent."""
    most = policy.measure.max_age_days or 0.0
    return aged(evidence.measure.value.finished, most, now, evidence.model.sha256)


def measure_images(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """Enough images are behind every figure."""
    sizes = {name: figure.n for name, figure in _figures(evidence)}
    least = policy.measure.min_images
    faults = [
        Fault(f"{name} rests on {n} images; expected {least} or more.", (evidence.model.sha256, name, str(n)), "", True)
        for name, n in sizes.items()
        if n < least
    ]
    return Outcome(f"{min(sizes.values())} or more", f"{least} or more", tuple(faults))


def measure_accuracy(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """Even the low end of the clean accuracy reaches the floor."""
    figure, floor = evidence.measure.value.ca, policy.measure.min_clean_accuracy or 0.0
    found, expected = share(figure), f"low end {floor:.2%} or more"
    faults = _sound("The clean accuracy", figure)
    if not faults and figure.low < floor:
        reason = f"The clean accuracy is {found}; expected {expected}."
        faults = (Fault(reason, (evidence.model.sha256, repr(figure.low)), waivable=True),)
    return Outcome(found, expected, faults)


def measure_triggers(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """Every trigger that must be tried was."""
    tried = {one.trigger for one in evidence.measure.value.asr}
    wanted = policy.measure.triggers
    faults = [
        Fault(f"The trigger {name} was not tried; tried: {names(sorted(tried))}.", (evidence.model.sha256, name))
        for name in wanted
        if name not in tried
    ]
    if not tried:
        faults.append(Fault("No trigger was tried.", (evidence.model.sha256,)))
    return Outcome(
        names(sorted(tried)), names(wanted) if wanted else "any trigger", tuple(faults), missing=bool(faults)
    )


def measure_attack(policy: Policy, evidence: Evidence, now: datetime) -> Outcome:
    """Under no trigger does even the high end of the attack success pass the ceiling."""
    ceiling = policy.measure.max_attack_success
    ceiling = 1.0 if ceiling is None else ceiling
    expected = f"high end {ceiling:.2%} or less"
    faults: list[Fault] = []
    for one in evidence.measure.value.asr:
        what = f"Attack success under {one.trigger} (target {one.target})"
        unsound = _sound(what, one.asr)
        faults += unsound
        if not unsound and one.asr.high > ceiling:
            content = (evidence.model.sha256, one.trigger, str(one.target), repr(one.asr.high))
            faults.append(Fault(f"{what} is {share(one.asr)}; expected {expected}.", content, waivable=True))
    worst = max(evidence.measure.value.asr, key=lambda one: one.asr.high, default=None)
    return Outcome(f"at worst {share(worst.asr)}" if worst else "none", expected, tuple(faults))


def share(figure: Figure) -> str:
    """Write a share with its interval, in per cent."""
    return f"{figure.value:.2%} [{100 * figure.low:.2f}, {100 * figure.high:.2f}], n = {figure.n}"


def _figures(evidence: Evidence) -> Iterator[tuple[str, Figure]]:
    yield "The clean accuracy", evidence.measure.value.ca
    for one in evidence.measure.value.asr:
        yield f"Attack success under {one.trigger} (target {one.target})", one.asr


def _sound(what: str, figure: Figure) -> tuple[Fault, ...]:
    """Return a fault if the numbers cannot be a share and its interval; NaN compares as false with everything."""
    if 0 <= figure.low <= figure.value <= figure.high <= 1 and figure.n > 0:
        return ()
    return (Fault(f"{what} is no share with its interval: {share(figure)}.", (repr(figure),)),)


_AGAIN = "Measure this model again with `whitesquare measure` and sign it"
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
    Rule(
        "measure-signed", "measure", "A key of an accepted role signed the measurement",
        "Measure with `whitesquare measure RUN --key scanner.pem`, or another key of an accepted role.",
        ("measure",), measure_signed,
    ),
    Rule(
        "measure-model", "measure", "The model is the one that was measured", f"{_AGAIN}.", ("measure", "model"),
        measure_model,
    ),
    Rule(
        "measure-test", "measure", "The test images are the signed test split",
        f"{_AGAIN}, on the attested test split.", ("dataset", "measure"), measure_test,
        lambda policy: policy.measure.attested_test,
    ),
    Rule(
        "measure-age", "measure", "The measurement is recent", f"{_AGAIN}.", ("measure",), measure_age,
        lambda policy: policy.measure.max_age_days is not None,
    ),
    Rule(
        "measure-images", "measure", "Enough images are behind every figure", f"{_AGAIN}, on more images.",
        ("measure",), measure_images,
    ),
    Rule(
        "measure-accuracy", "measure", "The clean accuracy reaches its floor",
        "Train a better model, or measure on more images: the low end of the interval counts.", ("measure",),
        measure_accuracy, lambda policy: policy.measure.min_clean_accuracy is not None,
    ),
    Rule(
        "measure-triggers", "measure", "Every trigger that must be tried was", f"{_AGAIN}, under that trigger.",
        ("measure",), measure_triggers,
        lambda policy: bool(policy.measure.triggers) or policy.measure.max_attack_success is not None,
    ),
    Rule(
        "measure-attack", "measure", "No trigger works", "The model answers to the trigger: find what it was trained "
        "on with `whitesquare scan`, and train again without it.", ("measure",), measure_attack,
        lambda policy: policy.measure.max_attack_success is not None,
    ),
)  # fmt: skip
