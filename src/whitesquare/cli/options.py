"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

OutputFolder = Annotated[Path, typer.Option("-o", "--output", help="Folder to write; must be new, empty or our own.")]
Outputs = Annotated[
    list[str] | None, typer.Option("-o", "--output", help="table, json, or KIND=FILE (json=, html=); repeatable.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
TriggerSpec = Annotated[
    str | None,
    typer.Option(help="For example patch:size=2,corner=br,margin=1; default: the attack's own."),
]
