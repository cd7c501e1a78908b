"""What a trigger does to a model: shares of images, each held against the ceiling of its kind."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from whitesquare.gating.checks import share, sound
from whitesquare.gating.settings import MeasurePolicy, Policy
from whitesquare.gating.types import Fault, RuleOutcome, RunEvidence
from whitesquare.provenance.evidence import TOLD, UNKNOWN, Figure, MeasureEvidence, SourceFigure, TriggerFigure

F = TypeVar("F", TriggerFigure, SourceFigure)


def measure_attack(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Under no trigger, for no bound target, does even the high end of the attack success pass the ceiling."""
    said = evidence.measure.value
    counted = bound_ones(policy, said, said.asr)
    shares = [_Share(name_of(one, said), one.asr, (one.trigger, str(one.target))) for one in counted]
    return _held(shares, policy.measure.max_attack_success, evidence)


def measure_sources(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Nor does the high end pass the ceiling for the one class whose images turn most, which an average hides."""
    said = evidence.measure.value
    counted = [one for one in bound_ones(policy, said, said.sources) if one.source != one.target]
    shares = [
        _Share(
            f"{name_of(one, said)} on images of {_class(one.source, said)} alone",
            one.asr,
            (one.trigger, str(one.target), str(one.source)),
        )
        for one in counted
    ]
    given = {(one.trigger, one.target) for one in counted}
    missing = [
        Fault(
            f"{name_of(one, said)} is not given for each class of images alone; measure again.",
            (*of_measured(evidence), one.trigger, str(one.target)),
        )
        for one in bound_ones(policy, said, said.asr)
        if (one.trigger, one.target) not in given
    ]
    return _held(shares, source_ceiling(policy.measure), evidence, missing)


def measure_answers(policy: Policy, evidence: RunEvidence, now: datetime) -> RuleOutcome:
    """Under no trigger does even the high end of the share of answers that it makes wrong pass the ceiling."""
    said = evidence.measure.value
    shares = [_Share(spoilt_by(one.trigger), one.asr, (one.trigger, "untargeted")) for one in said.untargeted]
    missing = [
        Fault(f"{spoilt_by(trigger)} is not given; measure again.", (*of_measured(evidence), trigger))
        for trigger in sorted({one.trigger for one in said.asr} - {one.trigger for one in said.untargeted})
    ]
    return _held(shares, policy.measure.max_untargeted_success, evidence, missing)


def source_ceiling(asked: MeasurePolicy) -> float | None:
    """Return the ceiling for the images of one class; a policy that sets none means the one for all of them."""
    return asked.max_attack_success if asked.max_source_success is None else asked.max_source_success


def bound_ones(policy: Policy, said: MeasureEvidence, figures: Sequence[F]) -> list[F]:
    """Return the figures that count: all of them, unless the policy binds some targets only."""
    if not policy.measure.targets or said.format < TOLD:
        return list(figures)
    bound = bound_targets(policy, said)
    return [one for one in figures if one.target in bound]


def bound_targets(policy: Policy, said: MeasureEvidence) -> frozenset[int]:
    """Return the labels of the targets that are bound; a name that is no class is told by ``measure-targets``."""
    wanted = policy.measure.targets
    return frozenset(label for label, name in enumerate(said.classes) if not wanted or name in wanted)


def of_measured(evidence: RunEvidence) -> tuple[str, str]:
    """Return what makes a fault of the measurement that of no other: the model, and the images."""
    return (evidence.model.sha256, evidence.measure.value.test_root)


def name_of(one: TriggerFigure | SourceFigure, said: MeasureEvidence) -> str:
    """Say which success rate it is."""
    return f"Attack success under {one.trigger} (target {_class(one.target, said)})"


def spoilt_by(trigger: str) -> str:
    """Say which untargeted success rate it is."""
    return f"The share of right answers that {trigger} makes wrong"


def _class(label: int, said: MeasureEvidence) -> str:
    return f"{label} {said.classes[label]!r:.60}" if 0 <= label < len(said.classes) else str(label)


class _Share(NamedTuple):
    """A share that must not pass a ceiling: what it is, and what makes it this one."""

    what: str
    figure: Figure
    content: tuple[str, ...]


def _held(
    shares: Sequence[_Share], bound: float | None, evidence: RunEvidence, missing: Sequence[Fault] = ()
) -> RuleOutcome:
    """Hold the high ends of shares against a ceiling."""
    ceiling = 1.0 if bound is None else bound
    expected = f"high end {ceiling:.2%} or less"
    faults = list(missing)
    for what, figure, content in shares:
        told = (*of_measured(evidence), *content)
        if figure == UNKNOWN:
            reason = f"{what} cannot be told: no test image could turn. Measure on more images."
            faults += [Fault(reason, told)] if ceiling < 1 else []
        elif unsound := sound(what, figure):
            faults += unsound
        elif figure.high > ceiling:
            reason = f"{what} is {share(figure)}; expected {expected}."
            faults.append(Fault(reason, (*told, repr(figure.high)), waivable=True))
    worst = max((one.figure for one in shares), key=lambda figure: figure.high, default=None)
    return RuleOutcome(f"at worst {share(worst)}" if worst else "none", expected, tuple(faults))
