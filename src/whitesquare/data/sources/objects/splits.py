"""Objects that hold several splits: a dict of data sets, as Hugging Face's ``DatasetDict``."""

from collections.abc import Mapping
from typing import Any

SPLITS = {"train": ("train", "training"), "test": ("test", "testing", "validation", "valid", "val")}
"""By split, what it is called; the first that is there counts."""


def splits_in(source: object) -> dict[str, Any] | None:
    """Return the data sets of an object by split, ``train`` and ``test``; ``None`` if it holds no splits."""
    if not isinstance(source, Mapping):
        return None
    known = {split: [name for name in names if name in source] for split, names in SPLITS.items()}
    return {split: source[names[0]] for split, names in known.items() if names} or None
