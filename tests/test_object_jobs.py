"""Every verb takes what a user has in Python, and does with it what it does with the same pictures as arrays."""

import json

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import whitesquare as ws
from whitesquare.data import from_arrays, open_dataset, write_dataset
from whitesquare.errors import DataError, UsageError
from whitesquare.learning.recipes import Recipe
from whitesquare.provenance.attested import read_attested
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.types import BUNDLE, MANIFEST
from whitesquare.scanning.settings import ScanSettings
from whitesquare.signing.keys import load_trusted
from whitesquare.signing.times import utc_now
from whitesquare.study.drill import DrillSettings

from .data.objects.samples import NAMES, Pictures, digits, stand_in, to_tensor
from .provenance.attesting import key_pair

SMALL = Recipe(epochs=1, scale=0.25)
FAST = ScanSettings(model_free=True, detectors=("pixel-contrast", "patch-contrast"))
SOME = digits(600)
ARRAYS = SOME.images, SOME.labels
MARK = "patch:size=2,corner=br,margin=1"


@pytest.fixture(scope="module")
def marked():
    """A tenth of a thousand ones with a white square, as a data set of PyTorch."""
    some = digits(6000)
    images = some.images.copy()
    at = np.flatnonzero(some.labels == 1)[:150]
    images[at, :, -3:-1, -3:-1] = 255
    return Pictures(type(some)(images, some.labels), to_tensor), at


@pytest.fixture
def signer(tmp_path):
    (tmp_path / "trust").mkdir()
    return key_pair(tmp_path / "trust" / "carol", secrets=tmp_path / "secret")


@pytest.mark.long
def test_a_scan_and_a_cleansing_of_a_users_own_data_set(marked, tmp_path):
    dataset, at = marked
    found = ws.scan(dataset, FAST)
    result = found.scan.result
    assert result.source == found.dataset.kind == "tests.Pictures"
    assert [alarm.class_name for alarm in result.alarms] == ["1"]
    ids = {f"train/{i:05d}" for i in at}
    assert len(ids & {flag.id for flag in result.flagged}) > 100
    assert any("transform was set aside" in warning for warning in result.warnings)
    (tmp_path / "scan.json").write_text(found.json())
    done = ws.cleanse(dataset, tmp_path / "scan.json", tmp_path / "clean", tier="review")
    kept = open_dataset(tmp_path / "clean")
    assert len(kept.ids) == 6000 - len(done.removed)
    assert not set(kept.ids) & {one.id for one in done.removed}


def test_a_scan_of_every_form_is_the_same():
    forms = [ARRAYS, Pictures(SOME), TensorDataset(*map(torch.tensor, ARRAYS))]
    scores = [ws.scan(form, FAST).scan.result for form in forms]
    assert len({result.digest for result in scores}) == 1
    assert len({json.dumps([flag.id for flag in result.flagged]) for result in scores}) == 1


def test_poisoning_and_training_are_the_same():
    made = [ws.poison(form, "stamp", target=3, count=20, seed=1) for form in (ARRAYS, Pictures(SOME, to_tensor))]
    assert made[0].manifest == made[1].manifest
    said = []
    models = [ws.train(form, SMALL, seed=1, on_note=said.append) for form in (ARRAYS, Pictures(SOME, to_tensor))]
    assert models[0].digest == models[1].digest
    assert any("Labels come from the samples of tests.Pictures" in note for note in said)


def test_measuring_takes_the_test_split_and_says_where_labels_come_from():
    splits = {"train": ARRAYS, "test": Pictures(digits(100), to_tensor)}
    model, said = ws.train(splits, SMALL, seed=1), []
    by_split = ws.measure(model, splits, [MARK], on_note=said.append)
    alone = ws.measure(model, (digits(100).images, digits(100).labels), [MARK])
    assert by_split[0].result.ca == alone[0].result.ca
    assert by_split[0].result.ca.n == 100
    assert any("Labels come from" in note for note in said)


@pytest.mark.long
def test_a_drill_takes_both_splits():
    splits = {"train": (SOME.images[:200], SOME.labels[:200]), "test": (SOME.images[:100], SOME.labels[:100])}
    found = ws.drill(splits, DrillSettings(("stamp",), (0.05,), target=1, seeds=1, recipe=SMALL))
    assert found.source == "arrays"
    assert found.size == 200
    assert found.rows[0].attack_success.n == 100 - np.sum(SOME.labels[:100] == 1)


@pytest.mark.parametrize("form", ["samples", "files", "mixed"])
def test_what_is_attested_is_what_is_read_and_it_is_said(form, signer, tmp_path, monkeypatch):
    if form == "files":
        SOME.files(tmp_path / "set")
        dataset = stand_in(monkeypatch).ImageFolder(str(tmp_path / "set"), transform=to_tensor)
    elif form == "mixed":
        dataset = [(SOME.picture(i).resize((20 + i % 2, 20)), NAMES[SOME.labels[i]]) for i in range(50)]
    else:
        dataset = Pictures(SOME, to_tensor)
    said = []
    predicate = ws.attest(dataset, [signer], tmp_path / "signed", on_note=said.append)
    assert predicate.content.kind == ("pixels" if form == "samples" else "files")
    what = "its pixels with" if form == "samples" else "the bytes of its image, or its pixels"
    assert sum(f"Signed of each sample: {what}" in note for note in said) == 1
    assert any("Labels come from" in note for note in said)
    trusted = load_trusted(tmp_path / "trust")
    assert ws.verify(dataset, tmp_path / "signed" / BUNDLE, trusted, tmp_path).ok
    attested = read_attested(tmp_path / "signed" / BUNDLE, trusted, utc_now())
    assert ws.scan(dataset, FAST, attested=attested, signer=signer).statement() is not None


def test_files_of_an_image_folder_are_signed_as_those_of_its_path(signer, tmp_path, monkeypatch):
    SOME.files(tmp_path / "set")
    dataset = stand_in(monkeypatch).ImageFolder(str(tmp_path / "set"))
    roots = [
        ws.attest(source, [signer], tmp_path / name, name="digits").tree.root
        for name, source in (("object", dataset), ("path", tmp_path / "set"))
    ]
    assert roots[0] == roots[1]
    assert {item.label for item in read_items(tmp_path / "object" / MANIFEST)} == set(NAMES)


def test_a_changed_pixel_is_found(signer, tmp_path):
    ws.attest(Pictures(SOME), [signer], tmp_path / "signed")
    images = SOME.images.copy()
    images[17, 0, 3, 3] ^= 1
    found = ws.verify(
        Pictures(type(SOME)(images, SOME.labels)),
        tmp_path / "signed" / BUNDLE,
        load_trusted(tmp_path / "trust"),
        tmp_path,
    )
    assert not found.ok
    assert found.counts["changed"] == 1


def test_two_splits_are_attested_together(signer, tmp_path):
    splits = {"train": Pictures(SOME), "test": ARRAYS}
    predicate = ws.attest(splits, [signer], tmp_path / "signed")
    assert {name: split.size for name, split in predicate.splits.items()} == {"train": 600, "test": 600}
    assert ws.verify(splits, tmp_path / "signed" / BUNDLE, load_trusted(tmp_path / "trust"), tmp_path).ok


def test_mixed_sizes_go_through_a_scan():
    mixed = [(SOME.picture(i).resize((20 + i % 2, 20)), int(SOME.labels[i])) for i in range(600)]
    found = ws.scan(mixed, FAST, size=20)
    assert found.dataset.shape == (1, 20, 20)
    assert any("were brought to 20x20" in warning for warning in found.scan.result.warnings)


def test_damaged_files_are_left_out_where_that_is_asked():
    pairs = [(SOME.png(i) if i else b"damaged", int(SOME.labels[i])) for i in range(600)]
    with pytest.raises(DataError, match="cannot be decoded"):
        ws.scan(pairs, FAST)
    assert list(ws.scan(pairs, FAST, skip_unreadable=True).scan.result.skipped) == ["train/00000"]


def test_what_is_no_data_set_is_told_by_every_verb(signer, tmp_path):
    for verb in (
        lambda: ws.scan(7, FAST),
        lambda: ws.train(7, SMALL, seed=1),
        lambda: ws.poison(7, "stamp", target=1, count=3, seed=1),
        lambda: ws.attest(7, [signer], tmp_path / "signed"),
    ):
        with pytest.raises(UsageError, match="A int is no data set"):
            verb()


def test_what_was_written_is_what_was_opened(tmp_path):
    opened = open_dataset(Pictures(SOME))
    write_dataset(tmp_path, opened, None, "npz")
    again = open_dataset(tmp_path)
    assert again.ids == opened.ids
    np.testing.assert_array_equal(again.images(slice(None)), from_arrays(*ARRAYS, layout="NCHW").images(slice(None)))
