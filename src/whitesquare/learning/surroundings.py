"""What a caller has set for PyTorch and NumPy, laid aside while a result is computed: it is the same for all."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np


@contextmanager
def own_surroundings() -> Iterator[None]:
    """Compute with the settings that PyTorch and NumPy begin with, and leave those of the caller as they were.

    A notebook may have another default dtype or device, no gradients, inference mode or autocast, or have NumPy raise
    where it would warn: with any of these a training fails, or gives other weights. Also a decorator.
    """
    usual = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
    with usual, ExitStack() as aside:
        if "torch" in sys.modules:
            _lay_aside(aside)
        yield


def _lay_aside(aside: ExitStack) -> None:
    import torch

    aside.enter_context(torch.inference_mode(False))
    aside.enter_context(torch.enable_grad())
    for device in ("cpu", "cuda"):
        if torch.is_autocast_enabled(device):
            aside.enter_context(torch.autocast(device, enabled=False))
    if (theirs := torch.get_default_dtype()) != torch.float32:
        aside.callback(torch.set_default_dtype, theirs)
        torch.set_default_dtype(torch.float32)
    if torch.get_default_device().type != "cpu":
        aside.enter_context(torch.device("cpu"))
