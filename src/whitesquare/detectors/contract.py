"""What every detector has, ours or another package's."""

import re

import numpy as np

from whitesquare._base.promises import refuse_unless, require_frozen
from whitesquare.detectors.types import FAMILIES, NEEDS, Detector, Evidence, Suspicion


def require_detector(detector: Detector) -> None:
    """Refuse a detector that lacks a part.

    Raises:
        ContractError: naming the promise that was broken.
    """
    require_frozen(detector, "score")
    refuse_unless(isinstance(detector.name, str) and detector.name != "", detector, "must have a name")
    rule = isinstance(detector.rule_id, str) and re.fullmatch("[A-Z]{2}[0-9]{2}", detector.rule_id) is not None
    refuse_unless(rule, detector, "must have a rule id of two capital letters and two digits")
    refuse_unless(detector.family in FAMILIES, detector, f"must be of one of the families {', '.join(FAMILIES)}")
    needs = isinstance(detector.needs, frozenset) and detector.needs <= set(NEEDS)
    refuse_unless(needs, detector, f"must need nothing but {', '.join(NEEDS)}")


def require_suspicion(detector: Detector, found: Suspicion, evidence: Evidence) -> None:
    """Refuse scores that are not one finite float32, or NaN, for each sample and each class.

    Raises:
        ContractError: naming the promise that was broken.
    """
    for name, size in (("scores", len(evidence.labels)), ("class_stats", len(evidence.classes))):
        value = np.asarray(getattr(found, name, None))
        refuse_unless(value.dtype == np.float32, detector, f"must give {name} as float32; got {value.dtype}")
        refuse_unless(value.shape == (size,), detector, f"must give {name} of the shape {(size,)}; got {value.shape}")
        refuse_unless(not np.isinf(value).any(), detector, f"must give finite {name}, or NaN for what it did not score")
