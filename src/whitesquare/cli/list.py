"""``whitesquare list``: what there is."""

from whitesquare.cli.exits import emit, exit_codes, read_outputs
from whitesquare.cli.options import Outputs
from whitesquare.report.common.shown import ShownTable


def list_(output: Outputs = None) -> None:
    """List attacks, selections, triggers, models, victim families, detectors, formats: ours and other packages'."""
    with exit_codes():
        from whitesquare.jobs.catalogue import as_json, catalogue

        outputs = read_outputs(output, "table", "json")

        columns = ("name", "what it is", "parameters and their defaults")
        emit(
            outputs,
            lambda: [
                ShownTable(f"\n{kind}", columns[: len(entries[0])], entries) for kind, entries in catalogue().items()
            ],
            {"json": as_json},
        )
