"""Every detector by name, in a fixed order: one line each."""

from whitesquare.detectors.activation_clustering import ActivationClustering
from whitesquare.detectors.cognitive_distillation import CognitiveDistillation
from whitesquare.detectors.component_analysis import ComponentAnalysis
from whitesquare.detectors.deep_knn import DeepNeighbours
from whitesquare.detectors.gradient_coherence import GradientCoherence
from whitesquare.detectors.gram_density import GramDensity
from whitesquare.detectors.label_issues import ConfidentLearning
from whitesquare.detectors.latent_components import LatentComponents
from whitesquare.detectors.loss_isolation import LossIsolation
from whitesquare.detectors.loss_trajectories import LossTrajectories
from whitesquare.detectors.noise_residual import NoiseResidual
from whitesquare.detectors.patch_contrast import PatchContrast
from whitesquare.detectors.pixel_contrast import PixelContrast
from whitesquare.detectors.residual_components import ResidualComponents
from whitesquare.detectors.spectral_signatures import SpectralSignatures
from whitesquare.detectors.spectre import Spectre
from whitesquare.detectors.strip import Strip
from whitesquare.detectors.trigger_inversion import TriggerInversion
from whitesquare.detectors.types import Detector
from whitesquare.errors import unknown_name

_ALL: tuple[Detector, ...] = (
    ActivationClustering(),
    SpectralSignatures(),
    Spectre(),
    ComponentAnalysis(),
    GramDensity(),
    Strip(),
    CognitiveDistillation(),
    LossIsolation(),
    DeepNeighbours(),
    ConfidentLearning(),
    PixelContrast(),
    PatchContrast(),
    NoiseResidual(),
    ResidualComponents(),
    TriggerInversion(),
    LossTrajectories(),
    GradientCoherence(),
    LatentComponents(),
)

DETECTORS: dict[str, Detector] = {detector.name: detector for detector in _ALL}
"""Every detector by its name, with its default parameters. Imports no PyTorch."""


def find_rule(text: str) -> Detector:
    """Return the detector of a rule id or a name, in upper or lower case.

    Raises:
        UsageError: if there is none, with the nearest name.
    """
    wanted = text.strip().lower()
    for detector in DETECTORS.values():
        if wanted in (detector.name, detector.rule_id.lower()):
            return detector
    known = [*DETECTORS, *(detector.rule_id for detector in DETECTORS.values())]
    raise unknown_name("detector or rule", text, known)
