"""How work is cut into shards, and where they are read: options of the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whitesquare.errors import require_extra

if TYPE_CHECKING:
    from whitesquare.executor.engine import Way

Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Scan in shards, in bounded memory, by so many processes (with --ray: actors); see docs/scale.md."
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option("--ray", help="Scan in shards on the Ray cluster at that address; --resume names a shared folder."),
]
ResumeFolder = Annotated[
    Path | None,
    typer.Option("--resume", help="Scan in shards, keep in that folder what is done, and go on from there."),
]

HashWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Read by so many processes (with --ray: actors); the result is the same.",
    ),
]
HashRay = Annotated[
    str | None,
    typer.Option("--ray", help="Read on the Ray cluster at that address; --resume names a shared folder."),
]
HashResume = Annotated[
    Path | None, typer.Option("--resume", help="Keep in that folder what was read, and go on from there.")
]


def open_way(workers: int | None, ray: str | None, resume: Path | None) -> "Way | None":
    """Return how shards are read; ``None`` if nothing of it is asked for.

    Raises:
        UsageError: a cluster without a folder that its nodes share.
        MissingDependencyError: Ray Data or NumPy is not installed.
    """
    if workers is None and ray is None and resume is None:
        return None
    if ray is not None:
        require_extra("ray", "ray", "--ray")
        require_extra("pyarrow", "ray", "--ray")
    require_extra("numpy", "scan", "--workers, --ray and --resume")
    from whitesquare.executor.engine import Way

    return Way(workers=workers, ray=ray, folder=resume)
