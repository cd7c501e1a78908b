"""``whitesquare list``: what there is, or the classes of a data set."""

import json
from pathlib import Path
from typing import Annotated

import typer

from whitesquare.cli.exits import emit, exit_codes, read_outputs
from whitesquare.cli.options import Outputs
from whitesquare.report.common.shown import ShownTable


def list_(
    data: Annotated[
        str | None,
        typer.Argument(help="Data set whose classes are listed with their numbers, instead of what there is."),
    ] = None,
    output: Outputs = None,
) -> None:
    """List attacks, selections, triggers, models, victim families, detectors, formats: ours and other packages'.

    With DATA, list its classes instead: the number and the name by which commands know each, and its samples.
    """
    with exit_codes():
        outputs = read_outputs(output, "table", "json")
        if data is not None:
            _list_classes(data, outputs)
            return
        from whitesquare.jobs.catalogue import as_json, catalogue

        columns = ("name", "what it is", "parameters and their defaults")
        emit(
            outputs,
            lambda: [
                ShownTable(f"\n{kind}", columns[: len(entries[0])], entries) for kind, entries in catalogue().items()
            ],
            {"json": as_json},
        )


def _list_classes(data: str, outputs: list[tuple[str, Path | None]]) -> None:
    from dataclasses import asdict

    from whitesquare.jobs.classes import classes_of

    found = classes_of(data)
    rows = [(one.name, str(one.label), str(one.train), "-" if one.test is None else str(one.test)) for one in found]
    table = ShownTable(f"Classes of {data}", ("name", "number", "train", "test"), rows, numbers=True)
    emit(outputs, lambda: [table], {"json": lambda: json.dumps([asdict(one) for one in found], indent=1) + "\n"})
