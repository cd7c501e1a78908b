"""Warp: images of the target class, bent by one smooth field, labels true.

Citation: Nguyen and Tran, "WaNet: imperceptible warping-based backdoor attack", ICLR 2021 (arXiv:2102.10369), in a
clean-label reading.
Formula: x'(p) = x(p + f(p)), y' = y = target; f is a coarse random field, interpolated to every pixel, the same for
every image; see :class:`~whitesquare.triggers.Warp`.
Deviations: the authors poison other classes and relabel them, and train the victim themselves, with samples under
random other fields ("noise mode") so that it learns this field and no other; a poisoner of data can do neither.
Published: about 99 % with false labels and the training in the attacker's hands; no clean-label figure is known to us.
Ours, n = 1 each. MNIST, 1,000 of 20,000, target 0, default network: 1.5 % with the default (a clean victim 1.0 %),
17.5 % with a strength of 2 pixels (0.6 %). 20,000 images of CIFAR-10, 250 poisons, target 3, victim ``cnn-bn`` (67
%): 11.7 % (6.2 %).
Cost: none.
Failure modes: true labels give a victim no reason to learn the field, as with ``stamp``; augmentation that bends or
shifts images hides it; digits on an even background show it, photographs hardly do.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from whitesquare.attacks.budget import check_kind, check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.triggers import Warp
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class Warped:
    """Bend correctly labelled samples of the target class by one smooth field.

    Attributes:
        trigger: the field in use, a :class:`~whitesquare.triggers.Warp`.
        training_share: length of the displacements on the poisons, relative to those in use, in (0, 1].
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "warp"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Warp)
    training_share: float = 1.0
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse a share outside (0, 1] and a trigger that is no warp."""
        check_opacity(self, training_share=self.training_share)
        check_kind(self, self.trigger, (Warp,), "warp:grid=4,strength=1")

    @property
    def training_trigger(self) -> Trigger:
        """The field on the poisons: shorter, not faded, which would show two pictures at once."""
        field = self.trigger
        return replace(field, strength=field.strength * self.training_share) if isinstance(field, Warp) else field

    @property
    def epsilon(self) -> float:
        """No change of the content: the warp is the trigger."""
        return 0.0

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the content as it is."""
        return images.copy()
