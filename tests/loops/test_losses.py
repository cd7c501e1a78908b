"""Recorded losses: what a plain loop leaves on disk, and what a scan makes of it, or refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from typer.testing import CliRunner

import whitesquare as ws
from whitesquare.cli import app
from whitesquare.data import dataset_digest, write_npz
from whitesquare.errors import DataError, UsageError
from whitesquare.loops import LossRecorder, with_positions
from whitesquare.loops.recordings import parts_of
from whitesquare.scanning.settings import ScanSettings

from .small import SIZE, WRONG, Tensors, small_data

MODEL_FREE = ScanSettings(model_free=True, detectors=("loss-trajectories", "loss-isolation"))


def trained(path, data, *, epochs=4, workers=2, resume=False, **options):
    """Train a linear network in a plain loop, and record its losses."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    loader = DataLoader(with_positions(Tensors(data)), batch_size=8, shuffle=True, num_workers=workers)
    with LossRecorder(path, data, resume=resume, **options) as recorder:
        for _ in range(epochs):
            for images, labels, positions in loader:
                losses = functional.cross_entropy(network(images), labels, reduction="none")
                recorder.record(positions, losses)
                optimiser.zero_grad()
                losses.mean().backward()
                optimiser.step()
            recorder.end_epoch()
    return path


def filled(path, data=None, *, values=lambda epoch: 1 / (1 + epoch), epochs=3, keep=SIZE, **options):
    """Record losses without a training."""
    recorder = LossRecorder(path, small_data() if data is None else data, **options)
    for epoch in range(epochs):
        recorder.record(np.arange(keep), np.full(keep, values(epoch)))
        recorder.end_epoch()
    return recorder.finish()


def rows(path):
    return duckdb.sql(f"SELECT id, label, epoch, loss, visits FROM '{path}' ORDER BY epoch, id").fetchall()


def scanned(path, data=None):
    return ws.scan(small_data() if data is None else data, MODEL_FREE, losses=path).scan


def test_a_plain_loop_with_workers_records_every_sample_in_every_epoch(tmp_path):
    data = small_data()
    found = rows(trained(tmp_path / "losses.parquet", data, inputs="plain", digest=dataset_digest(data)))
    assert [(one[0], one[2], one[4]) for one in found] == [(name, e, 1) for e in range(4) for name in data.ids]
    names = [data.classes[label] for label in data.labels]
    assert {(one[0], one[1]) for one in found} == set(zip(data.ids, names, strict=True))
    last = {one[0]: one[3] for one in found if one[2] == 3}
    assert max(last, key=last.get) == data.ids[WRONG]
    assert not parts_of(tmp_path / "losses.parquet").exists()


def test_a_model_free_scan_gains_the_detectors_of_trajectories(tmp_path):
    path = trained(tmp_path / "losses.parquet", small_data(), inputs="augmented")
    found = scanned(path)
    ran = {run.name for run in found.result.runs if not run.reason}
    assert ran == {"loss-trajectories", "loss-isolation"}
    scores = found.scores.by_detector["loss-trajectories"]
    assert int(np.argmax(scores)) == WRONG
    assert (found.result.losses.epochs, found.result.losses.samples, found.result.losses.inputs) == (
        4,
        SIZE,
        "augmented",
    )
    without = ws.scan(small_data(), MODEL_FREE).scan.result
    assert "--losses" in without.not_run["loss-trajectories"]


def test_the_command_says_what_it_read(tmp_path):
    path = trained(tmp_path / "losses.parquet", small_data())
    write_npz(tmp_path / "data.npz", small_data())
    command = ["scan", str(tmp_path / "data.npz"), "--model-free", "--detectors", "loss-trajectories"]
    given = CliRunner().invoke(
        app, [*command, "--losses", str(path), "-o", "table", "-o", f"json={tmp_path / 's.json'}"]
    )
    assert "Losses of a training of your own were read: 4 epochs" in " ".join(given.stdout.split()), given.output
    assert json.loads((tmp_path / "s.json").read_text())["losses"]["samples"] == SIZE
    missing = CliRunner().invoke(app, [*command, "--losses", str(tmp_path / "other.parquet")])
    assert (missing.exit_code, "LossRecorder" in missing.stderr) == (2, True)


def test_a_scan_with_models_of_its_own_uses_the_recorded_losses(tiny, tmp_path):
    recorder = LossRecorder(tmp_path / "losses.parquet", tiny)
    odd = np.where(np.arange(len(tiny.ids)) == 5, 3.0, 0.1)
    for _ in range(2):
        recorder.record(tiny.ids, odd)
        recorder.end_epoch()
    settings = ScanSettings(detectors=("loss-trajectories", "loss-isolation"))
    found = ws.scan(tiny, settings, losses=recorder.finish()).scan
    assert int(np.nanargmax(found.scores.by_detector["loss-trajectories"])) == 5
    assert float(found.scores.by_detector["loss-isolation"][5]) == pytest.approx(-3)


def test_the_order_of_classes_means_nothing(tmp_path):
    path = trained(tmp_path / "losses.parquet", small_data())
    other = small_data(("light", "dark"))
    assert int(np.argmax(scanned(path, other).scores.by_detector["loss-trajectories"])) == WRONG


def test_a_crash_costs_the_epoch_that_it_fell_into(tmp_path):
    path = tmp_path / "losses.parquet"
    recorder = LossRecorder(path, small_data())

    def loop():
        with recorder:
            for epoch in range(3):
                recorder.record(np.arange(SIZE), np.full(SIZE, 1.0))
                if epoch == 2:
                    raise ZeroDivisionError
                recorder.end_epoch()

    with pytest.raises(ZeroDivisionError):
        loop()
    assert not path.exists()
    assert scanned(path).result.losses.epochs == 2
    with pytest.raises(UsageError, match="resume=True"):
        LossRecorder(path, small_data())
    assert filled(path, resume=True, epochs=1) == path
    assert {one[2] for one in rows(path)} == {0, 1, 2}


def test_a_killed_process_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "losses.parquet"
    code = (
        "import os, signal, sys\nfrom whitesquare.loops import LossRecorder\n"
        "recorder = LossRecorder(sys.argv[1], ['a', 'b'])\n"
        "for epoch in range(2):\n    recorder.record([0, 1], [0.5, 0.25])\n    recorder.end_epoch()\n"
        "recorder.record([0], [1.0])\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert sorted(file.name for file in parts_of(path).iterdir()) == [
        "epoch-00000.rank-0-of-1.parquet",
        "epoch-00001.rank-0-of-1.parquet",
    ]


def test_a_finished_recording_goes_on_and_an_epoch_that_is_run_again_takes_its_place(tmp_path):
    path = filled(tmp_path / "losses.parquet", epochs=2)
    again = LossRecorder(path, small_data(), resume=True)
    for epoch in (1, 2):
        again.record(np.arange(SIZE), np.full(SIZE, 9.0))
        again.end_epoch(epoch)
    again.finish()
    assert [(e, loss) for _, _, e, loss, _ in rows(path)[::SIZE]] == [(0, 1.0), (1, 9.0), (2, 9.0)]


@pytest.mark.long
def test_processes_are_merged_and_padding_is_counted_once(tmp_path):
    """As torchrun starts them; a DistributedSampler gives samples twice, so that all ranks have as many."""
    path = tmp_path / "losses.parquet"
    code = (
        "import os, sys, torch.distributed as dist\nfrom whitesquare.loops import LossRecorder\n"
        "dist.init_process_group('gloo', init_method='file://' + sys.argv[2], rank=int(os.environ['RANK']), "
        "world_size=2)\n"
        "recorder = LossRecorder(sys.argv[1], ['a', 'b', 'c'])\n"
        "mine = {0: ([0, 1], [1.0, 2.0]), 1: ([2, 0], [3.0, 5.0])}[dist.get_rank()]\n"
        "for _ in range(2):\n    recorder.record(*mine)\n    recorder.end_epoch()\n"
        "recorder.finish()\ndist.destroy_process_group()\n"
    )
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(tmp_path / "meet")],
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"},
        )
        for rank in range(2)
    ]
    assert [one.wait(timeout=120) for one in ranks] == [0, 0]
    assert [one[2:] for one in rows(path)[:3]] == [(0, 3.0, 2), (0, 2.0, 1), (0, 3.0, 1)]


def test_an_epoch_that_a_process_did_not_end_is_refused_or_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    path = tmp_path / "losses.parquet"
    for rank, epochs in ((1, 1), (0, 2)):
        monkeypatch.setenv("RANK", str(rank))
        recorder = LossRecorder(path, small_data(), resume=True)
        for epoch in range(epochs):
            recorder.record(np.arange(SIZE // 2) + rank * SIZE // 2, np.full(SIZE // 2, 1.0))
            recorder.end_epoch(epoch)
    with pytest.raises(DataError, match="Epoch 1 lacks"):
        recorder.finish()
    found = scanned(path).result
    assert found.losses.epochs == 1
    assert any("not all processes ended: 1" in warning for warning in found.warnings)


def test_a_sample_seen_twice_has_the_mean_and_one_never_seen_is_told(tmp_path):
    data = small_data()
    recorder = LossRecorder(tmp_path / "losses.parquet", data)
    for epoch in range(3):
        others = np.arange(1, SIZE)
        others = others[others != 3] if epoch == 1 else others
        recorder.record([0, 0], [1.0, 3.0])
        recorder.record(others, np.full(len(others), 1.0 / (1 + epoch)))
        recorder.end_epoch()
    path = recorder.finish()
    assert [one[3:] for one in rows(path) if one[0] == data.ids[0]] == [(2.0, 2)] * 3
    found = scanned(path, data)
    assert any("without a finite one in some epochs" in one and ": 1." in one for one in found.result.warnings)
    assert np.isfinite(found.scores.by_detector["loss-trajectories"][3])


def big_data(count=400):
    from whitesquare.data import from_arrays

    labels = np.arange(count) % 2
    images = np.full((count, 1, 8, 8), 100, np.uint8) + labels[:, None, None, None].astype(np.uint8)
    return from_arrays(images, labels, classes=("dark", "light"))


def test_a_few_missing_and_strange_samples_are_said_by_count(tmp_path):
    data = big_data()
    ids = [*data.ids[:-3], "other/1", "other/2"]
    recorder = LossRecorder(tmp_path / "losses.parquet", ids)
    for epoch in range(3):
        recorder.record(ids, np.linspace(0.1, 1, len(ids)) / (1 + epoch))
        recorder.end_epoch()
    found = scanned(recorder.finish(), data)
    text = " ".join(found.result.warnings)
    assert "scanned samples without a recorded loss: 3, such as" in text
    assert "samples with a recorded loss that are not scanned: 2, such as" in text
    assert "fewer than half of the epochs, not scored: 3" in text
    assert np.isnan(found.scores.by_detector["loss-isolation"][-3:]).all()
    assert np.isnan(found.scores.by_detector["loss-trajectories"]).sum() == 3


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([f"train/{i:05}" for i in range(360)], "scanned samples without a recorded loss: 40"),
        ([f"train/{i:05}" for i in range(500)], "that are not scanned: 100"),
        ([f"test/{i:05}" for i in range(400)], "scanned samples without a recorded loss: 400"),
    ],
)
def test_losses_of_other_samples_are_refused(ids, message, tmp_path):
    recorder = LossRecorder(tmp_path / "losses.parquet", ids)
    recorder.record(ids, np.ones(len(ids)))
    with pytest.raises(DataError, match=message):
        scanned(recorder.finish(), big_data())


def test_losses_of_other_data_of_the_same_ids_are_refused(tmp_path):
    data = small_data()
    by_digest = filled(tmp_path / "digest.parquet", data.ids, digest="0" * 64)
    with pytest.raises(DataError, match="images or labels are others"):
        scanned(by_digest, data)

    class Other:
        ids, classes, labels = data.ids, ("light", "dark"), data.labels

    with pytest.raises(DataError, match=r"another label than they have here: 40, such as 'train/000 \(dark here\)'"):
        scanned(filled(tmp_path / "labels.parquet", Other()), data)


def test_losses_that_are_not_numbers(tmp_path):
    data = big_data()
    recorder = LossRecorder(tmp_path / "few.parquet", data)
    for epoch in range(4):
        values = np.full(400, 1 / (1 + epoch))
        values[8] = np.nan if epoch == 1 else values[8]
        recorder.record(np.arange(400), values)
        recorder.end_epoch()
    found = scanned(recorder.finish(), data)
    assert any("without a finite one in some epochs" in one and ": 1." in one for one in found.result.warnings)
    assert np.isfinite(found.scores.by_detector["loss-trajectories"]).all()
    with pytest.raises(DataError, match="40 of 120 losses are not finite"):
        scanned(filled(tmp_path / "all.parquet", values=lambda epoch: np.inf if epoch == 2 else 1.0))


def test_mixed_images_and_a_training_that_learned_nothing_are_warned_of(tmp_path):
    found = scanned(filled(tmp_path / "losses.parquet", inputs="mixed", values=lambda epoch: 0.7))
    assert any("mixup" in one for one in found.result.warnings)
    assert any("did not fall" in one for one in found.result.warnings)


def test_a_table_of_others_needs_ids_epochs_and_losses(tmp_path):
    path = tmp_path / "own [1].parquet"
    names = f"(SELECT unnest({[*small_data().ids]}) AS id)"
    asked = f"SELECT id, epoch, 1.0 / (1 + epoch) AS loss FROM {names}, range(3) t(epoch)"
    duckdb.sql(f"COPY ({asked}) TO '{path}' (FORMAT parquet)")
    assert scanned(path).result.losses.epochs == 3
    duckdb.sql(f"COPY (SELECT id, epoch FROM ({asked})) TO '{tmp_path / 'no.parquet'}' (FORMAT parquet)")
    with pytest.raises(DataError, match="has no column 'loss'"):
        scanned(tmp_path / "no.parquet")
    duckdb.sql(f"COPY (SELECT id, epoch, loss::VARCHAR AS loss FROM ({asked})) TO '{tmp_path / 't.parquet'}'")
    with pytest.raises(DataError, match="the column loss holds VARCHAR; expected numbers"):
        scanned(tmp_path / "t.parquet")
    duckdb.sql(f"COPY (SELECT id, epoch, loss FROM ({asked})) TO '{tmp_path / 'own.csv'}'")
    with pytest.raises(DataError, match=r"own\.csv cannot be read: damaged, or no Parquet; expected it with id, label"):
        scanned(tmp_path / "own.csv")
    duckdb.sql(f"COPY (SELECT '/data/' || id AS id, epoch, loss FROM ({asked})) TO '{tmp_path / 'far.parquet'}'")
    with pytest.raises(DataError, match=r"the recording has others, such as '/data/"):
        scanned(tmp_path / "far.parquet")
    duckdb.sql(f"COPY (SELECT * FROM ({asked}) WHERE epoch = 0) TO '{tmp_path / 'one.parquet'}'")
    assert any("are of one epoch" in one for one in scanned(tmp_path / "one.parquet").result.warnings)
    duckdb.sql(
        f"COPY (SELECT id, epoch, -loss AS loss FROM ({asked})) TO '{tmp_path / 'low.parquet'}' (FORMAT parquet)"
    )
    with pytest.raises(DataError, match="a loss below zero"):
        scanned(tmp_path / "low.parquet")
    halves = f"SELECT id, epoch / 2 AS epoch, loss FROM ({asked})"
    duckdb.sql(f"COPY ({halves}) TO '{tmp_path / 'half.parquet'}' (FORMAT parquet)")
    with pytest.raises(DataError, match="no whole number as epoch"):
        scanned(tmp_path / "half.parquet")
    floats = f"SELECT id, epoch::DOUBLE AS epoch, 2 AS label, loss FROM ({asked})"
    duckdb.sql(f"COPY ({floats}) TO '{tmp_path / 'numbers.parquet'}' (FORMAT parquet)")
    with pytest.raises(DataError, match="another label than they have here: 40"):
        scanned(tmp_path / "numbers.parquet")
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(DataError, match="cannot be read"):
        scanned(tmp_path / "text.parquet")


@pytest.mark.parametrize(
    ("samples", "losses", "message"),
    [
        ([0, 1], 0.5, "reduction='none'"),
        ([0, 1], [0.5], "reduction='none'"),
        ([0, SIZE], [0.5, 0.5], "expected positions in the 40 samples"),
        ([-1, 0], [0.5, 0.5], "expected positions"),
        (["train/000", "train/400"], [0.5, 0.5], "'train/400'"),
        ([0.0, 1.0], [0.5, 0.5], "whole numbers"),
        ([0, 1], [0.5, -0.5], "0 or more"),
        ([0, 1], ["a", "b"], "real number"),
        ([0, 1], torch.ones(2, device="meta"), "cannot be read"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(samples, losses, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        LossRecorder(tmp_path / "losses.parquet", small_data()).record(samples, losses)


def test_a_recorder_that_cannot_work_says_so(tmp_path):
    path = tmp_path / "losses.parquet"
    for given in ("train", Path("train"), None, Tensors(small_data()), ([0.5], [1])):
        with pytest.raises(UsageError, match="open_dataset returns it, or a list of the ids"):
            LossRecorder(path, given)
    for ids in (["a", "a"], []):
        with pytest.raises(UsageError, match="each once"):
            LossRecorder(path, ids)
    with pytest.raises(UsageError, match="'augmented'"):
        LossRecorder(path, ["a"], inputs="cropped")
    recorder = LossRecorder(path, ["a"])
    with pytest.raises(UsageError, match="record\\(\\) in every batch"):
        recorder.end_epoch()
    with pytest.raises(UsageError, match="No loss was recorded"):
        recorder.finish()


def test_a_place_where_no_file_can_be_is_told_before_the_training(tmp_path):
    (tmp_path / "file").write_text("")
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "file" / "losses.parquet", "which is no folder")):
        with pytest.raises(UsageError, match=said):
            LossRecorder(path, ["a"])


@pytest.mark.parametrize("epoch", [-1, 0.5, "a", 2**40, None])
def test_an_epoch_has_a_whole_number(epoch, tmp_path):
    recorder = LossRecorder(tmp_path / "losses.parquet", ["a"])
    recorder.record([0], [torch.tensor(0.5, requires_grad=True)])
    if epoch is None:
        recorder.end_epoch()
        return
    with pytest.raises(UsageError, match="a whole number from 0 on"):
        recorder.end_epoch(epoch)


def test_a_recording_goes_on_only_with_what_it_is_of(tmp_path):
    path = filled(tmp_path / "losses.parquet", inputs="plain", digest="a")
    options = {"inputs": "plain", "digest": "a", "resume": True}
    for change, said in (({"inputs": "mixed"}, "inputs='plain'"), ({"digest": "b"}, "digest='a'")):
        with pytest.raises(UsageError, match=said):
            LossRecorder(path, small_data(), **options | change)
    with pytest.raises(UsageError, match="40 samples that the recorder was not given, such as 'train/000'"):
        LossRecorder(path, ["x"], **options)
    LossRecorder(path, [*small_data().ids, "more"], **options)


def test_what_has_no_positions_cannot_say_them():
    for given in (iter([1]), {"a": 1}, DataLoader([1])):
        with pytest.raises(UsageError, match="no samples by position"):
            with_positions(given)
    with pytest.raises(UsageError, match="has 5 under 'position'"):
        with_positions([{"position": 5}])[0]


def test_half_precision_and_names_that_are_no_text(tmp_path):
    names = ["a\udcff", "b"]
    recorder = LossRecorder(tmp_path / "losses.parquet", names)
    recorder.record(torch.tensor([0, 1]), torch.tensor([0.5, 0.25], dtype=torch.bfloat16, requires_grad=True))
    assert [one[3] for one in rows(recorder.finish())] == [0.5, 0.25]


def test_positions_go_with_samples_of_any_form():
    assert with_positions([("x", 1)])[-1] == ("x", 1, 0)
    assert with_positions([{"pixel_values": 1}])[0] == {"pixel_values": 1, "position": 0}
    assert with_positions(["x"])[0] == ("x", 0)
    with pytest.raises(IndexError, match="none at 1"):
        with_positions(["x"])[1]
