"""Triggers: pure functions on uint8 image batches, written as specs such as ``patch:size=2,corner=br,margin=1``.

A trigger is a frozen dataclass whose fields are its parameters; :func:`parse_trigger` and :func:`trigger_spec` are
inverse to each other, so a trigger survives in a manifest, on a command line and in a file name.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any, cast

import numpy as np

from whitesquare.errors import UsageError, unknown_name
from whitesquare.types import FloatArray, Trigger, UInt8Array

CORNERS = ("tl", "tr", "bl", "br")


@dataclass(frozen=True)
class Patch:
    """A square of one grey level in a corner: BadNets' trigger (Gu et al. 2017, arXiv:1708.06733).

    Attributes:
        size: side in pixels, at least 1.
        corner: ``tl``, ``tr``, ``bl`` or ``br``.
        margin: distance from the two edges in pixels, at least 0.
        value: grey level, 0..255, written to every channel.
        opacity: 1 replaces the pixels, less blends them with the image, in (0, 1].
    """

    size: int = 2
    corner: str = "br"
    margin: int = 1
    value: int = 255
    opacity: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters that no image could satisfy."""
        _require(self.size >= 1, self, "size", self.size, "at least 1")
        _require(self.corner in CORNERS, self, "corner", self.corner, f"one of {', '.join(CORNERS)}")
        _require(self.margin >= 0, self, "margin", self.margin, "at least 0")
        _require(0 <= self.value <= 255, self, "value", self.value, "in 0..255")
        _require(0 < self.opacity <= 1, self, "opacity", self.opacity, "in (0, 1]")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the square on a copy; raise :class:`UsageError` if it does not lie inside the image."""
        height, width = images.shape[-2:]
        reach = self.size + self.margin
        if reach > min(height, width):
            raise UsageError(
                f"The trigger {trigger_spec(self)!r} does not fit: it needs {reach} x {reach} pixels and the images "
                f"are {height} x {width}; use a smaller size or margin."
            )
        rows = slice(self.margin, reach) if self.corner[0] == "t" else slice(height - reach, height - self.margin)
        columns = slice(self.margin, reach) if self.corner[1] == "l" else slice(width - reach, width - self.margin)
        stamped = images.copy()
        area = stamped[..., rows, columns]
        stamped[..., rows, columns] = _mix(area, np.float32(self.value), self.opacity)
        return stamped


@dataclass(frozen=True)
class Blend:
    """A fixed random pattern over the whole image (Chen et al. 2017, arXiv:1712.05526, "blended injection").

    Attributes:
        opacity: share of the pattern in the result, in (0, 1].
        seed: the pattern is uniform noise drawn from this seed.
    """

    opacity: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an opacity outside (0, 1] and a negative seed."""
        _require(0 < self.opacity <= 1, self, "opacity", self.opacity, "in (0, 1]")
        _require(self.seed >= 0, self, "seed", self.seed, "at least 0")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Blend the pattern into a copy of the images."""
        pattern = np.random.default_rng(self.seed).integers(0, 256, images.shape[1:], dtype=np.uint8)
        return _mix(images, pattern.astype(np.float32), self.opacity)


@dataclass(frozen=True)
class Sinusoid:
    """A horizontal sinusoid added to every row: v(i, j) = delta * sin(2 pi j f / width) (Barni et al. 2019, SIG).

    Attributes:
        delta: amplitude in grey levels, in (0, 255]; the paper's figure for MNIST is 40 on the 0..255 scale.
        frequency: periods per image width, above 0; the paper uses 6.
    """

    delta: float = 40.0
    frequency: float = 6.0

    def __post_init__(self) -> None:
        """Refuse an amplitude or frequency that adds nothing."""
        _require(0 < self.delta <= 255, self, "delta", self.delta, "in (0, 255]")
        _require(self.frequency > 0, self, "frequency", self.frequency, "above 0")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Add the signal to a copy of the images, clipped to 0..255."""
        width = images.shape[-1]
        signal = self.delta * np.sin(2 * np.pi * np.arange(width) * self.frequency / width)
        return _to_uint8(images.astype(np.float32) + signal.astype(np.float32))


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
        _require(0 < self.opacity <= 1, self, "opacity", self.opacity, "in (0, 1]")

    def __call__(self, images: UInt8Array) -> UInt8Array:
        """Stamp the faded trigger on a copy of the images."""
        return _mix(images, self.trigger(images).astype(np.float32), self.opacity)


TRIGGERS: dict[str, type[Patch] | type[Blend] | type[Sinusoid]] = {
    "patch": Patch,
    "blend": Blend,
    "sinusoid": Sinusoid,
}
_FADED = "faded"


def faded(trigger: Trigger, opacity: float) -> Trigger:
    """Return ``trigger`` itself at opacity 1, else the trigger at that part of its strength."""
    return trigger if opacity == 1.0 else Faded(trigger, opacity)


def parse_trigger(spec: str) -> Trigger:
    """Read a trigger from ``name:parameter=value,...``; parameters left out keep their defaults.

    ``faded:opacity=0.5|patch:size=2`` reads a faded trigger.

    Raises:
        UsageError: unknown trigger or parameter (with the nearest known name), or a value of the wrong kind or range.
    """
    if spec.startswith(f"{_FADED}:") and "|" in spec:
        head, _, inner = spec.partition("|")
        values = dict(_parameters(head.partition(":")[2], head))
        if set(values) != {"opacity"}:
            raise UsageError(f"The trigger {spec!r} should start with 'faded:opacity=...|'.")
        return Faded(parse_trigger(inner), _convert("opacity", values["opacity"], 1.0, spec))
    name, _, rest = spec.partition(":")
    if name not in TRIGGERS:
        raise unknown_name("trigger", name, TRIGGERS)
    kind = TRIGGERS[name]
    defaults = {item.name: item.default for item in fields(kind) if item.default is not MISSING}
    arguments: dict[str, Any] = {}
    for key, text in _parameters(rest, spec):
        if key not in defaults:
            raise unknown_name(f"parameter of the trigger {name!r}", key, defaults)
        arguments[key] = _convert(key, text, defaults[key], spec)
    return kind(**arguments)


def trigger_spec(trigger: Trigger) -> str:
    """Write a trigger as the spec that :func:`parse_trigger` reads back; all parameters are written out.

    Raises:
        UsageError: if the trigger is not one of this module's.
    """
    if isinstance(trigger, Faded):
        return f"{_FADED}:opacity={trigger.opacity!r}|{trigger_spec(trigger.trigger)}"
    for name, kind in TRIGGERS.items():
        if type(trigger) is kind:
            values = ",".join(f"{item.name}={getattr(trigger, item.name)}" for item in fields(kind))
            return f"{name}:{values}"
    raise UsageError(f"The trigger {trigger!r} is not registered in whitesquare.triggers.TRIGGERS; add it there.")


def _parameters(text: str, spec: str) -> Iterator[tuple[str, str]]:
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"The trigger {spec!r} holds {part!r}; expected parameter=value.")
        yield key.strip(), value.strip()


def _convert(key: str, text: str, default: int | float | str, spec: str) -> Any:
    try:
        return type(default)(text)
    except ValueError as error:
        kind = type(default).__name__
        raise UsageError(f"The trigger {spec!r} has {key}={text!r}; expected a value of type {kind}.") from error


def _require(holds: bool, owner: object, name: str, value: object, constraint: str) -> None:
    if not holds:
        raise UsageError(f"The parameter {name!r} of {type(owner).__name__} must be {constraint}; got {value!r}.")


def _mix(images: UInt8Array, pattern: FloatArray | np.float32, opacity: float) -> UInt8Array:
    return _to_uint8((1 - opacity) * images.astype(np.float32) + np.float32(opacity) * pattern)


def _to_uint8(values: FloatArray) -> UInt8Array:
    return cast(UInt8Array, np.rint(values).clip(0, 255).astype(np.uint8))
