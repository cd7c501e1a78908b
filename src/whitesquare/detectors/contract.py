"""What every detector has, ours or another package's."""

import re

from whitesquare._base.promises import refuse_unless, require_frozen
from whitesquare.detectors.types import FAMILIES, NEEDS, Detector


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
