"""The baseline of a scan: what is accepted is read before the scan, and applied or written after it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.cli import terminal
from whitesquare.errors import UsageError

if TYPE_CHECKING:  # they load NumPy, which `--help` must not wait for
    from whitesquare.jobs.scanned import Scanned
    from whitesquare.scanning.baseline import Baseline

KnownFile = Annotated[
    Path | None, typer.Option("--baseline", help="Accepted findings: they are told, and do not end with exit code 1.")
]
NewFile = Annotated[
    Path | None, typer.Option("--write-baseline", help="Accept all that is found: write it there, to be reviewed.")
]
AcceptedBy = Annotated[
    str | None, typer.Option("--accepted-by", help="Who accepts it, for --write-baseline; default: this user.")
]
Why = Annotated[str | None, typer.Option("--why", help="For what reason, for --write-baseline.")]


def open_baseline(known: Path | None, new: Path | None, by: str | None, why: str | None) -> "Baseline | None":
    """Read what is accepted, and refuse a file that cannot be written: before the scan, not after it.

    Raises:
        UsageError: an option without its partner, or a place that cannot be written.
        DataError: the baseline cannot be read, or is damaged.
    """
    if new is None and (by is not None or why is not None):
        raise UsageError("--accepted-by and --why stand in a new baseline; add --write-baseline FILE.")
    if new is not None and (new.is_dir() or not new.absolute().parent.is_dir()):
        raise UsageError(f"--write-baseline {new} must name a file in a folder that exists; name another.")
    if known is None:
        return None
    from whitesquare.scanning.baseline import read_baseline

    return read_baseline(known)


def settled(done: "Scanned", known: "Baseline | None", new: Path | None, by: str | None, why: str | None) -> "Scanned":
    """Return a scan with what is accepted in it; say which entries are stale, and write the new baseline."""
    if known is None and new is None:
        return done
    from whitesquare._base.files import write_text
    from whitesquare.scanning.baseline import accept, baseline_json, baseline_of

    result, contents = done.scan.result, done.contents()
    if known is not None:
        for one in accept(result, contents, known)[1]:
            terminal.complain(
                f"The baseline accepts {one.rule_id} in the class {one.class_name!r} (by {one.by}, {one.when}), and "
                "this scan does not find it: remove the entry, or write the baseline anew."
            )
    if new is not None:
        import getpass
        from datetime import UTC, datetime

        today = datetime.now(UTC).date().isoformat()
        known = baseline_of(result, contents, known, by or getpass.getuser(), today, why or "")
        write_text(new, baseline_json(known))
        terminal.remark(f"{new} accepts {len(known.accepted)} findings; read it, and say in it why.")
    accepted = accept(result, contents, known)[0] if known is not None else result
    return replace(done, scan=replace(done.scan, result=accepted))
