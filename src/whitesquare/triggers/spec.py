"""The registry of triggers, and their specs: ``patch:size=2,corner=br,margin=1``.

A trigger is a frozen dataclass whose fields are its parameters; :func:`parse_trigger` and :func:`trigger_spec` are
inverse to each other, so a trigger survives in a manifest and on a command line.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

import numpy as np

from whitesquare._base.promises import refuse_unless, require_frozen
from whitesquare.errors import UsageError, unknown_name
from whitesquare.plugins import Registry
from whitesquare.triggers.fields import Blend, Checkered, Ramp, Sinusoid, Warp
from whitesquare.triggers.patches import Checkerboard, Patch, RandomPatch
from whitesquare.triggers.pattern import NoTrigger, Pattern
from whitesquare.triggers.pixels import mix, require
from whitesquare.types import Trigger, UInt8Array


@dataclass(frozen=True)
class Faded:
    """Another trigger at part of its strength: ``opacity * trigger(x) + (1 - opacity) * x``, rounded.

    This is "dim in training": the same trigger, less visible in the data than in use.

    Attributes:
        trigger: the full trigger.
        opacity: in (0, 1]; 1 is the full trigger.
    """

    trigger: Trigger
    opacity: float

    def __post_init__(self) -> None:
        """Refuse an opacity outside (0, 1]."""
        require(0 < self.opacity <= 1, self, "opacity", "in (0, 1]")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the faded trigger on a copy of the images."""
        return mix(images, self.trigger(images).astype(np.float32), self.opacity)


TRIGGERS: dict[str, type[Any]] = {
    "patch": Patch,
    "checkerboard": Checkerboard,
    "random-patch": RandomPatch,
    "blend": Blend,
    "sinusoid": Sinusoid,
    "ramp": Ramp,
    "checkered": Checkered,
    "warp": Warp,
}
"""Every trigger a user can ask for by name alone."""

_FADED = "faded"


def require_trigger(kind: type[Any]) -> type[Any]:
    """Refuse a kind of trigger that no spec could be written for; return it.

    Raises:
        ContractError: naming the promise that was broken.
    """
    refuse_unless(isinstance(kind, type), kind, "must be a class, not one of its triggers")
    require_frozen(kind, "__call__")
    odd = [item.name for item in fields(kind) if get_type_hints(kind)[item.name] not in (int, float, str)]
    promise = f"must have parameters of type int, float or str, which a spec can hold; got {', '.join(odd)}"
    refuse_unless(not odd, kind, promise)
    return kind


KNOWN_TRIGGERS = Registry("trigger", TRIGGERS | {"pattern": Pattern, "none": NoTrigger}, require_trigger, (_FADED,))
"""Ours and those of other packages, by the name in a spec."""


def faded(trigger: Trigger, opacity: float) -> Trigger:
    """Return ``trigger`` itself at opacity 1, else the trigger at that part of its strength."""
    return trigger if opacity == 1.0 else Faded(trigger, opacity)


def unfaded(trigger: Trigger) -> Trigger:
    """Return the full trigger."""
    return unfaded(trigger.trigger) if isinstance(trigger, Faded) else trigger


def parse_trigger(spec: str) -> Trigger:
    """Read a trigger from ``name:parameter=value,...``; parameters left out keep their defaults.

    ``faded:opacity=0.5|patch:size=2`` reads a faded trigger, ``none`` the one that does nothing, and
    ``pattern:channels=...,data=...`` a learned one; the last has no defaults but its gain.

    Raises:
        UsageError: unknown trigger or parameter (with the nearest known name), a parameter missing, or a value of the
            wrong kind or range.
    """
    if spec.startswith(f"{_FADED}:") and "|" in spec:
        head, _, inner = spec.partition("|")
        values = dict(_parameters(head.partition(":")[2], head))
        if set(values) != {"opacity"}:
            raise UsageError(f"The trigger {spec!r:.200} should start with 'faded:opacity=...|'.")
        return Faded(parse_trigger(inner), _convert("opacity", values["opacity"], float, spec))
    name, _, rest = spec.partition(":")
    kind = KNOWN_TRIGGERS[name]
    known, types = {item.name: item for item in fields(kind)}, get_type_hints(kind)
    arguments: dict[str, Any] = {}
    for key, text in _parameters(rest, spec):
        if key not in known:
            raise unknown_name(f"parameter of the trigger {name!r}", key, known)
        arguments[key] = _convert(key, text, types[key], spec)
    for key, item in known.items():
        if item.default is MISSING and key not in arguments:
            raise UsageError(f"The trigger {spec!r:.200} lacks the parameter {key!r}, which has no default; add it.")
    try:
        made: Trigger = kind(**arguments)
    except (TypeError, ValueError) as error:  # those of other packages need not know our errors
        raise UsageError(f"The trigger {spec!r:.200} is refused: {error}.") from error
    return made


def trigger_spec(trigger: Trigger) -> str:
    """Write a trigger as the spec that :func:`parse_trigger` reads back; all parameters are written out.

    Raises:
        UsageError: if the trigger is neither ours nor one that an installed package registers.
    """
    if isinstance(trigger, Faded):
        return f"{_FADED}:opacity={trigger.opacity!r}|{trigger_spec(trigger.trigger)}"
    kind: type[Any] = type(trigger)
    name = next((own for own, one in KNOWN_TRIGGERS.own.items() if one is kind), getattr(kind, "name", None))
    if not isinstance(name, str) or not KNOWN_TRIGGERS.knows(name) or KNOWN_TRIGGERS[name] is not kind:
        raise UsageError(
            f"The trigger {trigger!r:.200} is not registered, so no spec can name it; make it an entry point of the "
            "group whitesquare.triggers (docs/plugins.md)."
        )
    values = ",".join(f"{item.name}={getattr(trigger, item.name)}" for item in fields(kind))
    return f"{name}:{values}" if values else name


def _parameters(text: str, spec: str) -> Iterator[tuple[str, str]]:
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"The trigger {spec!r:.200} holds {part!r:.80}; expected parameter=value.")
        yield key.strip(), value.strip()


def _convert(key: str, text: str, kind: Any, spec: str) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        expected = f"expected a value of type {kind.__name__}"
        raise UsageError(f"The trigger {spec!r:.200} has {key}={text!r:.80}; {expected}.") from error
