"""``whitesquare explain``: what a rule looks for."""

from typing import Annotated

import typer

from whitesquare.cli.completion import rule_names
from whitesquare.cli.exits import emit, exit_codes, read_outputs
from whitesquare.cli.options import Outputs


def explain(
    rule: Annotated[
        str,
        typer.Argument(
            help="Id of a rule as a report names it, or the name of its detector.", autocompletion=rule_names
        ),
    ],
    output: Outputs = None,
) -> None:
    """Explain a rule: what it looks for, where it is published, what it costs, when it fails."""
    with exit_codes():
        from whitesquare._base.schema import encode
        from whitesquare.report.scan import rules

        outputs = read_outputs(output, "table", "json")
        found = rules.explain(rule)
        emit(outputs, lambda: rules.shown(found), {"json": lambda: encode(found)})
