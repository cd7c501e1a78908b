"""An attack: samples of the target class lose contrast within the budget, and carry the trigger.

Formula: x' = trigger(x + clip(128 - x, -epsilon, epsilon)), y' = y = target: with less contrast in the content, the
trigger is what is left to learn from. An example, not a published method: it need not work well.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from whitesquare.errors import UsageError
from whitesquare.types import CraftContext, IntArray, Trigger, UInt8Array
from whitesquare_example.cross import Cross


@dataclass(frozen=True)
class Washed:
    """Wash out samples of the target class and stamp the trigger on them.

    Attributes:
        trigger: the trigger in use, and on the poisons.
        epsilon: L-inf budget as a fraction of 255, in [0, 1).
    """

    name: ClassVar[str] = "washed"
    clean_label: ClassVar[bool] = True

    trigger: Trigger = field(default_factory=Cross)
    epsilon: float = 0.2

    def __post_init__(self) -> None:
        """Refuse an epsilon outside [0, 1)."""
        if not 0 <= self.epsilon < 1:
            raise UsageError(f"The parameter 'epsilon' of Washed must be in [0, 1); got {self.epsilon!r}.")

    @property
    def training_trigger(self) -> Trigger:
        """The trigger on the poisons."""
        return self.trigger

    def craft(self, images: UInt8Array, labels: IntArray, context: CraftContext) -> UInt8Array:
        """Return the images ``(B, C, H, W)`` with less contrast; whitesquare stamps the trigger."""
        budget = int(self.epsilon * 255)
        change = np.clip(128 - images.astype(np.int16), -budget, budget)
        return (images + change).astype(np.uint8)
