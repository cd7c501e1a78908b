"""The main job: the experiment on MNIST, its numbers and its report in one folder."""

import time
from dataclasses import replace
from pathlib import Path

from whitesquare._base.cache import Cache, default_cache
from whitesquare._base.files import write_text
from whitesquare._base.folders import output_folder
from whitesquare._base.machine import peak_memory_gb
from whitesquare._base.schema import encode
from whitesquare.data.gallery import write_gallery
from whitesquare.jobs.results import MEASUREMENT
from whitesquare.jobs.runs import GALLERY
from whitesquare.records import Measurement, Progress, silent
from whitesquare.report.measurement.page import write_report
from whitesquare.study.experiment import ExperimentPlan, run_experiment

_REPORT = "report.html"
_FIGURES = "figures"
_ROUNDS = 8
"""After these, no more is gained at the demo's rate of poisons; see docs/leaderboard.md."""


def run_demo(
    folder: Path,
    *,
    seeds: int = 3,
    device: str = "cpu",
    cache: Cache | None = None,
    on_progress: Progress = silent,
) -> Measurement:
    """Run the default plan and write ``measurement.json``, ``report.html``, ``figures/`` and ``gallery.npz``.

    Args:
        folder: where; see :func:`whitesquare._base.folders.check_output`.
        seeds: victims per data set.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
        cache: where crafted poison and victims are kept; default: the user's cache.
        on_progress: told how far each step is.
    """
    start = time.perf_counter()
    plan = ExperimentPlan(seeds=seeds, rounds=_ROUNDS, device=device, defended="adaptive")
    measurement, gallery = run_experiment(plan, cache=cache or default_cache(), on_progress=on_progress)
    with output_folder(folder, "demo", (MEASUREMENT, GALLERY, _REPORT, _FIGURES)) as part:
        drawing = time.perf_counter()
        on_progress("drawing the report", 0, 1)
        write_report(measurement, gallery, part / _REPORT, part / _FIGURES)
        write_gallery(part / GALLERY, gallery)
        on_progress("drawing the report", 1, 1)
        now = time.perf_counter()
        seconds = measurement.seconds | {"report": round(now - drawing, 3), "total": round(now - start, 3)}
        machine = measurement.machine | {"peak memory": f"{peak_memory_gb():.2f} GB"}
        measurement = replace(measurement, seconds=seconds, machine=machine)
        write_text(part / MEASUREMENT, encode(measurement))
    return measurement
