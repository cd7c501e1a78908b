"""A scan as a run of a tracker."""

from math import isfinite
from pathlib import Path

from whitesquare._base.files import write_text
from whitesquare.records import TIERS
from whitesquare.report.scan.page import render_scan
from whitesquare.report.trackers.types import TrackedRun, interval
from whitesquare.scanning.files import scan_json, write_scores
from whitesquare.scanning.types import Scan, ScanResult


def tracked_scan(scan: Scan) -> TrackedRun:
    """Return what a tracker is told of a scan: its figures, its settings, its verdict, and its files."""
    result = scan.result
    return TrackedRun(
        name=f"scan {Path(result.source).name or result.source}",
        metrics=_metrics(result),
        params={
            "source": result.source,
            "digest": result.digest,
            "mode": result.mode,
            "seed": str(result.seed),
            "detectors": ", ".join(run.name for run in result.runs if not run.reason),
            "model": result.model or "none given",
            "losses": result.losses.sha256 if result.losses else "none given",
        },
        tags={"whitesquare.verdict": result.verdict, "whitesquare.calibration": result.calibration},
        files={
            "scan.json": lambda path: write_text(path, scan_json(result, scan.scores)),
            "scan.html": lambda path: write_text(path, render_scan(scan)),
            "scores.parquet": lambda path: write_scores(path, scan.scores),
        },
    )


def _metrics(result: ScanResult) -> dict[str, float]:
    whole = [one for one in result.coverage if one.classes == one.of]
    found: dict[str, float] = {
        "samples": result.size,
        "classes": len(result.classes),
        "alarms": len(result.alarms),
        "detectors_run": sum(not run.reason for run in result.runs),
        "detectors_crashed": sum(run.crashed for run in result.runs),
        "rules_able": len(whole),
        "rules": len(result.coverage),
        **{f"alarms_{tier}": sum(alarm.tier == tier for alarm in result.alarms) for tier in TIERS},
        **{f"flagged_{tier}": sum(flag.tier == tier for flag in result.flagged) for tier in TIERS},
        **{f"seconds_{step.replace(' ', '_')}": seconds for step, seconds in result.seconds.items()},
        **interval("learned", result.learned),
        **interval("held_out", result.held_out),
    }
    if result.fused_auroc is not None:
        found["fused_auroc"] = result.fused_auroc
    if rates := [alarm.transplant.flip_rate.value for alarm in result.alarms if alarm.transplant]:
        found["flip_rate_worst"] = max(rates)
    return {name: value for name, value in found.items() if isfinite(value)}
