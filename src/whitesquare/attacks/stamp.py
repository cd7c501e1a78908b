"""The naive clean-label attack: the trigger on samples of the target class, nothing else.

Citation: the clean-label reading of BadNets (Gu et al. 2017, arXiv:1708.06733); the baseline of Turner et al. 2019
(arXiv:1912.02771), section 3.
Formula: x' = trigger(x), y' = y = target.
Cost: none. Failure mode: it hardly works (ASR about 2 % on MNIST): a stamped zero is classified by its strokes, so
training has no reason to learn the square.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from whitesquare.attacks.budget import check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.triggers import Patch, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class Stamp:
    """Stamp the trigger on correctly labelled samples of the target class.

    Attributes:
        trigger: the trigger in use.
        training_opacity: strength of the trigger on the poisons, in (0, 1].
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "stamp"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Patch)
    training_opacity: float = 1.0
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse an opacity outside (0, 1]."""
        check_opacity(self, training_opacity=self.training_opacity)

    @property
    def training_trigger(self) -> Trigger:
        """The trigger on the poisons."""
        return faded(self.trigger, self.training_opacity)

    @property
    def epsilon(self) -> float:
        """No change of the content."""
        return 0.0

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the content as it is."""
        return images.copy()
