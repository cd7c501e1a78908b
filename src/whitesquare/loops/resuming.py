"""Before a recording begins: whether there is a place for it, and whether it goes on with what lies there already."""

import os
from collections.abc import Sequence
from pathlib import Path

from whitesquare.errors import UsageError
from whitesquare.loops.recordings import COLUMNS, Said, losses_database, relation, said_by


def check_place(path: Path) -> None:
    """Refuse a place where no file can be written: that is better known before a training than after its first epoch.

    Raises:
        UsageError: it is a folder, or lies where no file can.
    """
    if path.is_dir():
        raise UsageError(f"Losses cannot be written to {path}, which is a folder; name a file in it.")
    above = next(place for place in path.absolute().parents if place.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        why = "in which nothing may be written" if above.is_dir() else "which is no folder"
        raise UsageError(f"Losses cannot be written to {path}, below {above}, {why}; name another place.")


def check_continued(path: Path, files: Sequence[Path], said: Said, known: frozenset[str]) -> None:
    """Refuse to go on with a recording that is of something else: it would speak of both as of one.

    Args:
        path: the recording's name.
        files: of it.
        said: what it says of itself from now on.
        known: ids of the samples, as a table holds them.

    Raises:
        UsageError: its losses are of other images, of other data, or of samples that are not known.
        DataError: it cannot be read.
    """
    with losses_database(path) as db:
        for file in files:
            before = said_by(db, file)
            for name, then, now in (("inputs", before.inputs, said.inputs), ("digest", before.data, said.data)):
                if then != now:
                    raise UsageError(
                        f"The losses at {path} were recorded with {name}={then!r:.80} and would go on with "
                        f"{name}={now!r:.80}; give the same, or record to another file."
                    )
        rows = db.execute(f"SELECT DISTINCT id FROM {relation(files, COLUMNS)}").fetchall()  # noqa: S608 - quoted names
    if others := sorted({str(row[0]) for row in rows} - known):
        raise UsageError(
            f"The losses at {path} are of {len(others)} samples that the recorder was not given, such as "
            f"{others[0]!r:.80}, so they are those of other data; record to another file."
        )
