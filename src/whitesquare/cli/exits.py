"""Exit codes and outputs, for every verb the same; nothing else in the package exits or prints an error.

0 pass; 1 findings, or a verification or policy failed; 2 could not decide (usage, unreadable input, crash, interrupt);
3 nothing to work on, or evidence missing.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from whitesquare import terminal
from whitesquare.errors import NothingToDoError, UsageError, WhitesquareError, unknown_name

PASS, FINDINGS, UNDECIDED, NOTHING = 0, 1, 2, 3

Writers = dict[str, Callable[[], str | None]]
"""By output kind, what writes it: a function that returns the text, or prints by itself and returns nothing."""


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
    except WhitesquareError as error:
        message = f"Error: {error}"
    except OSError as error:
        message = f"Error: the system refused to read or write: {error}; nothing was left half-written."
    except KeyboardInterrupt:
        message = "Interrupted; nothing was left half-written."
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


def emit(outputs: list[tuple[str, Path | None]], writers: Writers) -> None:
    """Write each output to its file, or to stdout."""
    from whitesquare.jsonio import write_text

    for kind, path in outputs:
        text = writers[kind]()
        if text is not None and path is not None:
            write_text(path, text)
        elif text is not None:
            terminal.say_json(text)
