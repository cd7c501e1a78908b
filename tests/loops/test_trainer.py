"""A training by the Trainer of transformers, with a ResNet of its own, whose losses are recorded."""

import duckdb
import numpy as np
import pytest
import torch

import whitesquare as ws
from whitesquare.errors import UsageError
from whitesquare.loops import LossRecorder, trainer_losses, with_positions
from whitesquare.scanning.settings import ScanSettings

from .small import SIZE, WRONG, Tensors, small_data

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("accelerate", reason="accelerate, which the Trainer needs, is not installed")
pytestmark = pytest.mark.filterwarnings("default")
"""What transformers warns of is its own affair."""


def collate(samples):
    images, labels, positions = zip(*samples, strict=True)
    return {
        "pixel_values": torch.stack(images),
        "labels": torch.tensor(labels),
        "position": torch.tensor(positions),
    }


def network():
    config = transformers.ResNetConfig(
        num_channels=1, embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic", num_labels=2
    )
    return transformers.ResNetForImageClassification(config)


def fitted(folder, recorder, *, collator=collate, **options):
    settings = {"num_train_epochs": 3, "learning_rate": 0.02, "remove_unused_columns": False} | options
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=8,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_num_workers=2,
        seed=0,
        **settings,
    )
    data = with_positions(Tensors(small_data()))
    transformers.set_seed(0)
    model = network()
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=data,
        data_collator=collator,
        callbacks=[trainer_losses(recorder)],
    )
    trainer.train()
    return model


def epochs_of(path):
    return duckdb.sql(f"SELECT epoch, count(*), max(visits) FROM '{path}' GROUP BY epoch ORDER BY epoch").fetchall()


def test_every_epoch_is_recorded_and_scanned(tmp_path):
    data, path = small_data(), tmp_path / "losses.parquet"
    model = fitted(tmp_path, LossRecorder(path, data, inputs="plain"), eval_strategy="epoch")
    assert epochs_of(path) == [(epoch, SIZE, 1) for epoch in range(3)]
    settings = ScanSettings(model_free=True, detectors=("loss-isolation",))
    scores = ws.scan(data, settings, losses=path).scan.scores.by_detector["loss-isolation"]
    assert int(np.argmin(scores)) == WRONG
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_a_training_that_ends_within_an_epoch_and_gathers_gradients(tmp_path):
    path = tmp_path / "losses.parquet"
    fitted(tmp_path, LossRecorder(path, small_data()), max_steps=3, gradient_accumulation_steps=2)
    found = epochs_of(path)
    assert [one[0] for one in found] == list(range(len(found)))
    assert found[0] == (0, SIZE, 1)


def test_label_smoothing_takes_the_labels_and_the_recorder_knows_them(tmp_path):
    path = tmp_path / "losses.parquet"
    fitted(tmp_path, LossRecorder(path, small_data()), label_smoothing_factor=0.1, num_train_epochs=1)
    assert epochs_of(path) == [(0, SIZE, 1)]
    with pytest.raises(UsageError, match="instead of its ids"):
        fitted(tmp_path, LossRecorder(tmp_path / "ids", small_data().ids), label_smoothing_factor=0.1)


def test_batches_without_positions_are_refused(tmp_path):
    def without(samples):
        return {name: value for name, value in collate(samples).items() if name != "position"}

    with pytest.raises(UsageError, match="remove_unused_columns=False"):
        fitted(tmp_path, LossRecorder(tmp_path / "losses.parquet", small_data()), collator=without)
