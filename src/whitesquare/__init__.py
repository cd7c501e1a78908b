"""whitesquare shows, measures and stops clean-label data poisoning in image classification.

The names below are its public face; each loads what it needs when it is first used, and not before.
"""

from typing import TYPE_CHECKING

from whitesquare._base.lazy import lazy_names

if TYPE_CHECKING:
    from whitesquare.attacks import poison
    from whitesquare.data import open_dataset
    from whitesquare.jobs.cleanse import cleanse
    from whitesquare.jobs.dossier import dossier
    from whitesquare.jobs.gate import gate
    from whitesquare.jobs.measure import measure
    from whitesquare.jobs.review import review
    from whitesquare.jobs.scan import scan
    from whitesquare.jobs.train import train
    from whitesquare.loops.losses import LossRecorder
    from whitesquare.loops.training import record_training
    from whitesquare.provenance.attest import attest
    from whitesquare.provenance.verify import verify
    from whitesquare.study.drill import drill

__version__ = "0.1.0"
__all__ = [
    "LossRecorder",
    "attest",
    "cleanse",
    "dossier",
    "drill",
    "gate",
    "measure",
    "open_dataset",
    "poison",
    "record_training",
    "review",
    "scan",
    "train",
    "verify",
]
__getattr__ = lazy_names(
    __name__,
    {
        "LossRecorder": "loops.losses",
        "attest": "provenance.attest",
        "cleanse": "jobs.cleanse",
        "dossier": "jobs.dossier",
        "drill": "study.drill",
        "gate": "jobs.gate",
        "measure": "jobs.measure",
        "open_dataset": "data.opening",
        "poison": "attacks",
        "record_training": "loops.training",
        "review": "jobs.review",
        "scan": "jobs.scan",
        "train": "jobs.train",
        "verify": "provenance.verify",
    },
)
