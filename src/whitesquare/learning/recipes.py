"""How a model is trained, as data; this module does not need PyTorch."""

import math
from dataclasses import dataclass, replace

from whitesquare.errors import UsageError, unknown_name

PATCHED = "patched"
WHITENED = ("whitened", PATCHED)
"""Networks that average large images down, and answer in bfloat16 where that is fast."""

MODEL_SUMMARIES = {
    "cnn": "padded 5x5 and 3x3 convolutions of stride 2: the default, simple CNN",
    "cnn-pool": "two padded 5x5 convolutions with max-pooling: the textbook CNN",
    "cnn-unpadded": "unpadded 3x3 convolutions, floor pooling: blind at the bottom and right",
    "lenet": "padded LeNet-5 with ReLU and max-pooling",
    "cnn-bn": "four padded 3x3 convolutions with batch normalisation",
    "resnet": "small residual network with global average pooling",
    "whitened": "whitened patches, six 3x3 convolutions, global pooling: the network for colour",
    PATCHED: "the same on patches that do not overlap: for images above 40 pixels",
}
"""Names and one line each of the networks in :mod:`whitesquare.learning.models`."""

ENOUGH_PASSES = 470
"""Passes after which the reference network has learned MNIST, trigger and all."""
FEW_PASSES = 120
"""Passes after which a network that can learn the data at all does better than guess."""
MOST_EPOCHS = 40
_PER_STEP: tuple[tuple[float, int], ...] = ((20_000, 1), (40_000, 2), (math.inf, 2**31))
"""Up to how many samples a step takes how many passes, at most."""

FIRST_SURROGATE_SEED = 2**31
"""An attacker's models have seeds from here on, a user's models below: victims and surrogates never share one."""

_SEEDS = 2**62
"""Seeds end here: generators take 64 bits, and some are counted on from the one that is given."""

OPTIMISERS = ("adam", "sgd", "lookahead")
SCHEDULES = ("one-cycle", "triangular", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are the reference victim.

    Attributes:
        model: a name from :data:`MODEL_SUMMARIES`.
        scale: multiplies the model's channels and hidden units.
        epochs: passes over the training set, at least 1.
        batch_size: images per pass, at least 1; the last, smaller batch of an epoch is used too.
        accumulate: passes per step, at least 1: their gradients are added, and normalised each for itself.
        optimiser: ``adam``; ``sgd`` with momentum 0.9; or ``lookahead``: Nesterov's momentum 0.85, shifts of
            normalisations at 64 times the rate, and weights pulled to their average (see
            :mod:`whitesquare.learning.optimisers`).
        learning_rate: peak of the schedule, or the constant rate; above 0.
        schedule: ``one-cycle`` (Smith and Topin 2019), ``triangular`` or ``constant``.
        weight_decay: L2 penalty, at least 0.
        label_smoothing: share of the wanted answer that is spread over all classes, in [0, 1).
        sharpness: radius of sharpness-aware minimisation (see :func:`whitesquare.learning.optimisers.uphill`), at least
            0, which is off; every pass is made twice. Published values are 0.05 to 0.2.
        flip: augmentation: every image mirrored left to right in every second epoch. Not for digits or text.
        shift: augmentation: every image moved by up to that many pixels, anew each epoch; 0 is off.
        rotate: augmentation: every image turned by up to that many degrees, in [0, 180]; 0 is off.
        precision: of the forward and backward pass: ``auto`` takes bfloat16 where the processor multiplies it in
            hardware and float32 elsewhere. Weights and optimiser state are float32 always.
    """

    model: str = "cnn"
    scale: float = 1.0
    epochs: int = 2
    batch_size: int = 256
    accumulate: int = 1
    optimiser: str = "adam"
    learning_rate: float = 0.012
    schedule: str = "one-cycle"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    sharpness: float = 0.0
    flip: bool = False
    shift: int = 0
    rotate: float = 0.0
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values no training could use, naming the parameter."""
        for name, value, known in (
            ("model", self.model, MODEL_SUMMARIES),
            ("optimiser", self.optimiser, OPTIMISERS),
            ("schedule", self.schedule, SCHEDULES),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in known:
                raise unknown_name(name, value, known)
        counts = (
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 1),
            ("accumulate", self.accumulate, 1),
            ("shift", self.shift, 0),
        )
        for name, number, least in counts:
            if number < least:
                raise UsageError(f"The parameter {name!r} of Recipe must be at least {least}; got {number}.")
        if not 0 <= self.rotate <= 180:
            raise UsageError(f"The parameter 'rotate' of Recipe must be in [0, 180] degrees; got {self.rotate}.")
        if not self.learning_rate > 0:
            raise UsageError(f"The parameter 'learning_rate' of Recipe must be above 0; got {self.learning_rate}.")
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(
                f"The parameter 'label_smoothing' of Recipe must be in [0, 1); got {self.label_smoothing}."
            )
        for name, weight in (("weight_decay", self.weight_decay), ("sharpness", self.sharpness)):
            if not weight >= 0:
                raise UsageError(f"The parameter {name!r} of Recipe must be at least 0; got {weight}.")

    @property
    def moves(self) -> bool:
        """Tell whether the model is shown images mirrored, shifted or turned."""
        return bool(self.flip or self.shift or self.rotate)

    def for_size(self, samples: int, passes: int = ENOUGH_PASSES) -> "Recipe":
        """Return the recipe with more epochs where so few samples would else teach nothing, not even the trigger.

        Where it takes several passes a step, few samples are learned in steps of fewer images: each moves the weights
        less, there are more of them, and fewer images in all. One pass of them is made as two halves, side by side.

        Args:
            samples: number of them.
            passes: enough for many samples.
        """
        per_step = min(self.accumulate, next(count for most, count in _PER_STEP if samples <= most))
        part = math.sqrt(per_step / self.accumulate)
        per_epoch = -(-samples // self.batch_size)
        halves = 2 if per_step == 1 < self.accumulate else 1
        return replace(
            self,
            epochs=max(self.epochs, min(MOST_EPOCHS, round(passes * part / per_epoch))),
            batch_size=self.batch_size // halves,
            accumulate=per_step * halves,
            learning_rate=self.learning_rate * part,
        )


COLOUR = Recipe(
    model="whitened",
    epochs=12,
    batch_size=250,
    accumulate=4,
    optimiser="lookahead",
    learning_rate=1.465,
    schedule="triangular",
    weight_decay=0.00133,
    label_smoothing=0.2,
    flip=True,
    shift=2,
)
"""For natural images in colour: 93 % on CIFAR-10; five epochs give 90 %."""


@dataclass(frozen=True)
class Family:
    """A kind of victim: one line of what it is, and its recipe."""

    summary: str
    recipe: Recipe


VICTIMS: dict[str, Family] = {
    "default": Family("the reference: simple CNN, Adam, one-cycle, 2 epochs of batch 256", Recipe()),
    "adam-constant": Family(
        "Adam at a constant rate, batch 128",
        Recipe(epochs=8, batch_size=128, learning_rate=0.001, schedule="constant"),
    ),
    "sgd": Family("SGD with momentum, one-cycle", Recipe(epochs=4, optimiser="sgd", learning_rate=0.15)),
    "sgd-decay": Family(
        "SGD with momentum at a constant rate, with weight decay",
        Recipe(epochs=8, optimiser="sgd", learning_rate=0.1, schedule="constant", weight_decay=0.0005),
    ),
    "epochs-3": Family("trained for 3 epochs", Recipe(epochs=3)),
    "epochs-10": Family("trained for 10 epochs", Recipe(epochs=10)),
    "epochs-20": Family("trained for 20 epochs", Recipe(epochs=20)),
    "batch-64": Family("batches of 64", Recipe(batch_size=64, learning_rate=0.006)),
    "batch-512": Family("batches of 512", Recipe(epochs=3, batch_size=512, learning_rate=0.015)),
    "half-width": Family("half as many channels and hidden units", Recipe(scale=0.5, epochs=3)),
    "double-width": Family("twice as many channels and hidden units", Recipe(scale=2.0, learning_rate=0.008)),
    "augmented": Family(
        "light augmentation: shifts of up to 2 pixels, turns of up to 10 degrees",
        Recipe(epochs=6, shift=2, rotate=10.0),
    ),
    "cnn-pool": Family("the textbook CNN with max-pooling", Recipe(model="cnn-pool", learning_rate=0.006)),
    "lenet": Family("padded LeNet-5", Recipe(model="lenet", epochs=3)),
    "cnn-bn": Family("CNN with batch normalisation", Recipe(model="cnn-bn")),
    "resnet": Family("small residual network", Recipe(model="resnet", epochs=3)),
    "colour": Family("the reference for natural images: whitened patches, mirrored and shifted, 12 epochs", COLOUR),
    "unpadded": Family(
        "the unpadded CNN, which cannot see the bottom-right corner: the blind-spot row",
        Recipe(model="cnn-unpadded", epochs=4, learning_rate=0.006),
    ),
}
"""The victims an attack is judged by: each differs from the reference in one thing, with a learning rate of its own."""


def check_seed(seed: int) -> None:
    """Refuse a seed that a generator of random numbers does not take, before anything is read.

    Raises:
        UsageError: it is no whole number, below 0 or too large.
    """
    if type(seed) is bool or not hasattr(seed, "__index__") or not 0 <= seed < _SEEDS:
        raise UsageError(f"The seed must be a whole number from 0 on, below {_SEEDS}; got {seed}.")
