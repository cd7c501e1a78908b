"""What a tracker of experiments is told of a result, whichever tracker it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from whitesquare.records import Estimate


@dataclass(frozen=True)
class TrackedRun:
    """One result as a run.

    Attributes:
        name: of the run.
        metrics: figures by name; only finite ones.
        params: settings by name.
        tags: what runs are searched by.
        files: by name, what writes it to a path.
    """

    name: str
    metrics: Mapping[str, float]
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)


def interval(name: str, found: Estimate | None) -> dict[str, float]:
    """Return a share and the ends of its interval as metrics; none where it was not measured."""
    return {} if found is None else {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
