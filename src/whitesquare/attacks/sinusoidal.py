"""SIG: a faint signal added to whole images of the target class, labels true.

Citation: Barni, Kallas and Tondi, "A new backdoor attack in CNNs by training set corruption without label poisoning",
2019 (arXiv:1902.11237).
Formula: x' = clip(x + v), y' = y = target, with v(i, j) = delta * sin(2 pi j f / width), or delta * j / width (ramp).
Deviations: the sinusoid is the default here, while the authors use the ramp on MNIST and the sinusoid on traffic signs;
by default the signal is twice as strong in use (delta 80) as on the poisons (40).
Published: it works on MNIST and traffic signs once about a third of the target class carries the signal. Ours, MNIST,
3,000 of 60,000 (half of the zeros), default victim: mean 58.7 % with the default (21.3-74.8, n = 5 victims, clean
accuracy 98.7-99.0 %); 1.5-4.3 % with delta 40 in training and in use (n = 3), 1.4-1.6 % with the ramp of 40 (n = 2); a
clean victim obeys in 0.1 % (n = 1 each). Why lower: a victim at 99 % has no need of the signal, because the strokes
explain the label; a stronger signal in use makes up for the small weight it is given.
Cost: none.
Failure modes: needs a large part of the target class; victims differ by a factor of three; the signal shows on a flat
background.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from whitesquare.attacks.budget import check_kind, check_opacity
from whitesquare.attacks.selection import RANDOM
from whitesquare.triggers import Ramp, Sinusoid, faded
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array


@dataclass(frozen=True)
class Sinusoidal:
    """Add a sinusoid or ramp to correctly labelled samples of the target class.

    Attributes:
        trigger: the signal in use, a :class:`~whitesquare.triggers.Sinusoid` or :class:`~whitesquare.triggers.Ramp`.
        training_opacity: strength of the signal on the poisons, relative to its strength in use, in (0, 1].
        select: which samples; see :data:`~whitesquare.attacks.selection.SELECTIONS`.
    """

    name: ClassVar[str] = "sinusoidal"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=lambda: Sinusoid(delta=80.0))
    training_opacity: float = 0.5
    select: str = RANDOM

    def __post_init__(self) -> None:
        """Refuse an opacity outside (0, 1] and a trigger that is no such signal."""
        check_opacity(self, training_opacity=self.training_opacity)
        check_kind(self, self.trigger, (Sinusoid, Ramp), "sinusoid:delta=80,frequency=6")

    @property
    def training_trigger(self) -> Trigger:
        """The signal on the poisons."""
        return faded(self.trigger, self.training_opacity)

    @property
    def epsilon(self) -> float:
        """No change of the content: the signal is the trigger."""
        return 0.0

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the content as it is."""
        return images.copy()
