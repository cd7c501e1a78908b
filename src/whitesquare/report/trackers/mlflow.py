"""Results as runs of MLflow, through its own client: a server, a database or a folder, whatever the URI names."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from whitesquare._base.safe_text import printable
from whitesquare.errors import UsageError, require_extra
from whitesquare.report.trackers.types import TrackedRun

EXPERIMENT = "whitesquare"
"""Name of the experiment where ``MLFLOW_EXPERIMENT_NAME`` gives none."""
_LONGEST = 500


@dataclass(frozen=True)
class MlflowExperiment:
    """An experiment that runs are logged to; made by :func:`open_mlflow`.

    Attributes:
        client: of MLflow.
        uri: of its tracking store.
        id: of the experiment.
    """

    client: Any
    uri: str
    id: str

    def log(self, tracked: TrackedRun) -> str:
        """Log a result as a run of its own, below the run that ``MLFLOW_RUN_ID`` names, if it names one.

        Returns:
            The id of the run.

        Raises:
            UsageError: MLflow refused; the run is marked as failed, if it was begun.
        """
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException

        now = int(time.time() * 1000)
        parent = os.environ.get("MLFLOW_RUN_ID")
        tags = dict(tracked.tags) | ({"mlflow.parentRunId": parent} if parent else {})
        run = ""
        try:
            run = str(self.client.create_run(self.id, start_time=now, run_name=tracked.name).info.run_id)
            self.client.log_batch(
                run,
                metrics=[Metric(name, value, now, 0) for name, value in tracked.metrics.items()],
                params=[Param(name, _short(value)) for name, value in tracked.params.items()],
                tags=[RunTag(name, _short(value)) for name, value in tags.items()],
            )
            with TemporaryDirectory(prefix="whitesquare-mlflow-") as folder:
                for name, write in tracked.files.items():
                    write(Path(folder) / name)
                self.client.log_artifacts(run, folder)
            self.client.set_terminated(run, "FINISHED")
        except (MlflowException, OSError) as error:
            if run:
                self._failed(run)
            raise _refused(self.uri, error) from error
        return run

    def _failed(self, run: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.set_terminated(run, "FAILED")
        except (MlflowException, OSError):
            return  # the store that refused the run is as likely to refuse this; the first error is the one to tell


def open_mlflow(uri: str | None = None) -> MlflowExperiment:
    """Find or make the experiment, before anything is computed that could not be logged then.

    Args:
        uri: of the tracking store, such as ``http://host:5000``, ``sqlite:///runs.db`` or a folder; default: that of
            MLflow, see ``MLFLOW_TRACKING_URI``.

    Raises:
        MissingDependencyError: MLflow is not installed.
        UsageError: it cannot be reached, or refuses.
    """
    require_extra("mlflow", "mlflow", "-o mlflow")
    import mlflow
    from mlflow.exceptions import MlflowException

    place = uri or str(mlflow.get_tracking_uri())
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    try:
        client = mlflow.MlflowClient(tracking_uri=place)
        known = client.get_experiment_by_name(name)
        found = client.create_experiment(name) if known is None else known.experiment_id
    except (MlflowException, OSError, ImportError) as error:
        raise _refused(place, error) from error
    return MlflowExperiment(client, place, str(found))


def _short(value: str) -> str:
    text = printable(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _refused(uri: str, error: Exception) -> UsageError:
    said = " ".join(str(error).split())[:600].rstrip(" .")
    return UsageError(
        f"MLflow at {uri} refused: {said}; check the URI (-o mlflow=URI, or MLFLOW_TRACKING_URI) and that it can be "
        "written to."
    )
