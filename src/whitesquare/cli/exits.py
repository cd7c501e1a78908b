"""Exit codes and outputs, for every verb the same; nothing else in the package exits or prints an error.

0 pass; 1 findings, or a verification or policy failed; 2 could not decide (usage, unreadable input, crash, interrupt);
3 nothing to work on, or evidence missing.
"""

import re
import shlex
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event

import typer

from whitesquare._base.files import is_stream, write_text
from whitesquare.cli import terminal
from whitesquare.cli.made import is_read
from whitesquare.cli.progress import progress
from whitesquare.errors import (
    NothingToDoError,
    UsageError,
    VerificationError,
    WhitesquareError,
    missing_part,
    require_extra,
    unknown_name,
)
from whitesquare.report.common.shown import Shown

PASS, FINDINGS, UNDECIDED, NOTHING = 0, 1, 2, 3
INTERRUPTED = "Interrupted; nothing was left half-written."
HEARD = Event()
"""Set once this process was interrupted."""

_SAY = {"junit": terminal.say_xml, "html": terminal.say_xml, "markdown": terminal.say_lines}
"""By kind, what prints its text; every other kind is JSON."""

_PART = re.compile(r"\.([^/]+)\.[0-9a-f]{32}\.part")
"""How a file or folder is called until it is whole: nobody knows it by that name."""

_OUT_OF_MEMORY = re.compile(
    r"OutOfMemory|bad_alloc|(can't|cannot) allocate memory|failed to map segment|not enough memory|out of memory",
    re.IGNORECASE,
)
"""What libraries of C and C++ say that find no memory, each by an error of its own."""


def short_of_memory(error: BaseException) -> str:
    """Say that memory ran out, and what to do."""
    found = " ".join(str(error).split())[:200] or type(error).__name__
    return (
        f"the memory that this process may take is used up ({found}); nothing was left half-written. Free some, raise "
        "the limit (ulimit -v, or that of the container), or take fewer --workers or a smaller --size."
    )


_STANDARD = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
"""Names of standard output: opened by them, a file that it leads to would be written to from two places at once."""

Writers = Mapping[str, Callable[[], str | Iterator[str] | None]]
"""By output kind, what makes its text, whole or in pieces; ``None`` where there is none."""


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn every error into one sentence on stderr and its exit code; a crash is never a pass."""
    code, message = UNDECIDED, ""
    finished = False
    try:
        yield
        finished = True
    except NothingToDoError as error:
        code, message = NOTHING, f"Error: {error}"
    except VerificationError as error:
        code, message = FINDINGS, f"Error: {error}"
    except WhitesquareError as error:
        message = f"Error: {error}"
    except ModuleNotFoundError as error:
        # The one place where a core install meets an import of an extra; any other missing module is a crash.
        if missing := missing_part(error):
            message = f"Error: {missing}"
    except MemoryError as error:
        message = f"Error: {short_of_memory(error)}"
    except OSError as error:
        message = f"Error: the system refused to read or write: {error}; nothing was left half-written."
    except KeyboardInterrupt:
        message = INTERRUPTED
    except typer.Exit:
        finished = True
        raise
    except SystemExit:  # Rich's answer to a closed pipe, with a code that would mean findings
        message = "The output was closed before it was complete."
    except Exception as error:
        # NumPy swallows an interrupt that comes while it begins to write, and stumbles over it.
        if HEARD.is_set():
            message = INTERRUPTED
        elif _OUT_OF_MEMORY.search(f"{type(error).__name__}: {error}"):
            message = f"Error: {short_of_memory(error)}"
        else:
            raise
    finally:
        if not finished:
            terminal.complain(_PART.sub(r"\1", message or "Error: whitesquare crashed; please report this."))
            for line in () if message else traceback.format_exc().splitlines():
                terminal.complain(line)
            raise typer.Exit(code)


@contextmanager
def printing() -> Iterator[None]:
    """End what prints help or a version with exit code 2 where nobody can read it, as on a disk that is full."""
    try:
        yield
    except OSError as error:
        terminal.complain(f"Error: the system refused to write: {error}.")
        raise typer.Exit(UNDECIDED) from error
    except SystemExit as error:  # Rich's answer to a closed pipe
        raise typer.Exit(UNDECIDED) from error


def read_outputs(asked: list[str] | None, *known: str) -> list[tuple[str, Path | None]]:
    """Read ``-o KIND`` and ``-o KIND=FILE``, where ``-`` is standard output; a table is the default.

    Raises:
        UsageError: an unknown kind, or a file that cannot be written; before any work starts.
    """
    outputs: list[tuple[str, Path | None]] = []
    for item in asked or ["table"]:
        kind, equals, file = item.partition("=")
        if kind not in known:
            raise _unknown_output(item, kind, known)
        if equals and not file:
            raise UsageError(f"-o {item!r} names no file; write -o {kind}=FILE.")
        if equals and kind == "table":
            raise UsageError("-o table goes to the terminal; write -o json=FILE for a file.")
        if more := next((one for one in known if f",{one}=" in file), ""):
            one, _, other = file.partition(f",{more}=")
            raise UsageError(
                f"-o {item!r:.200} names two outputs; give each an -o of its own: -o {kind}={one:.100} "
                f"-o {more}={other:.100}."
            )
        outputs.append((kind, Path(file) if equals and file not in _STANDARD else None))
    _check_outputs(outputs)
    return outputs


_SUFFIXES = {
    "html": "html htm",
    "json": "json",
    "sarif": "sarif",
    "junit": "xml",
    "markdown": "md",
    "parquet": "parquet",
}
"""By kind, what the names of its files end with."""


def check_page(outputs: Iterable[tuple[str, Path | None]]) -> None:
    """Refuse a page where what makes pages is not installed, before any work starts.

    Raises:
        MissingDependencyError: a page is asked for.
    """
    if any(kind == "html" for kind, _ in outputs):
        require_extra("jinja2", "scan", "-o html")


def _unknown_output(item: str, kind: str, known: tuple[str, ...]) -> UsageError:
    """Say which outputs there are; for the name of a file, what it was meant for."""
    suffix = Path(item).suffix.lower()[1:]
    meant = (
        "sarif"
        if item.lower().endswith(".sarif.json")
        else next((one for one in known if suffix in _SUFFIXES.get(one, "").split()), "")
    )
    if meant not in known or "=" in item:
        return unknown_name("output", kind, known)
    return UsageError(
        f"-o {item!r:.200} names a file and not what to write to it; did you mean -o {meant}={item:.200}?"
    )


def file_of(kind: str, outputs: list[tuple[str, Path | None]]) -> str | None:
    """Return the file that an output is written to; ``None`` where it is not asked for, or can be read only once."""
    return next((str(path) for one, path in outputs if one == kind and path and not is_stream(path)), None)


def _check_outputs(outputs: list[tuple[str, Path | None]]) -> None:
    """Refuse files that cannot be written, naming what stands in the way."""
    named = [(kind, path) for kind, path in outputs if path is not None]
    places: dict[Path, str] = {}
    for kind, path in named:
        if (other := places.setdefault(path.resolve(), kind)) != kind:
            raise UsageError(f"-o {other} and -o {kind} both name the file {path}; give each its own.")
        if is_stream(path):
            continue
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UsageError(f"-o {kind}={path} names a pipe, and a file is written; write -o {kind} > {path} instead.")
        if path.is_file() and is_read(path):
            raise UsageError(f"-o {kind}={path} names a file that this command reads; name another, or it is lost.")
        if path.is_dir():
            raise UsageError(f"-o {kind}={path} names a folder; name a file, for example {path / 'scan'}.{kind}.")
        there = next(folder for folder in path.absolute().parents if folder.exists())
        if there != path.absolute().parent:
            if there == Path(there.anchor):
                raise UsageError(
                    f"-o {kind}={path}: nothing of the folder {path.parent} exists, so it may be a slip; make it first "
                    f"(mkdir -p {shlex.quote(str(path.parent))}), or name another."
                )
            terminal.remark(f"The folder {path.parent} does not exist; it is made for -o {kind}.")
        try:
            # Only trying tells: permissions do not hold for root, nor on a file system that is read-only or full.
            with TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise UsageError(
                f"-o {kind}={path} cannot be written ({error.strerror or error}); name a file in a folder of yours."
            ) from error


def emit(
    outputs: list[tuple[str, Path | None]],
    table: Callable[[], Iterable[Shown]],
    writers: Writers,
    files: Mapping[str, Callable[[Path], None]] | None = None,
) -> None:
    """Write each output to its file, or to stdout; every text is made before the first file is written.

    Args:
        outputs: what :func:`read_outputs` returned.
        table: what the terminal shows.
        writers: by kind, what makes its text.
        files: by kind, what writes its file itself: kinds that are no text.
    """
    files = files or {}
    texts = {kind: _made(kind, writers[kind]) for kind, path in outputs if path is not None and kind not in files}
    for kind, path in outputs:
        if path is not None and kind in files:
            files[kind](path)
        elif path is not None:
            write_text(path, texts[kind])
        elif kind == "table":
            terminal.show(table())
        else:
            for piece in _pieces(writers[kind]()):
                _SAY.get(kind, terminal.say_json)(piece)


def _made(kind: str, write: Callable[[], str | Iterator[str] | None]) -> str:
    """Make a text; a page, whose pictures take a while, is told of."""
    if kind != "html":
        return "".join(_pieces(write()))
    with progress() as told:
        told("drawing the page", 0, 1)
        text = "".join(_pieces(write()))
        told("drawing the page", 1, 1)
    return text


def _pieces(made: str | Iterator[str] | None) -> Iterable[str]:
    return (made,) if isinstance(made, str) else made or ()
