"""Attacks that make their own trigger: what they promise, and how it is learned once and kept."""

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from whitesquare._base.cache import Arrays, Cache
from whitesquare.triggers import parse_trigger, trigger_spec
from whitesquare.types import Attack, CraftContext, Trigger


@runtime_checkable
class LearnsTrigger(Protocol):
    """What an :class:`~whitesquare.types.Attack` has in addition if it makes its own trigger.

    :func:`whitesquare.attacks.poison` calls ``learn_trigger`` before ``craft``, and goes on with a copy of the attack
    whose field ``trigger`` is the result. Measure with the trigger of the manifest, not with that of the attack.
    """

    def learn_trigger(self, context: CraftContext) -> Trigger:
        """Return the trigger in use: one that has a spec, such as :class:`whitesquare.triggers.Pattern`."""


def with_learned_trigger(attack: Attack, context: CraftContext, key: dict[str, Any], cache: Cache) -> Attack:
    """Return the attack with the trigger it learned, or as it is if it does not learn one.

    Args:
        attack: a dataclass with a field ``trigger``.
        context: the crafting.
        key: everything the trigger depends on, besides the code.
        cache: where the spec of a learned trigger is kept.

    Raises:
        UsageError: if what was learned has no spec.
    """
    if not isinstance(attack, LearnsTrigger):
        return attack
    learner: LearnsTrigger = attack

    def learn() -> Arrays:
        spec = trigger_spec(learner.learn_trigger(context))
        return {"spec": np.frombuffer(spec.encode(), np.uint8)}

    spec = cache.arrays("trigger", key, learn)["spec"].tobytes().decode()
    return replace(attack, trigger=parse_trigger(spec))  # type: ignore[type-var]
