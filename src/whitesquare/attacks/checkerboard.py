"""Checkerboard: a faint board over whole, smooth images of the target class, labels true.

Citation: Yang et al., "Checkerboard: a simple, effective, efficient and learning-free clean label backdoor attack with
low poisoning budget", 2026 (arXiv:2605.01298).
Formula: x' = clip(x + a (-1)^(floor(i / c) + floor(j / c))), y' = y = target, with amplitude a = 10 grey levels and
cells of c = 1 pixel, on the images of the target class with the lowest complexity; in use the same, or stronger.
Deviations: only the abstract was read: the measure of complexity is ours (see ``selection``), and every channel gets
the same board.
Published: 99.99 % on CIFAR-10 with 20 poisons (0.04 %) at 10/255; above 94 % on ImageNet-100 with 0.46 %.
Ours, n = 1 each. 20,000 images of CIFAR-10, target 3, victim ``cnn-bn`` (67 %), amplitude in use 10 / 16, a clean
victim 6.3 / 7.0 %: 250 smooth poisons 79.2 / 96.9 %, 250 by chance 86.0 / 99.2 %, 20 smooth ones 12.8 / 21.6 %. The
default network (5x5 filters of stride 2, 56 %) on 25,000: 5.6-6.5 % with all of them, as a clean one. MNIST, 1,000 of
20,000: 0.2 %, with 40 grey levels in training and in use 50.7 %.
Cost: none; one pass over the pixels of the class to select.
Failure modes: networks whose first layer skips pixels; anything that blurs or rescales a picture, since the board is
one frequency, the highest there is. A clean victim may obey the board in part, so compare with one.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from whitesquare.attacks.budget import check_kind, check_opacity
from whitesquare.triggers import Checkered, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class FullCheckerboard:
    """Add a faint full-image checkerboard to correctly labelled, smooth samples of the target class.

    Attributes:
        trigger: the board in use, a :class:`~whitesquare.triggers.Checkered`.
        training_opacity: amplitude of the board on the poisons, relative to that in use, in (0, 1].
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "checkerboard"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Checkered)
    training_opacity: float = 1.0
    select: str = "complexity"

    def __post_init__(self) -> None:
        """Refuse an opacity outside (0, 1] and a trigger that is no such board."""
        check_opacity(self, training_opacity=self.training_opacity)
        check_kind(self, self.trigger, (Checkered,), "checkered:amplitude=10,cell=1")

    @property
    def training_trigger(self) -> Trigger:
        """The board on the poisons."""
        return faded(self.trigger, self.training_opacity)

    @property
    def epsilon(self) -> float:
        """No change of the content: the board is the trigger."""
        return 0.0

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the content as it is."""
        return images.copy()
