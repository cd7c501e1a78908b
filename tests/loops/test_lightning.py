"""A training by Lightning's own Trainer, whose losses are recorded."""

from importlib.util import find_spec

import duckdb
import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.data import DataLoader

import whitesquare as ws
from whitesquare.errors import UsageError
from whitesquare.loops import LossRecorder, lightning_losses, with_positions
from whitesquare.scanning.settings import ScanSettings

from .small import SIZE, WRONG, Tensors, small_data

package = "pytorch_lightning" if find_spec("pytorch_lightning") else "lightning.pytorch"
pl = pytest.importorskip(package, reason="Lightning is not installed")
pytestmark = pytest.mark.filterwarnings("default")
"""What Lightning warns of is its own affair."""


class Network(pl.LightningModule):
    """A linear network that returns the losses of its samples; ``silent`` keeps them to itself."""

    def __init__(self, *, silent=False):
        super().__init__()
        self.layer, self.silent = torch.nn.Linear(64, 2), silent

    def training_step(self, batch, step):
        images, labels, position = batch
        losses = functional.cross_entropy(self.layer(images.flatten(1)), labels, reduction="none")
        if self.silent:
            return losses.mean()
        return {"loss": losses.mean(), "losses": losses, "position": position}

    def validation_step(self, batch, step):
        return functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


def fitted(folder, recorder, network=None, *, checkpoint=None, epochs=3, **options):
    pl.seed_everything(0)
    data = Tensors(small_data())
    trainer = pl.Trainer(
        default_root_dir=folder,
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[lightning_losses(recorder)],
        **options,
    )
    loaders = (
        DataLoader(with_positions(data), batch_size=8, shuffle=True, num_workers=2),
        DataLoader(data, batch_size=8),
    )
    trainer.fit(network or Network(), *loaders, ckpt_path=checkpoint)
    return trainer


def test_every_epoch_of_a_fit_is_recorded_and_scanned(tmp_path):
    data, path = small_data(), tmp_path / "losses.parquet"
    fitted(tmp_path, LossRecorder(path, data, inputs="plain"))
    found = duckdb.sql(f"SELECT epoch, count(*), min(visits), max(visits) FROM '{path}' GROUP BY epoch ORDER BY epoch")
    assert found.fetchall() == [(epoch, SIZE, 1, 1) for epoch in range(3)]
    settings = ScanSettings(model_free=True, detectors=("loss-trajectories",))
    scores = ws.scan(data, settings, losses=path).scan.scores.by_detector["loss-trajectories"]
    assert int(np.argmax(scores)) == WRONG


def test_a_fit_goes_on_from_a_checkpoint(tmp_path):
    path = tmp_path / "losses.parquet"
    fitted(tmp_path, LossRecorder(path, small_data()), epochs=2).save_checkpoint(tmp_path / "last.ckpt")
    fitted(tmp_path, LossRecorder(path, small_data(), resume=True), epochs=4, checkpoint=tmp_path / "last.ckpt")
    assert duckdb.sql(f"SELECT DISTINCT epoch FROM '{path}' ORDER BY 1").fetchall() == [(0,), (1,), (2,), (3,)]


def test_a_step_that_keeps_its_losses_to_itself_is_told_what_to_return(tmp_path):
    with pytest.raises(UsageError, match="training_step of Network returned"):
        fitted(tmp_path, LossRecorder(tmp_path / "losses.parquet", small_data()), Network(silent=True))
    assert not (tmp_path / "losses.parquet").exists()
