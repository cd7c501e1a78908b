"""Files that are either whole or absent, and what the system has under paths of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_OF_THE_SYSTEM = (Path("/dev"), Path("/proc"))
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a place for files, unlike all else in /dev


def is_stream(path: Path) -> bool:
    """Tell whether a path is one of the system's, as ``/dev/stdout``, ``/dev/null`` and a shell's ``>(...)`` are.

    Such a thing is written to as it is. A file renamed over it would take its place, for every other process, too.
    """
    above = path.absolute().parents
    return _SHARED_MEMORY not in above and any(place in above for place in _OF_THE_SYSTEM) and path.exists()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it on success, remove it on any failure.

    A killed or failed run leaves the old file or the new one, never a part of one. What is the system's
    (:func:`is_stream`) is written to when all is there.
    """
    if is_stream(path):
        with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
            part = Path(folder) / path.name
            yield part
            with part.open("rb") as made, path.open("ab") as stream:
                shutil.copyfileobj(made, stream)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to ``path``, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
