"""A user's own training loop: the losses and the provenance that it leaves behind, recorded in a few lines."""

from typing import TYPE_CHECKING

from whitesquare._base.lazy import lazy_names

if TYPE_CHECKING:
    from whitesquare.loops.lightning import lightning_losses
    from whitesquare.loops.losses import LossRecorder
    from whitesquare.loops.positions import with_positions
    from whitesquare.loops.trainer import trainer_losses
    from whitesquare.loops.training import record_training

__all__ = ["LossRecorder", "lightning_losses", "record_training", "trainer_losses", "with_positions"]
__getattr__ = lazy_names(
    __name__,
    {
        "LossRecorder": "losses",
        "lightning_losses": "lightning",
        "record_training": "training",
        "trainer_losses": "trainer",
        "with_positions": "positions",
    },
)
