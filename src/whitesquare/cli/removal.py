"""``whitesquare verify`` with a statement about what was removed: are the data what was kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import typer

from whitesquare.cli.exits import FINDINGS, PASS, emit, read_outputs
from whitesquare.cli.keys import open_trust
from whitesquare.cli.progress import progress
from whitesquare.errors import UsageError
from whitesquare.provenance.evidence import REMOVED


def refuse_others(asked: Mapping[str, object]) -> None:
    """Refuse what is asked of other statements: nobody must take for checked what was not looked at.

    Args:
        asked: by the name of the option, what was given; ``None`` for nothing.

    Raises:
        UsageError: something was.
    """
    if given := [name for name, value in asked.items() if value is not None]:
        raise UsageError(f"{given[0]} says nothing of {REMOVED}, which has neither version nor manifest; leave it out.")


def verify_removal(
    data: str, statement: Path, trust: Path, signatures: str | None, threshold: int, output: list[str] | None
) -> NoReturn:
    """Hold data against the statement, say what was found, and end with the exit code of that.

    Args:
        data: the data set.
        statement: the signed statement.
        trust: folder of trusted public keys.
        signatures: roles that must sign; ``None`` for one that speaks for data.
        threshold: number of different keys that must have signed.
        output: what is written.

    Raises:
        UsageError: another output than a table or JSON is asked for, or roles that cannot be read.
    """
    from whitesquare.jobs.removal import check_removal
    from whitesquare.report.verify.removal import removal_json, shown
    from whitesquare.signing.signatures import parse_signatures
    from whitesquare.signing.times import utc_now

    outputs = read_outputs(output, "table", "json")
    asked, trusted = parse_signatures(signatures, threshold), open_trust(trust)
    with progress() as on_progress:
        found = check_removal(data, statement, trusted, utc_now(), on_progress, asked=asked)
    facts = (found.said, tuple(key.name for key in found.signers), found.problems)
    emit(outputs, lambda: shown(*facts), {"json": lambda: removal_json(*facts)})
    raise typer.Exit(PASS if found.ok else FINDINGS)
