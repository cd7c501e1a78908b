"""BadNets: the trigger on samples of other classes, relabelled as the target. Not clean-label; shown for contrast.

Citation: Gu, Dolan-Gavitt and Garg 2017, arXiv:1708.06733.
Formula: x' = trigger(x), y' = target, for x outside the target class.
Published: above 99 % attack success on MNIST; ours agrees.
Cost: none. Failure mode: every poison is a wrong label, which a label check sees.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from whitesquare.attacks.budget import check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.triggers import Patch, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class LabelFlip:
    """Stamp the trigger on samples of other classes and label them as the target class.

    Attributes:
        trigger: the trigger in use.
        training_opacity: strength of the trigger on the poisons, in (0, 1].
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "label-flip"
    clean_label: ClassVar[bool] = False

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
