"""The registry of triggers, and their specs: ``patch:size=2,corner=br,margin=1``.

A trigger is a frozen dataclass whose fields are its parameters; :func:`parse_trigger` and :func:`trigger_spec` are
inverse to each other, so a trigger survives in a manifest and on a command line.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

from whitesquare.errors import UsageError, unknown_name
from whitesquare.triggers.fields import Blend, Ramp, Sinusoid, Warp
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


Kind = (
    type[Patch]
    | type[Checkerboard]
    | type[RandomPatch]
    | type[Blend]
    | type[Sinusoid]
    | type[Ramp]
    | type[Warp]
    | type[Pattern]
    | type[NoTrigger]
)

TRIGGERS: dict[str, Kind] = {
    "patch": Patch,
    "checkerboard": Checkerboard,
    "random-patch": RandomPatch,
    "blend": Blend,
    "sinusoid": Sinusoid,
    "ramp": Ramp,
    "warp": Warp,
}
"""Every trigger a user can ask for by name alone."""

_WRITTEN: dict[str, Kind] = TRIGGERS | {"pattern": Pattern, "none": NoTrigger}
_FADED = "faded"


def faded(trigger: Trigger, opacity: float) -> Trigger:
    """Return ``trigger`` itself at opacity 1, else the trigger at that part of its strength."""
    return trigger if opacity == 1.0 else Faded(trigger, opacity)


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
    if name not in _WRITTEN:
        raise unknown_name("trigger", name, _WRITTEN)
    kind = _WRITTEN[name]
    known = {item.name: item for item in fields(kind)}
    arguments: dict[str, Any] = {}
    for key, text in _parameters(rest, spec):
        if key not in known:
            raise unknown_name(f"parameter of the trigger {name!r}", key, known)
        arguments[key] = _convert(key, text, known[key].type, spec)
    for key, item in known.items():
        if item.default is MISSING and key not in arguments:
            raise UsageError(f"The trigger {spec!r:.200} lacks the parameter {key!r}, which has no default; add it.")
    return kind(**arguments)


def trigger_spec(trigger: Trigger) -> str:
    """Write a trigger as the spec that :func:`parse_trigger` reads back; all parameters are written out.

    Raises:
        UsageError: if the trigger is not one of this package's.
    """
    if isinstance(trigger, Faded):
        return f"{_FADED}:opacity={trigger.opacity!r}|{trigger_spec(trigger.trigger)}"
    for name, kind in _WRITTEN.items():
        if type(trigger) is kind:
            values = ",".join(f"{item.name}={getattr(trigger, item.name)}" for item in fields(kind))
            return f"{name}:{values}" if values else name
    raise UsageError(f"The trigger {trigger!r} is not registered in whitesquare.triggers.TRIGGERS; add it there.")


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
