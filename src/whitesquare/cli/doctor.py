"""``whitesquare doctor``: what this machine has."""

from typing import TYPE_CHECKING

import typer

from whitesquare.cli.exits import UNDECIDED, emit, exit_codes, read_outputs
from whitesquare.cli.options import Outputs
from whitesquare.report.common.shown import Shown, ShownTable

if TYPE_CHECKING:
    from whitesquare.jobs.doctor import Checkup


def doctor(output: Outputs = None) -> None:
    """Look at what this machine has, and tell what each missing part would give and how to get it.

    Exit code 2 if something that is installed does not work, else 0.
    """
    with exit_codes():
        outputs = read_outputs(output, "table", "json")
        from whitesquare._base.schema import encode
        from whitesquare.jobs import doctor as job

        found = job.doctor()
        emit(outputs, lambda: _shown(found), {"json": lambda: encode(found)})
        if found.broken:
            raise typer.Exit(UNDECIDED)


def _shown(found: "Checkup") -> list[Shown]:
    from whitesquare.jobs.doctor import BROKEN, MISSING

    parts: list[Shown] = [
        ShownTable(
            f"whitesquare {found.version} on this machine",
            ("part", "state", "what was found"),
            [(part.name, part.state, part.found) for part in found.parts],
        )
    ]
    for state, title in ((BROKEN, "To be mended"), (MISSING, "What more there is")):
        if rows := [(part.name, part.gives, part.get) for part in found.parts if part.state == state]:
            parts += ["", ShownTable(title, ("part", "what it gives", "how to get it"), rows)]
    return parts if found.broken else [*parts, "\nNothing that is installed is broken."]
