"""``whitesquare verify`` with a statement about what was removed: are the data what was kept."""

from pathlib import Path
from typing import NoReturn

import typer

from whitesquare.cli.exits import FINDINGS, PASS, emit, read_outputs
from whitesquare.cli.keys import open_trust
from whitesquare.cli.progress import progress


def verify_removal(data: str, statement: Path, trust: Path, output: list[str] | None) -> NoReturn:
    """Hold data against the statement, say what was found, and end with the exit code of that.

    Args:
        data: the data set.
        statement: the signed statement.
        trust: folder of trusted public keys.
        output: what is written.

    Raises:
        UsageError: another output than a table or JSON is asked for.
    """
    from whitesquare.jobs.removal import check_removal
    from whitesquare.report.verify.removal import removal_json, shown
    from whitesquare.signing.times import utc_now

    outputs = read_outputs(output, "table", "json")
    trusted = open_trust(trust)
    with progress() as on_progress:
        found = check_removal(data, statement, trusted, utc_now(), on_progress)
    facts = (found.said, tuple(key.name for key in found.signers), found.problems)
    emit(outputs, lambda: shown(*facts), {"json": lambda: removal_json(*facts)})
    raise typer.Exit(PASS if found.ok else FINDINGS)
