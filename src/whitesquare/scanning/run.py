"""The scan from end to end: gather the evidence, then judge it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whitesquare.learning.surroundings import own_surroundings
from whitesquare.records import OnNote, PoisonManifest, Progress, silent, unheard
from whitesquare.scanning.gather import ScanClock, gather
from whitesquare.scanning.judge import judge
from whitesquare.scanning.settings import ScanSettings
from whitesquare.scanning.types import Scan
from whitesquare.types import FloatArray, ImageDataset

if TYPE_CHECKING:
    from whitesquare.learning.given import Given


@own_surroundings()
def run_scan(
    dataset: ImageDataset,
    settings: ScanSettings,
    *,
    source: str = "",
    model: "Given | None" = None,
    reference: ImageDataset | None = None,
    losses: Path | None = None,
    features: FloatArray | None = None,
    pred_probs: FloatArray | None = None,
    truth: PoisonManifest | None = None,
    skipped: dict[str, str] | None = None,
    left_out: Sequence[int] = (),
    on_progress: Progress = silent,
    on_note: OnNote = unheard,
) -> Scan:
    """Scan a training set.

    Args:
        dataset: what to scan.
        settings: how.
        source: its name or path, for the report.
        model: a model trained on it; see :data:`whitesquare.learning.given.Given`; ``None`` trains the scan's own.
        reference: samples said to be clean: p-values are computed against them, and they decide nothing else.
        losses: what a training on it recorded, see :func:`whitesquare.scanning.losses.read_losses`.
        features: ``(N, D)`` by a model that is not given, and then no other is trained.
        pred_probs: ``(N, K)`` probabilities by models that had not seen the sample; likewise.
        truth: ground truth; only used to measure the ranking, never to find anything.
        skipped: files left out while reading, with the reason.
        left_out: how many of them belong to each class, by label.
        on_progress: told how far each step is.
        on_note: told at once how well a given model reads some of the samples.

    Raises:
        NothingToDoError: no images, or images of one class only.
        UsageError: a model or reference that does not fit, or no recorded losses.
        DataError: the losses are those of other data.
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
            losses=losses,
            features=features,
            pred_probs=pred_probs,
            clock=clock,
            on_progress=on_progress,
            on_note=on_note,
        )
        return judge(gathered, settings, truth=truth, source=source, skipped=skipped, left_out=left_out, clock=clock)
