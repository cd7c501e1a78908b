"""A training in a block: signed when it ended well, by what its loader read, and not when it did not."""

import os

import pytest
import torch
from torch.utils.data import DataLoader

import whitesquare as ws
from whitesquare.errors import UsageError, VerificationError
from whitesquare.loops import LossRecorder, with_positions
from whitesquare.provenance.evidence import PROVENANCE
from whitesquare.provenance.predicates import train_evidence
from whitesquare.provenance.types import MANIFEST
from whitesquare.scanning.settings import ScanSettings
from whitesquare.signing.keys import load_public
from whitesquare.signing.statements import PROVENANCE_TYPE, read_statement

from ..provenance.attesting import NOW, attested, pictures


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("loops"), "png-folder", pictures(24), pictures(6, "test"))


def begun(case, folder, *, data=None, bundle=None, **options):
    settings = {
        "recipe": {"epochs": 2},
        "seed": 7,
        "epochs": 2,
        "key": case.key("trainer"),
        "code": [__file__],
    } | options
    return ws.record_training(data or case.data, bundle or case.bundle, trust=case.trust, folder=folder, **settings)


def written(folder):
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "model.json").write_text("{}")


def test_a_training_in_a_block_is_signed_and_its_losses_are_scanned(case, tmp_path):
    folder = tmp_path / "run"
    with begun(case, folder) as run:
        samples = run.dataset()
        network = torch.nn.Linear(144, 3)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
        with LossRecorder(tmp_path / "losses.parquet", samples, inputs="plain") as recorder:
            for _ in range(2):
                for images, labels, positions in DataLoader(with_positions(samples), batch_size=8, num_workers=2):
                    losses = torch.nn.functional.cross_entropy(
                        network(images.flatten(1).float() / 255), labels, reduction="none"
                    )
                    recorder.record(positions, losses)
                    optimiser.zero_grad()
                    losses.mean().backward()
                    optimiser.step()
                recorder.end_epoch()
        written(folder)
    statement = read_statement(folder / PROVENANCE, PROVENANCE_TYPE, (load_public(case.keys / "trainer.pub"),), NOW)
    evidence = train_evidence(statement.predicate, "x")
    assert (evidence.size, evidence.seed, evidence.reads["train"].smallest) == (24, 7, 2)
    assert (folder / MANIFEST).is_file()
    settings = ScanSettings(model_free=True, detectors=("loss-isolation",))
    found = ws.scan(case.data, settings, losses=tmp_path / "losses.parquet").scan.result
    assert (found.losses.samples, found.not_run.get("loss-isolation")) == (24, None)


def test_nothing_is_signed_of_a_training_that_failed_or_read_too_little(case, tmp_path):
    def failing():
        with begun(case, tmp_path / "run") as run:
            written(tmp_path / "run")
            list(run.dataset())
            raise ZeroDivisionError

    def reading_once():
        with begun(case, tmp_path / "run") as run:
            written(tmp_path / "run")
            list(run.dataset())

    with pytest.raises(ZeroDivisionError):
        failing()
    with pytest.raises(VerificationError, match="24 were read less than 2 times"):
        reading_once()
    assert not (tmp_path / "run" / PROVENANCE).exists()


def test_a_loop_may_go_to_another_folder(case, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    data, bundle = (os.path.relpath(path, tmp_path) for path in (case.data, case.bundle))
    with begun(case, "run", data=data, bundle=bundle, epochs=1) as run:
        monkeypatch.chdir("elsewhere")
        list(run.dataset())
        written(tmp_path / "run")
    assert (tmp_path / "run" / PROVENANCE).is_file()


@pytest.mark.parametrize(
    "wrong",
    [
        {"split": "val"},
        {"recipe": ["a"]},
        {"code": __file__},
        {"data": (1, 2)},
        {"key": "no.pem"},
        {"recipe": {"a": []}},
        {"seed": 1.5},
        {"epochs": 0},
        {"models": ["weights.bin"]},
    ],
)
def test_what_cannot_be_signed_is_refused_before_the_training(case, tmp_path, wrong):
    ran = []

    def training():
        with begun(case, tmp_path / "run", **wrong):
            ran.append(True)

    with pytest.raises(UsageError):
        training()
    assert not ran
