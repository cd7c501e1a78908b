"""Files that are either whole or absent, and the devices and pipes that a path may name instead of one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_OF_THE_SYSTEM = (Path("/dev"), Path("/proc"))
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a place for files, unlike all else in /dev


def is_stream(path: Path) -> bool:
    """Tell whether a path names a device, a pipe or the like, as ``/dev/stdout`` and a shell's ``>(...)`` do.

    Such a thing is written to as it is. A file renamed over it would take its place, for every other process, too.
    """
    above = path.absolute().parents
    if _SHARED_MEMORY not in above and any(place in above for place in _OF_THE_SYSTEM):
        return path.exists()
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it on success, remove it on any failure.

    A killed or failed run leaves the old file or the new one, never a part of one. A device or a pipe is written to
    when all is there.
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
