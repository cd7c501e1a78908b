"""Objects that hold several splits: a dict of data sets, as Hugging Face's ``DatasetDict``."""

from collections.abc import Mapping
from typing import Any

from whitesquare.data.layouts import SPLITS


def splits_in(source: object) -> dict[str, Any] | None:
    """Return the data sets of an object by split, ``train`` and ``test``; ``None`` if it holds no splits."""
    if not isinstance(source, Mapping):
        return None
    return {split: source[split] for split in SPLITS if split in source} or None


def unread_splits(source: object) -> tuple[str, ...]:
    """Say which data sets beside the splits are not read, such as one for validation."""
    others = [repr(name) for name in source if name not in SPLITS] if isinstance(source, Mapping) else []
    if splits_in(source) is None or not others:
        return ()
    return (f"{', '.join(others)} is neither the train nor the test split, and not read; give it by itself.",)
