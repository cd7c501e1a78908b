"""Every detector by name, in a fixed order: one line each."""

from collections.abc import Callable

from whitesquare._base.promises import refuse_unless
from whitesquare.detectors.activation_clustering import ActivationClustering
from whitesquare.detectors.activation_gradients import ActivationGradients
from whitesquare.detectors.cognitive_distillation import CognitiveDistillation
from whitesquare.detectors.component_analysis import ComponentAnalysis
from whitesquare.detectors.contract import require_detector
from whitesquare.detectors.deep_knn import DeepNeighbours
from whitesquare.detectors.gradient_coherence import GradientCoherence
from whitesquare.detectors.grain_components import GrainComponents
from whitesquare.detectors.gram_density import GramDensity
from whitesquare.detectors.label_issues import ConfidentLearning
from whitesquare.detectors.latent_components import LatentComponents
from whitesquare.detectors.layer_likelihood import LayerLikelihood
from whitesquare.detectors.loss_isolation import LossIsolation
from whitesquare.detectors.loss_trajectories import LossTrajectories
from whitesquare.detectors.matched_filter import MatchedFilter
from whitesquare.detectors.noise_residual import NoiseResidual
from whitesquare.detectors.parameter_scaling import ParameterScaling
from whitesquare.detectors.patch_contrast import PatchContrast
from whitesquare.detectors.pixel_contrast import PixelContrast
from whitesquare.detectors.residual_components import ResidualComponents
from whitesquare.detectors.spectral_signatures import SpectralSignatures
from whitesquare.detectors.spectre import Spectre
from whitesquare.detectors.strip import Strip
from whitesquare.detectors.trigger_inversion import TriggerInversion
from whitesquare.detectors.types import Detector
from whitesquare.errors import unknown_name
from whitesquare.plugins import Registry

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
    MatchedFilter(),
    GrainComponents(),
    ActivationGradients(),
    ParameterScaling(),
    LayerLikelihood(),
)

DETECTORS: dict[str, Detector] = {detector.name: detector for detector in _ALL}
"""Every detector of ours by its name, with its default parameters. Imports no PyTorch."""


def _admit(kind: Callable[[], Detector]) -> Detector:
    """Make a detector with its default parameters, and check that it has all its parts and a rule of its own."""
    detector = kind()
    require_detector(detector)
    same = [one.name for one in (*DETECTORS.values(), *KNOWN_DETECTORS.loaded) if one.rule_id == detector.rule_id]
    refuse_unless(not same, detector, f"must have a rule id of its own; {detector.rule_id} is that of {same}")
    return detector


KNOWN_DETECTORS = Registry("detector", DETECTORS, _admit, ("all", "default", "fused", "id", "label"))
"""Ours and those of other packages; a scan runs the latter when they are named."""


def find_rule(text: str) -> Detector:
    """Return the detector of a rule id or a name, in upper or lower case; ours first.

    Raises:
        UsageError: if there is none, with the nearest name.
        ContractError: another package brings the detector of that name, and it is broken.
    """
    wanted = text.strip().lower()
    for detector in DETECTORS.values():
        if wanted in (detector.name, detector.rule_id.lower()):
            return detector
    if KNOWN_DETECTORS.knows(wanted):
        return KNOWN_DETECTORS[wanted]
    brought = [one.thing for one in KNOWN_DETECTORS.brought() if one.thing]
    for detector in brought:
        if wanted == detector.rule_id.lower():
            return detector
    every = (*DETECTORS.values(), *brought)
    known = [*(detector.name for detector in every), *(detector.rule_id for detector in every)]
    raise unknown_name("detector or rule", text, known)
