"""What counts of a network's answer: the logits among several tensors, and which layer they come of."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from whitesquare.errors import UsageError

_AUXILIARY = "aux"
"""What the name of an answer holds that only a training reads, as Inception's does."""


def first_tensor(output: Any) -> Tensor:
    """Return what counts of an output of which nothing is known: ``.logits``, ``["logits"]``, or the first tensor.

    Raises:
        UsageError: there is none.
    """
    return logits_in(output, 0)


def logits_in(output: Any, classes: int) -> Tensor:
    """Return what counts of an output: ``.logits``, ``["logits"]``, or the first tensor with a number for each class.

    One that is called auxiliary counts only where there is no other; where none has a number for each class, the first.

    Args:
        output: a tensor, or a tuple, list, dict or object with some.
        classes: how many there are; 0 where nobody knows.

    Raises:
        UsageError: there is no tensor.
    """
    if isinstance(output, Tensor):
        return output
    found = _called_logits(output)
    if found is not None:
        return found
    if parts := _parts(output):
        return parts[_chosen(parts, classes)]
    raise UsageError(
        f"The network answers with a {type(output).__name__} that holds no tensor; expected logits (B, K), or a "
        "tuple or dict with them: let its forward return the logits."
    )


def taken_of(output: Any, classes: int) -> str:
    """Say what :func:`logits_in` takes of an output; empty where it is all of it."""
    if isinstance(output, Tensor):
        return ""
    said = f"The network answers with a value of the type {type(output).__name__}, whose"
    parts = _parts(output)
    if _called_logits(output) is not None or not parts:
        return f"{said} logits are taken."
    key = _chosen(parts, classes)
    others = [name for name in parts if name != key and _fits(parts[name], classes)] if classes else []
    what = "first tensor" if key == next(iter(parts)) else f"tensor {key!r:.40}"
    beside = f"; {', '.join(f'{name!r:.40}' for name in others)} would fit, too" if others else ""
    return f"{said} {what} is taken{beside}."


def _called_logits(output: Any) -> Tensor | None:
    found = getattr(output, "logits", None)
    if found is None and isinstance(output, Mapping):
        found = output.get("logits")
    return found if isinstance(found, Tensor) else None


def _parts(output: Any) -> dict[Any, Tensor]:
    """Return the tensors of an output, by their names or numbers."""
    named = getattr(output, "_asdict", None)
    whole = named() if callable(named) else output
    pairs = whole.items() if isinstance(whole, Mapping) else enumerate(whole) if isinstance(whole, list | tuple) else ()
    return {name: part for name, part in pairs if isinstance(part, Tensor)}


def _chosen(parts: Mapping[Any, Tensor], classes: int) -> Any:
    fitting = [name for name, part in parts.items() if _fits(part, classes)] if classes else []
    main = [name for name in fitting if _AUXILIARY not in str(name).casefold()]
    return next(iter(main or fitting or parts))


def _fits(part: Tensor, classes: int) -> bool:
    return part.is_floating_point() and part.ndim > 1 and part.shape[1:].numel() == classes
