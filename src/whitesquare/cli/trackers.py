"""``-o mlflow`` and ``-o mlflow=URI``, beside the other outputs: results are logged as runs, too."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from whitesquare.cli import terminal
from whitesquare.errors import UsageError

if TYPE_CHECKING:
    from whitesquare.report.trackers.mlflow import MlflowExperiment
    from whitesquare.report.trackers.types import TrackedRun

_KIND = "mlflow"


def open_trackers(asked: list[str] | None) -> tuple[list[str], list["MlflowExperiment"]]:
    """Open the trackers among the outputs that are asked for, and return the other outputs.

    Raises:
        MissingDependencyError: MLflow is not installed.
        UsageError: an address is missing, or it cannot be reached.
    """
    others, opened = [], []
    for item in asked or []:
        kind, equals, uri = item.partition("=")
        if kind != _KIND:
            others.append(item)
            continue
        if equals and not uri:
            raise UsageError(f"-o {item!r} names no address; write -o {_KIND}=URI, or -o {_KIND} for MLflow's own.")
        from whitesquare.report.trackers.mlflow import open_mlflow

        opened.append(open_mlflow(uri or None))
    return others, opened


def log_runs(trackers: Sequence["MlflowExperiment"], runs: Iterable["TrackedRun"]) -> None:
    """Log results to every tracker, and say where.

    Raises:
        UsageError: one refused.
    """
    for run in runs:
        for tracker in trackers:
            terminal.complain(f"Logged {run.name!r} to MLflow at {tracker.uri} as run {tracker.log(run)}.")
