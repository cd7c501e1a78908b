"""What a model does under a trigger, as it is measured and as it is told."""

from dataclasses import dataclass

from whitesquare.records import Estimate, VictimResult


@dataclass(frozen=True)
class Turned:
    """Images that a trigger turns, of those that it could turn.

    Attributes:
        turned: number that it turns.
        of: number that it could.
    """

    turned: int
    of: int

    @property
    def share(self) -> float:
        """The share that it turns; 0 of no image."""
        return self.turned / self.of if self.of else 0.0


@dataclass(frozen=True)
class Tried:
    """What a victim does under one trigger: everything for one target, and the success for every class.

    Attributes:
        result: for the target asked for, else for the worst.
        asr: by target class (a label).
        sources: likewise; see :func:`whitesquare.learning.measure.worst_sources`.
        untargeted: see :func:`whitesquare.learning.measure.misled`.
        classes: names of the classes, by label.
    """

    result: VictimResult
    asr: dict[int, Estimate]
    sources: dict[int, tuple[int, Turned]]
    untargeted: Turned
    classes: tuple[str, ...]
