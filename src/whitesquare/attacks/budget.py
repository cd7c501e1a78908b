"""Checks that every perturbing attack makes of its own parameters."""

from whitesquare.errors import UsageError
from whitesquare.triggers import trigger_spec
from whitesquare.types import Trigger


def check_opacity(owner: object, **opacities: float) -> None:
    """Refuse a trigger strength outside (0, 1].

    Args:
        owner: the attack, named in the error.
        opacities: strengths of the trigger, by parameter name.

    Raises:
        UsageError: naming the parameter, its owner, the constraint and the value got.
    """
    for parameter, value in opacities.items():
        if not 0 < value <= 1:
            name = type(owner).__name__
            raise UsageError(f"The parameter {parameter!r} of {name} must be in (0, 1]; got {value!r}.")


def check_budget(owner: object, epsilon: float, **counts: int) -> None:
    """Refuse an epsilon outside [0, 1) and counts below 1.

    Args:
        owner: the attack, named in the error.
        epsilon: L-inf budget as a fraction of 255.
        counts: numbers of steps, rounds or epochs, by parameter name.

    Raises:
        UsageError: naming the parameter, its owner, the constraint and the value got.
    """
    name = type(owner).__name__
    if not 0 <= epsilon < 1:
        raise UsageError(f"The parameter 'epsilon' of {name} must be in [0, 1), a fraction of 255; got {epsilon!r}.")
    for parameter, value in counts.items():
        if value < 1:
            raise UsageError(f"The parameter {parameter!r} of {name} must be at least 1; got {value!r}.")


def check_kind(owner: object, trigger: Trigger, kinds: tuple[type, ...], example: str) -> None:
    """Refuse a trigger with which the attack would be another attack.

    Args:
        owner: the attack, named in the error.
        trigger: what it was given.
        kinds: the triggers it is made for.
        example: spec of one of them.

    Raises:
        UsageError: naming the attack, the trigger got, and one that fits.
    """
    if not isinstance(trigger, kinds):
        raise UsageError(
            f"The attack {type(owner).__name__} has a trigger of its own kind; got {trigger_spec(trigger)!r:.80}, "
            f"expected for example {example!r}: give that, or no trigger for the attack's default."
        )
