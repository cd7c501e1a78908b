"""Exit codes and outputs, for every verb the same; nothing else in the package exits or prints an error.

0 pass; 1 findings, or a verification or policy failed; 2 could not decide (usage, unreadable input, crash, interrupt);
3 nothing to work on, or evidence missing.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import typer

from whitesquare.cli import terminal
from whitesquare.cli.progress import progress
from whitesquare.errors import (
    NothingToDoError,
    UsageError,
    VerificationError,
    WhitesquareError,
    missing_part,
    unknown_name,
)
from whitesquare.report.common.shown import Shown

PASS, FINDINGS, UNDECIDED, NOTHING = 0, 1, 2, 3
INTERRUPTED = "Interrupted; nothing was left half-written."

_SAY = {"junit": terminal.say_xml, "html": terminal.say_xml, "markdown": terminal.say_lines}
"""By kind, what prints its text; every other kind is JSON."""

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
    except OSError as error:
        message = f"Error: the system refused to read or write: {error}; nothing was left half-written."
    except KeyboardInterrupt:
        message = INTERRUPTED
    except typer.Exit:
        finished = True
        raise
    except SystemExit:  # Rich's answer to a closed pipe, with a code that would mean findings
        message = "The output was closed before it was complete."
    finally:
        if not finished:
            terminal.complain(message or f"Error: whitesquare crashed; please report this.\n{traceback.format_exc()}")
            raise typer.Exit(code)


def read_outputs(asked: list[str] | None, *known: str) -> list[tuple[str, Path | None]]:
    """Read ``-o KIND`` and ``-o KIND=FILE``; a table is the default."""
    outputs = []
    for item in asked or ["table"]:
        kind, equals, file = item.partition("=")
        if kind not in known:
            raise unknown_name("output", kind, known)
        if equals and not file:
            raise UsageError(f"-o {item!r} names no file; write -o {kind}=FILE.")
        if equals and kind == "table":
            raise UsageError("-o table goes to the terminal; write -o json=FILE for a file.")
        outputs.append((kind, Path(file) if equals else None))
    return outputs


def check_outputs(outputs: list[tuple[str, Path | None]]) -> None:
    """Refuse files that cannot be written, before any work starts.

    Raises:
        UsageError: naming the file and what stands in its way.
    """
    named = [(kind, path) for kind, path in outputs if path is not None]
    places: dict[Path, str] = {}
    for kind, path in named:
        if (other := places.setdefault(path.resolve(), kind)) != kind:
            raise UsageError(f"-o {other} and -o {kind} both name the file {path}; give each its own.")
        if path.is_dir():
            raise UsageError(f"-o {kind}={path} names a folder; name a file, for example {path / 'scan'}.{kind}.")
        try:
            # Only trying tells: permissions do not hold for root, nor on a file system that is read-only or full.
            with TemporaryFile(dir=next(folder for folder in path.absolute().parents if folder.exists())):
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
    from whitesquare._base.files import write_text

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
