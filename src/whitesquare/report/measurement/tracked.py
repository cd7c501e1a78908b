"""A measured victim as a run of a tracker."""

from whitesquare._base.files import write_text
from whitesquare._base.schema import encode
from whitesquare.records import VICTIM, VictimResult
from whitesquare.report.trackers.types import TrackedRun, interval


def tracked_victim(victim: VictimResult, model: str) -> TrackedRun:
    """Return what a tracker is told of a measurement: clean accuracy and attack success, with their intervals.

    Args:
        victim: what was measured, under one trigger.
        model: name or path of the model.
    """
    return TrackedRun(
        name=f"measure {model}",
        metrics={
            **interval("clean_accuracy", victim.ca),
            **interval("attack_success_rate", victim.asr),
            "visibility": victim.visibility,
        },
        params={
            "model": model,
            "architecture": victim.model,
            "seed": str(victim.seed),
            "trigger": victim.trigger,
            "target": str(victim.target),
            "trained_on": victim.trained_on,
        },
        files={VICTIM: lambda path: write_text(path, encode(victim))},
    )
