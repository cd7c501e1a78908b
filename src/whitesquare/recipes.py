"""How a model is trained, as data; this module does not need PyTorch."""

from dataclasses import dataclass

from whitesquare.errors import UsageError, unknown_name

MODEL_SUMMARIES = {
    "cnn": "padded 5x5 and 3x3 convolutions of stride 2: the default, simple CNN",
    "cnn-pool": "two padded 5x5 convolutions with max-pooling: the textbook CNN",
    "cnn-unpadded": "unpadded 3x3 convolutions, floor pooling: blind at the bottom and right",
    "lenet": "padded LeNet-5 with ReLU and max-pooling",
    "cnn-bn": "four padded 3x3 convolutions with batch normalisation",
    "resnet": "small residual network with global average pooling",
}
"""Names and one line each of the networks in :mod:`whitesquare.models`."""

FIRST_SURROGATE_SEED = 2**31
"""An attacker's models have seeds from here on, a user's models below: victims and surrogates never share one."""

OPTIMISERS = ("adam", "sgd")
SCHEDULES = ("one-cycle", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are the reference victim.

    Attributes:
        model: a name from :data:`MODEL_SUMMARIES`.
        scale: multiplies the model's channels and hidden units.
        epochs: passes over the training set, at least 1.
        batch_size: images per step, at least 1; the last, smaller batch of an epoch is used too.
        optimiser: ``adam``, or ``sgd`` with momentum 0.9.
        learning_rate: peak of the one-cycle schedule, or the constant rate; above 0.
        schedule: ``one-cycle`` (Smith and Topin 2019) or ``constant``.
        weight_decay: L2 penalty, at least 0.
        precision: of the forward and backward pass: ``auto`` takes bfloat16 where the processor multiplies it in
            hardware and float32 elsewhere. Weights and optimiser state are float32 always.
    """

    model: str = "cnn"
    scale: float = 1.0
    epochs: int = 2
    batch_size: int = 256
    optimiser: str = "adam"
    learning_rate: float = 0.012
    schedule: str = "one-cycle"
    weight_decay: float = 0.0
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
        for name, number, least in (("epochs", self.epochs, 1), ("batch_size", self.batch_size, 1)):
            if number < least:
                raise UsageError(f"The parameter {name!r} of Recipe must be at least {least}; got {number}.")
        if not self.learning_rate > 0:
            raise UsageError(f"The parameter 'learning_rate' of Recipe must be above 0; got {self.learning_rate}.")
        if not self.weight_decay >= 0:
            raise UsageError(f"The parameter 'weight_decay' of Recipe must be at least 0; got {self.weight_decay}.")
