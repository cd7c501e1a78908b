"""What a scan is asked to do."""

from dataclasses import dataclass, field

from whitesquare.detectors.registry import DETECTORS, KNOWN_DETECTORS
from whitesquare.learning.recipes import Recipe, check_seed
from whitesquare.scanning.transplant import TransplantTest

SLOW = ("spectre", "gram-density", "strip", "cognitive-distillation", "deep-knn", "agpd", "ibd-psc", "flare")
"""Detectors that a default scan leaves out: they take longer than all others together, or need trusted samples too."""
DEFAULT = tuple(name for name in DETECTORS if name not in SLOW)


@dataclass(frozen=True)
class ScanSettings:
    """How to scan.

    Attributes:
        seed: of everything random.
        detectors: names of the detectors to run; those of other packages run only if they are named.
        model_free: train and use no model; then nothing can be confirmed.
        recipe: of the scan's own models; ``None`` chooses it by the data.
        test: settings of the transplant test.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
    """

    seed: int = 0
    detectors: tuple[str, ...] = DEFAULT
    model_free: bool = False
    recipe: Recipe | None = None
    test: TransplantTest = field(default_factory=TransplantTest)
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse detectors that are unknown, naming the nearest one, or broken, and a seed that is none."""
        check_seed(self.seed)
        for name in self.detectors:
            KNOWN_DETECTORS[name]
