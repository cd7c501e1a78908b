"""whitesquare shows, measures and stops clean-label data poisoning in image classification.

The names below are its public face; each loads what it needs when it is first used, and not before.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whitesquare.attacks import poison
    from whitesquare.data import open_dataset
    from whitesquare.jobs.cleanse import cleanse
    from whitesquare.jobs.gate import gate
    from whitesquare.jobs.measure import measure
    from whitesquare.jobs.scan import scan
    from whitesquare.learning.train import train
    from whitesquare.provenance.attest import attest
    from whitesquare.provenance.verify import verify
    from whitesquare.study.drill import run_drill as drill

__version__ = "0.1.0"
__all__ = ["attest", "cleanse", "drill", "gate", "measure", "open_dataset", "poison", "scan", "train", "verify"]
_HOMES = {
    "attest": ("provenance.attest", "attest"),
    "cleanse": ("jobs.cleanse", "cleanse"),
    "drill": ("study.drill", "run_drill"),
    "gate": ("jobs.gate", "gate"),
    "measure": ("jobs.measure", "measure"),
    "open_dataset": ("data", "open_dataset"),
    "poison": ("attacks", "poison"),
    "scan": ("jobs.scan", "scan"),
    "train": ("learning.train", "train"),
    "verify": ("provenance.verify", "verify"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, own = _HOMES[name]
    return getattr(import_module(f"{__name__}.{home}"), own)
