"""Output folders: written beside their place and moved there whole, and never over something that is not ours."""

import errno
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import whitesquare
from whitesquare._base.files import write_text
from whitesquare.errors import UsageError

MARKER = "whitesquare.json"


def check_output(path: Path, only: str | None = None) -> None:
    """Refuse a place where an output folder must not be written; called before any work starts.

    A folder may be replaced only if it is empty, or if whitesquare wrote it and nothing was added to it since.

    Args:
        path: the place.
        only: the kind of folder that may be replaced; ``None`` for any that whitesquare wrote.

    Raises:
        UsageError: naming what stands in the way.
    """
    place = path.resolve()
    if place == Path.cwd() or place in Path.cwd().parents:
        raise UsageError(f"The output folder {path} is the current folder or one above it; name a new folder.")
    if not place.exists():
        return
    if not place.is_dir():
        raise UsageError(f"The output folder {path} cannot be made: a file of that name exists; name another.")
    present = {entry.name for entry in place.iterdir()}
    if not present:
        return
    if MARKER not in present:
        raise UsageError(
            f"The output folder {path} exists and was not written by whitesquare (it holds no {MARKER}); "
            "name another, or remove it."
        )
    if only is not None and (found := folder_kind(place)) != only:
        raise UsageError(
            f"The output folder {path} is of the kind {found!r}, and only one of the kind {only!r} is replaced; name "
            "another folder, or move that one away."
        )
    if added := present - {MARKER} - set(_own_names(place)):
        raise UsageError(
            f"The output folder {path} holds {min(added)!r}, which a new run would delete; name another folder, or "
            "move it away."
        )


@contextmanager
def output_folder(path: Path, kind: str, names: Sequence[str]) -> Iterator[Path]:
    """Give a new folder to write to; move it to ``path`` on success, remove it on any failure.

    Args:
        path: where the folder goes; see :func:`check_output`.
        kind: what it is, e.g. ``"run"``; recorded in the marker.
        names: the entries it holds, or may come to hold by whitesquare's own hand.

    Raises:
        UsageError: see :func:`check_output`.
    """
    check_output(path)
    place = path.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{uuid4().hex}.part")
    try:
        part.mkdir()
        yield part
        write_text(part / MARKER, _marker(kind, names))
        _swap(part, place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_claim(path: Path, kind: str) -> None:
    """Refuse a place that :func:`claim_folder` must not take; called before any work starts.

    Raises:
        UsageError: a file of that name, or a folder with content that whitesquare did not write as this kind.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"The output folder {path} cannot be made: a file of that name exists; name another.")
    if path.is_dir() and any(path.iterdir()) and (found := folder_kind(path)) != kind:
        what = f"holds a {found}, not a {kind}" if found else "exists and was not written by whitesquare"
        raise UsageError(f"The output folder {path} {what}; name another folder.")


def claim_folder(path: Path, kind: str, names: Sequence[str]) -> None:
    """Make a folder that is written to piece by piece, or take up one of the same kind where it was left.

    Nothing in it is deleted, so it may hold the user's own files as well.

    Args:
        path: where.
        kind: what it is, e.g. ``"bench"``.
        names: the entries it may come to hold by whitesquare's own hand.

    Raises:
        UsageError: see :func:`check_claim`.
    """
    check_claim(path, kind)
    path.mkdir(parents=True, exist_ok=True)
    write_text(path / MARKER, _marker(kind, names))


def _marker(kind: str, names: Sequence[str]) -> str:
    marker = {"kind": kind, "version": whitesquare.__version__, "names": sorted(names)}
    return json.dumps(marker, indent=2) + "\n"


def folder_kind(path: Path) -> str | None:
    """Return the kind whitesquare wrote ``path`` as, or ``None`` if it did not."""
    try:
        kind = json.loads((path / MARKER).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kind if isinstance(kind, str) else None


def _own_names(place: Path) -> list[str]:
    try:
        names = json.loads((place / MARKER).read_text(encoding="utf-8"))["names"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in names if isinstance(name, str)]


def _swap(part: Path, place: Path) -> None:
    """Move ``part`` to ``place``, and what is there away; of two runs that do so at once, one wins, whole."""
    old: list[Path] = []
    try:
        while True:
            try:
                part.rename(place)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            old.append(place.with_name(f".{place.name}.{uuid4().hex}.old"))
            with suppress(FileNotFoundError):  # another run has moved it away a moment ago
                place.rename(old[-1])
    finally:
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
