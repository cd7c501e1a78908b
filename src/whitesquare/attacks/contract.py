"""What every attack has, ours or another package's; what it does is checked by :func:`whitesquare.attacks.poison`."""

from collections.abc import Callable
from dataclasses import fields

from whitesquare._base.promises import refuse_unless, require_frozen
from whitesquare.records import Parameter
from whitesquare.triggers import trigger_spec
from whitesquare.types import Attack


def require_attack(attack: Attack) -> None:
    """Refuse an attack that lacks a part.

    Raises:
        ContractError: naming the promise that was broken.
        UsageError: a trigger is not registered.
    """
    require_frozen(attack, "craft", "trigger", "training_trigger")
    values = {item.name: getattr(attack, item.name) for item in fields(attack)}  # type: ignore[arg-type]
    refuse_unless("trigger" in values, attack, "must have a field 'trigger'")
    odd = [name for name, value in values.items() if name != "trigger" and not isinstance(value, Parameter)]
    refuse_unless(not odd, attack, f"must have parameters that a manifest can hold; {', '.join(odd)} is none")
    refuse_unless(isinstance(attack.name, str) and attack.name != "", attack, "must have a name")
    refuse_unless(isinstance(attack.clean_label, bool), attack, "must say whether it is clean_label")
    for trigger in (attack.trigger, attack.training_trigger):
        trigger_spec(trigger)  # a manifest must be able to name it
    refuse_unless(0 <= attack.epsilon < 1, attack, f"must have an epsilon in [0, 1); got {attack.epsilon}")


def admit_attack(kind: Callable[[], Attack]) -> Attack:
    """Make the attack with its default parameters, and check that it has all its parts."""
    attack = kind()
    require_attack(attack)
    return attack
