"""What a drill is to rehearse: attacks, rates, seeds, and how many clean resamples."""

from dataclasses import dataclass, field

from whitesquare.attacks import make_attack
from whitesquare.errors import UsageError
from whitesquare.learning.recipes import Recipe
from whitesquare.scanning.settings import ScanSettings
from whitesquare.triggers import parse_trigger
from whitesquare.types import Attack

_SEEDS = 100_000
"""Seeds end here: above lie those of the scan's own models, and a victim must never be one of them."""
FOUR = ("adaptive", "sinusoidal", "stamp", "label-flip")
"""What is rehearsed unless somebody says otherwise: the one that takes longest first, so that its time bounds all."""
OF_CLASS = (0.1, 0.2, 0.5)
"""Default rates, as shares of the target class."""


@dataclass(frozen=True)
class DrillSettings:
    """What to rehearse.

    Attributes:
        attacks: names of registered attacks; of none, false alarms alone are counted.
        rates: poisoned / whole training set, each in (0, 1); ``None`` for a tenth, a fifth and a half of the target
            class, as shares of the whole with one digit.
        target: target class (a label).
        seeds: runs of each attack at each rate.
        seed: of the first run.
        trigger: spec of the trigger in use; ``None`` is the attack's own.
        recipe: of the victims, and of the scan's own models.
        device: where models are trained and asked; see :func:`whitesquare.learning.device.resolve`.
        clean: number of clean resamples that are scanned, too, to count false alarms; see :mod:`.drill_clean`.
    """

    attacks: tuple[str, ...] = FOUR
    rates: tuple[float, ...] | None = None
    target: int = 0
    seeds: int = 3
    seed: int = 0
    trigger: str | None = None
    recipe: Recipe = field(default_factory=Recipe)
    device: str = "cpu"
    clean: int = 0

    def __post_init__(self) -> None:
        """Refuse what no data set could be drilled with, such as an attack that has a trigger of its own kind."""
        rates = self.rates if self.rates is not None else OF_CLASS
        if not rates or not (self.attacks or self.clean):
            raise UsageError(
                "A drill needs at least one attack and one rate, or a number of clean resamples that are scanned to "
                "count false alarms alone; name them, for example --attacks stamp --rates 0.05, or --attacks none "
                "--clean 60."
            )
        if len(set(self.attacks)) < len(self.attacks) or len(set(rates)) < len(rates):
            raise UsageError("An attack or a rate is named twice; name each once.")
        for rate in rates:
            if not 0 < rate < 1:
                raise UsageError(f"A poison rate is a share of the training set, above 0 and below 1; got {rate}.")
        if self.seeds < 1:
            raise UsageError(f"The number of seeds must be at least 1; got {self.seeds}.")
        if self.clean < 0:
            raise UsageError(f"The number of clean resamples must be 0 or more; got {self.clean}.")
        many = max(self.seeds, self.clean)
        if not 0 <= self.seed <= self.seed + many <= _SEEDS:
            raise UsageError(f"The seeds of a drill must be in 0..{_SEEDS}; got {self.seed} and {many} of them.")
        for name in self.attacks:
            make_attack(name)
            try:
                self.attack(name)
            except UsageError as error:
                raise UsageError(f"{error} Or name other attacks alone, as --attacks stamp,label-flip.") from error

    def scan(self, seed: int) -> ScanSettings:
        """Return how a data set is scanned."""
        return ScanSettings(seed=seed, recipe=self.recipe, device=self.device)

    def attack(self, name: str) -> Attack:
        """Return an attack with the trigger in use."""
        return make_attack(name, {} if self.trigger is None else {"trigger": parse_trigger(self.trigger)})
