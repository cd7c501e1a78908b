"""Results in MLflow, through its own client and a store of files; what a tracker is told, without any."""

import json
import math
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from whitesquare.cli import app
from whitesquare.cli.exits import FINDINGS, UNDECIDED
from whitesquare.errors import UsageError
from whitesquare.report.measurement.tracked import tracked_victim
from whitesquare.report.scan.tracked import tracked_scan
from whitesquare.scanning.losses import RecordedTraining
from whitesquare.scanning.types import Scan

from .sample import DIGITS, share, victim
from .scan_sample import result as sample_result
from .scan_sample import scores


def test_what_a_tracker_is_told_of_a_scan_is_what_the_scan_found(tmp_path):
    scan = Scan(sample_result(), scores(60_000), ())
    scan = replace(
        scan,
        result=replace(
            scan.result,
            losses=RecordedTraining(3, 10, "plain", "ab" * 32),
            learned=share("learned", 0.9),
            seconds={"a b": 1.0, "c": math.nan},
        ),
    )
    told = tracked_scan(scan)
    assert told.metrics["samples"] == scan.result.size
    assert told.metrics["alarms_confirmed"] == sum(one.tier == "confirmed" for one in scan.result.alarms)
    assert told.metrics["learned_low"] == scan.result.learned.low
    assert (told.metrics["seconds_a_b"], told.metrics.get("seconds_c")) == (1.0, None)
    assert told.params["losses"] == "ab" * 32
    assert told.tags["whitesquare.verdict"] == scan.result.verdict
    assert all(math.isfinite(value) and re.fullmatch(r"[\w.-]+", name) for name, value in told.metrics.items())
    for name, write in told.files.items():
        write(tmp_path / name)
    assert json.loads((tmp_path / "scan.json").read_text())["verdict"] == scan.result.verdict
    assert {path.name for path in tmp_path.iterdir()} == {"scan.json", "scan.html", "scores.parquet"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder that MLflow keeps runs in, and its client."""
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    uri = (tmp_path / "runs").as_uri()
    return uri, mlflow.MlflowClient(tracking_uri=uri)


def runs_of(client, name="whitesquare"):
    return client.search_runs([client.get_experiment_by_name(name).experiment_id])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_scan_is_logged_as_a_run_with_its_files(store, monkeypatch):
    uri, client = store
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "poison")
    monkeypatch.setenv("MLFLOW_RUN_ID", "a" * 32)
    command = ["scan", "mnist", "--model-free", "--detectors", "noise-residual", "-o", f"mlflow={uri}", "-o", "json"]
    done = CliRunner().invoke(app, command)
    found = json.loads(done.stdout)
    assert "Logged 'scan mnist' to MLflow" in done.stderr, done.output
    (run,) = runs_of(client, "poison")
    assert (run.info.status, run.data.metrics["samples"]) == ("FINISHED", 60_000)
    assert run.data.params["digest"] == found["digest"]
    assert run.data.tags["whitesquare.verdict"] == found["verdict"]
    assert run.data.tags["mlflow.parentRunId"] == "a" * 32
    names = [one.path for one in client.list_artifacts(run.info.run_id)]
    assert names == ["scan.html", "scan.json", "scores.parquet"]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_measurement_is_logged_with_its_intervals(store):
    from whitesquare.report.trackers.mlflow import open_mlflow

    uri, client = store
    found = victim(DIGITS, target=0, seed=7, ca=0.98, asr=0.9, seen=2.0)
    open_mlflow(uri).log(tracked_victim(found, "run/victim"))
    (run,) = runs_of(client)
    assert run.data.metrics["attack_success_rate_high"] == pytest.approx(found.asr.high)
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["victim.json"]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_run_that_cannot_be_completed_is_marked_as_failed(store):
    from whitesquare.report.trackers.mlflow import open_mlflow

    uri, client = store

    def refuse(path):
        raise OSError("no space")

    told = replace(tracked_scan(Scan(sample_result(), scores(60_000), ())), files={"scan.json": refuse})
    with pytest.raises(UsageError, match="no space"):
        open_mlflow(uri).log(told)
    assert [run.info.status for run in runs_of(client)] == ["FAILED"]


def test_a_tracker_that_refuses_ends_the_command_before_the_scan(tmp_path):
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["scan", str(tmp_path / "nothing"), "--model-free", "-o", f"mlflow={tmp_path}/file"])
    assert (done.exit_code, "MLflow at" in done.stderr) == (UNDECIDED, True)


def test_an_address_is_asked_for_where_none_is_given():
    done = CliRunner().invoke(app, ["scan", "mnist", "--model-free", "-o", "mlflow="])
    assert (done.exit_code, "names no address" in done.stderr) == (UNDECIDED, True)
    assert done.exit_code != FINDINGS
