"""A model together with what the user says of it; needs no PyTorch, so that it can be passed on by what does not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # they load PyTorch
    from torch import Tensor

    from whitesquare.learning.given import Given


@dataclass(frozen=True, eq=False)
class Asking:
    """A model and how it is to be asked.

    Attributes:
        model: its name or path, a network, or any classifier.
        weights: a safetensors file, for a model whose name says only how it is built.
        preprocess: what it expects of its input beside float images in [0, 1]: a
            :class:`~whitesquare.learning.preprocess.Preprocess`, the TOML file of one or the same as a dict, or a
            function of a tensor.
        layer: name of the layer whose output its features are; ``None`` for what its last linear layer is given.
    """

    model: "Given"
    weights: str | Path | None = None
    preprocess: "str | Path | Mapping[str, Any] | Callable[[Tensor], Tensor] | None" = None
    layer: str | None = None

    @property
    def bare(self) -> bool:
        """True if nothing is said beside the model."""
        return self.weights is None and self.preprocess is None and self.layer is None
