"""Names of classes, as a model has them and as the data have them: whether they agree, and in which order."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from whitesquare.errors import UsageError

_LONG = 120


def id2label(said: object) -> tuple[str, ...]:
    """Return the names in ``id2label`` of transformers in the order of the outputs; empty where they are no names."""
    if not isinstance(said, Mapping) or not said:
        return ()
    numbered = {int(key): str(name) for key, name in said.items() if str(key).isdecimal()}
    if sorted(numbered) != list(range(len(said))):
        return ()
    if all(name == f"LABEL_{number}" for number, name in numbered.items()):
        return ()
    return tuple(numbered[number] for number in range(len(numbered)))


def names_of(module: nn.Module) -> tuple[str, ...]:
    """Return the names of its classes that a network carries, as those of transformers do; empty where it has none."""
    config: Any = getattr(module, "config", None)
    return id2label(getattr(config, "id2label", None))


def output_order(known: Sequence[str], classes: Sequence[str], name: str) -> tuple[tuple[int, ...] | None, str]:
    """Say which output of a model is meant by each class of the data.

    Args:
        known: the names that the model has, in the order of its outputs; as many as ``classes``.
        classes: the names that the data have.
        name: what the model is called.

    Returns:
        By class the output that is meant, ``None`` where they go in the same order; and what is to be told.

    Raises:
        UsageError: some names are the same, in another order, and others are not: nobody can tell which are meant.
    """
    mine, theirs = [_plain(one) for one in known], [_plain(one) for one in classes]
    if mine == theirs:
        return None, ""
    told = f"{', '.join(known):.{_LONG}}"
    wanted = f"{', '.join(classes):.{_LONG}}"
    if sorted(mine) == sorted(theirs) and len(set(mine)) == len(mine):
        said = (
            f"{name} knows the classes in another order ({told}) than the data set ({wanted}); each answer counts for "
            "the class of its name."
        )
        return tuple(mine.index(one) for one in theirs), said
    if moved := [one for one in theirs if one in mine and mine.index(one) != theirs.index(one)]:
        raise UsageError(
            f"{name} knows the classes {told} and the data set has {wanted}: {moved[0]!r:.60} stands elsewhere and "
            "others are missing, so its answers would be misread; give the model that was trained on these data, or "
            "rename its classes."
        )
    return None, (
        f"{name} names its classes otherwise ({told}) than the data set ({wanted}); its outputs are taken in the order "
        "of the data's classes."
    )


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
