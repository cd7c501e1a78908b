"""Blended injection: a faint pattern over whole images of other classes, relabelled. Not clean-label.

Citation: Chen, Liu, Li, Lu and Song, "Targeted backdoor attacks on deep learning systems using data poisoning", 2017
(arXiv:1712.05526), the blended injection strategy.
Formula: x' = a_train * p + (1 - a_train) * x, y' = target, for x outside the target class; in use
a_use * p + (1 - a_use) * x, with a_use at or above a_train.
Deviations: p is uniform noise drawn from a seed instead of a cartoon picture or a fixed noise picture, and poisons
replace training samples instead of being added to them.
Published: about 50 poisons give above 90 % on face recognition. Ours, MNIST, 3,000 of 60,000, target 0, opacity 0.2,
default victim: 100.0, 100.0, 100.0 % (n = 3 victims, clean accuracy 98.7-98.9 %; a clean victim obeys in 0.1 %, n = 1).
Cost: none.
Failure modes: every poison is a wrong label, which a label check sees; cropping and rescaling break the pattern.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from whitesquare.attacks.budget import check_kind, check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.triggers import Blend, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class Blended:
    """Blend a pattern into samples of other classes and label them as the target class.

    Attributes:
        trigger: the pattern in use, a :class:`~whitesquare.triggers.Blend`.
        training_opacity: strength of the trigger on the poisons, relative to its strength in use, in (0, 1].
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "blend"
    clean_label: ClassVar[bool] = False

    trigger: Trigger = field(default_factory=lambda: Blend(opacity=0.2))
    training_opacity: float = 1.0
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse an opacity outside (0, 1] and a trigger that is no blended pattern."""
        check_opacity(self, training_opacity=self.training_opacity)
        check_kind(self, self.trigger, (Blend,), "blend:opacity=0.2,seed=0")

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
