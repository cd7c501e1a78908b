"""``whitesquare list``: what there is."""

from whitesquare.cli import terminal
from whitesquare.cli.exits import emit, exit_codes, read_outputs
from whitesquare.cli.options import Outputs


def list_(output: Outputs = None) -> None:
    """List the attacks, triggers, models, victim families, detectors and formats, ours and those of other packages."""
    with exit_codes():
        from whitesquare.jobs.catalogue import as_json, catalogue

        outputs = read_outputs(output, "table", "json")

        def tables() -> None:
            for kind, entries in catalogue().items():
                columns = ("name", "what it is", "parameters and their defaults")
                terminal.table(f"\n{kind}", columns[: len(entries[0])], entries)

        emit(outputs, {"table": tables, "json": as_json})
