"""Rules about the measurement: who signed it, of which model and on which images, and what the model does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from whitesquare.gating.checks import aged, brief, names, of_model, share, signed_by, sound
from whitesquare.gating.settings import Policy
from whitesquare.gating.trigger_rules import (
    bound_ones,
    bound_targets,
    measure_answers,
    measure_attack,
    measure_sources,
    name_of,
    of_measured,
    source_ceiling,
    spoilt_by,
)
from whitesquare.gating.types import Fault, Rule, RuleOutcome, RunEvidence
from whitesquare.provenance.evidence import TOLD, Figure, MeasureEvidence
from whitesquare.records import CARD


def measure_signed(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """A key of an accepted role signed the measurement."""
    return signed_by(evidence.measure, policy.measure.signed_by, now)


def measure_model(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The model here is the one that was measured, and so is its card, which says what each output means."""
    found = of_model(evidence.measure, evidence)
    if evidence.measure.value.format < TOLD or found.faults or CARD in found.covers:
        return found
    reason = f"The measurement is about the weights alone, without the {CARD} that says what each output means."
    return replace(found, faults=(Fault(reason, (evidence.model.sha256,)),))


def measure_test(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The test images are those of the signed test split."""
    split = evidence.dataset.value.splits.get("test")
    said, wanted = evidence.measure.value.test_root, split.root if split else ""
    found, expected = f"root {brief(said)}", f"root {brief(wanted)}"
    reason = f"The test images are not the signed test split: found {found}; expected {expected}."
    return RuleOutcome(found, expected, () if said and said == wanted else (Fault(reason, (said, wanted)),))


def measure_classes(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The classes of the model are those of the signed data set, in their order."""
    said, wanted = evidence.measure.value.classes, evidence.dataset.value.classes
    found, expected = f"{len(said)} classes", f"{len(wanted)} classes"
    if said == wanted:
        return RuleOutcome(found, expected)
    if evidence.measure.value.format < TOLD:
        return RuleOutcome("not recorded", expected, (_old(evidence),))
    pairs = [(i, one, other) for i, (one, other) in enumerate(zip(said, wanted, strict=False)) if one != other]
    told = (
        f"output {pairs[0][0]} is {pairs[0][1]!r:.60}, signed was {pairs[0][2]!r:.60}"
        if pairs
        else (f"found {found}, expected {expected}")
    )
    reason = f"The model's classes are not those of the signed data set: {told}."
    return RuleOutcome(found, expected, (Fault(reason, (*said, "", *wanted)),))


def measure_age(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """The measurement is recent."""
    most = policy.measure.max_age_days or 0.0
    return aged(evidence.measure.value.finished, most, now, evidence.model.sha256)


def measure_images(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Enough images are behind every figure."""
    sizes = {name: figure.n for name, figure in _figures(policy, evidence.measure.value)}
    least = policy.measure.min_images
    faults = [
        Fault(
            f"{name} rests on {n} images; expected {least} or more.",
            (*of_measured(evidence), name, str(n)),
            waivable=True,
        )
        for name, n in sizes.items()
        if n < least
    ]
    return RuleOutcome(f"{min(sizes.values())} or more", f"{least} or more", tuple(faults))


def measure_accuracy(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Even the low end of the clean accuracy reaches the floor."""
    figure, floor = evidence.measure.value.ca, policy.measure.min_clean_accuracy or 0.0
    found, expected = share(figure), f"low end {floor:.2%} or more"
    faults = sound("The clean accuracy", figure)
    if not faults and figure.low < floor:
        reason = f"The clean accuracy is {found}; expected {expected}."
        faults = (Fault(reason, (*of_measured(evidence), repr(figure.low)), waivable=True),)
    return RuleOutcome(found, expected, faults)


def measure_triggers(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
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
    return RuleOutcome(
        names(sorted(tried)), names(wanted) if wanted else "any trigger", tuple(faults), missing=bool(faults)
    )


def measure_targets(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Under every trigger, every class that is bound was tried as the target."""
    said, wanted = evidence.measure.value, policy.measure.targets
    expected = f"{names(wanted)} as the target" if wanted else "every class as the target"
    if said.format < TOLD:
        return RuleOutcome("not recorded", expected, (_old(evidence),))
    if unknown := [name for name in wanted if said.classes.count(name) != 1]:
        reason = f"The policy binds the target {unknown[0]!r:.60}, which is not one of the model's classes."
        return RuleOutcome(
            f"{len(said.classes)} classes", expected, (Fault(reason, (*of_measured(evidence), *unknown)),)
        )
    bound = bound_targets(policy, said)
    tried = {(one.trigger, one.target) for one in said.asr}
    faults = []
    for trigger in sorted({one.trigger for one in said.asr}):
        if missing := sorted(target for target in bound if (trigger, target) not in tried):
            listed = names([repr(said.classes[target]) for target in missing[:5]])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            reason = f"Under {trigger} nobody measured how often the model answers {listed}{more}."
            faults.append(Fault(reason, (*of_measured(evidence), trigger, *map(str, missing))))
    if not bound or not tried:
        faults.append(Fault("No class was tried as the target.", of_measured(evidence)))
    found = f"{len({target for _, target in tried})} of {len(said.classes)} classes"
    return RuleOutcome(found, expected, tuple(faults), missing=not tried)


def _old(evidence: RunEvidence) -> Fault:
    reason = "The model was measured before format 2, which does not say for which classes; measure again."
    return Fault(reason, of_measured(evidence))


def _figures(policy: Policy, said: MeasureEvidence) -> Iterator[tuple[str, Figure]]:
    yield "The clean accuracy", said.ca
    yield from ((name_of(one, said), one.asr) for one in bound_ones(policy, said, said.asr))
    if policy.measure.max_untargeted_success is not None:
        yield from ((spoilt_by(one.trigger), one.asr) for one in said.untargeted)


def _asks_for_attacks(policy: Policy) -> bool:
    asked = policy.measure
    ceilings = (asked.max_attack_success, asked.max_source_success, asked.max_untargeted_success)
    return bool(asked.triggers or asked.targets) or any(ceiling is not None for ceiling in ceilings)


_AGAIN = "Measure this model again with `whitesquare measure` and sign it"
RULES = (
    Rule(
        "measure-signed", "measure", "A key of an accepted role signed the measurement",
        "Measure with `whitesquare measure RUN --attested manifest.dsse.json --trust keys/ --key scanner.pem`.",
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
        "measure-classes", "measure", "The model's classes are those of the signed data set",
        "Train on the signed data, and measure that model.", ("dataset", "measure"), measure_classes,
        lambda policy: "data" in policy.sections,
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
        _asks_for_attacks,
    ),
    Rule(
        "measure-targets", "measure", "Every class was tried as the target", f"{_AGAIN}: it tries every class.",
        ("measure",), measure_targets, _asks_for_attacks,
    ),
    Rule(
        "measure-attack", "measure", "No trigger works", "The model answers to the trigger: find what it was trained "
        "on with `whitesquare scan`, and train again without it.", ("measure",), measure_attack,
        lambda policy: policy.measure.max_attack_success is not None,
    ),
    Rule(
        "measure-sources", "measure", "No trigger turns the images of one class", "The model answers to the trigger on "
        "images of one class: find what it was trained on with `whitesquare scan`, and train again without it.",
        ("measure",), measure_sources, lambda policy: source_ceiling(policy.measure) is not None,
    ),
    Rule(
        "measure-answers", "measure", "No trigger makes the answers wrong", "The trigger spoils the model's "
        "answers: find what it was trained on with `whitesquare scan`, and train again without it.", ("measure",),
        measure_answers, lambda policy: policy.measure.max_untargeted_success is not None,
    ),
)  # fmt: skip
