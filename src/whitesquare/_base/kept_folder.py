"""The folder in which work in shards keeps what it does: of one run at a time, and of one set of settings."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from whitesquare._base.files import write_text
from whitesquare._base.owned import NotOwnError, check_own, check_within, close_within, make_own
from whitesquare._base.strictjson import parse
from whitesquare.errors import UsageError

FORMAT = "whitesquare sharded {what} 1"
RUN = "run.json"
"""File that says what a folder is of."""


@contextmanager
def working_folder(folder: Path | None, settings: Mapping[str, str], what: str = "scan") -> Iterator[Path]:
    """Give the folder to work in, for this process alone; one that is not named is removed at the end.

    Args:
        folder: where a run is kept, and taken up again; it is made if it is not there.
        settings: all that decides the result, in words; a folder of others is refused.
        what: kind of work.

    Raises:
        UsageError: another run works in it, it is of other settings, or it cannot be used.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="whitesquare-") as temporary:
            yield Path(temporary)
        return
    folder = folder.absolute()
    try:
        make_own(folder)
        check_own(folder)
        check_within(folder)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotOwnError as error:
        raise UsageError(f"The folder {folder} is not this user's alone: {error}.") from error
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be used ({error}); give another one with --resume.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"Another run works in {folder}; wait for it, or give a folder of its own.") from error
        except OSError as error:
            raise UsageError(
                f"The file system of {folder} has no locks ({error}), so that two runs could meet in it; name a folder "
                "on another one."
            ) from error
        _check(folder, settings, what)
        for left in folder.glob("*/.*.part"):  # of a run that was killed
            left.unlink(missing_ok=True)
        try:
            yield folder
        finally:
            with suppress(OSError):
                close_within(folder)  # whatever this user lets others do with new files
    finally:
        os.close(handle)


def _check(folder: Path, settings: Mapping[str, str], what: str) -> None:
    """Refuse a folder of another run, naming what differs; write down what this one is."""
    path = folder / RUN
    form = FORMAT.format(what=what)
    # Names of files may hold what no text can.
    settings = {name: said.encode("utf-8", "backslashreplace").decode() for name, said in settings.items()}
    wanted = {"format": form, "settings": settings}
    if not path.exists():
        if others := sorted(one.name for one in folder.iterdir() if not one.name.startswith(".")):
            raise UsageError(
                f"{folder} holds something else ({', '.join(others[:3])}); a run is kept in a folder of its own, so "
                "name one that is new or empty."
            )
        write_text(path, json.dumps(wanted, indent=1, ensure_ascii=False) + "\n")
        return
    try:
        found = parse(path.read_text(encoding="utf-8"))
        known = found["settings"] if found["format"] == form else None
        if not isinstance(known, dict):
            raise ValueError("it is of another form")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not what a {what} in shards writes ({error}); name another folder.") from error
    names = dict.fromkeys([*known, *settings])
    differ = [name for name in names if known.get(name) != settings.get(name)]
    if differ:
        said = ", ".join(f"{name} was {known.get(name)!s:.80}, and is {settings.get(name)!s:.80}" for name in differ)
        raise UsageError(
            f"{folder} is of a {what} with other settings: {said}; ask for the same, or name another folder."
        )
