"""The scan from end to end: gather the evidence, then judge it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare.records import PoisonManifest, Progress, silent
from whitesquare.scanning.gather import ScanClock, gather
from whitesquare.scanning.judge import judge
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.types import Scan
from whitesquare.types import ImageDataset

if TYPE_CHECKING:
    from whitesquare.learning.given import Given


def run_scan(
    dataset: ImageDataset,
    settings: ScanSettings,
    *,
    source: str = "",
    model: "Given | None" = None,
    reference: ImageDataset | None = None,
    truth: PoisonManifest | None = None,
    skipped: dict[str, str] | None = None,
    left_out: Sequence[int] = (),
    on_progress: Progress = silent,
) -> Scan:
    """Scan a training set.

    Args:
        dataset: what to scan.
        settings: how.
        source: its name or path, for the report.
        model: a model trained on it: its path, a model of ours, a network, or any classifier; ``None`` trains the
            scan's own.
        reference: samples said to be clean: p-values are computed against them, and they decide nothing else.
        truth: ground truth; only used to measure the ranking, never to find anything.
        skipped: files left out while reading, with the reason.
        left_out: how many of them belong to each class, by label.
        on_progress: told how far each step is.

    Raises:
        NothingToDoError: no images, or images of one class only.
        UsageError: a model or reference that does not fit.
    """
    clock = ScanClock()
    # Features lie in a file of this folder, which the evidence reads to the end.
    with tempfile.TemporaryDirectory(prefix="whitesquare-") as folder:
        gathered = gather(
            dataset,
            settings,
            Path(folder),
            model=model,
            reference=reference,
            clock=clock,
            on_progress=on_progress,
        )
        return judge(gathered, settings, truth=truth, source=source, skipped=skipped, left_out=left_out, clock=clock)
