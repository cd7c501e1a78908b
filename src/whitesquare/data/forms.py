"""What a data set consists of, by split, where that is known only by opening it; needs no NumPy."""

from pathlib import Path

from whitesquare.data.layouts import place_of
from whitesquare.data.published import published
from whitesquare.data.shards import shards_of
from whitesquare.data.tables import tables_of


def opened_splits(source: str | Path) -> tuple[str, ...]:
    """Return the splits of tables, tar files and sets known by their files, which are signed sample by sample.

    Args:
        source: a name or path.

    Returns:
        The splits; none of a data set of another kind, whose files are what is signed.

    Raises:
        UsageError: there is no such file, or something that is given is not known.
        DataError: it is not clear what belongs together.
    """
    if place_of(source) is None:
        return ()
    for find in (tables_of, shards_of, published):
        if (found := find(source)) is not None:
            return tuple(found)
    return ()
