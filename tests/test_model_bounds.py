"""A model from somebody else: what its card and its header announce is compared before any of it is made or read."""

import json
import re
import struct

import numpy as np
import pytest

from tests.memory import measured
from whitesquare.errors import DataError, UsageError
from whitesquare.learning.models import Architecture, Model, ModelCard, build, load_model, save_model
from whitesquare.learning.networks import MAX_PARAMETERS, MODELS, outline
from whitesquare.records import CARD, WEIGHTS

CLASSES = ("a", "b", "c")
SHAPE = Architecture("cnn", 1, 12, 12, 3, 0.5)


@pytest.fixture
def folder(tmp_path):
    card = ModelCard(SHAPE, CLASSES, 0, {}, "", "", "0")
    save_model(Model(build(SHAPE, 0).eval(), card), tmp_path / "model")
    return tmp_path / "model"


def edit(folder, **fields):
    """Write another card; numbers that JSON has no words for as other programs write them."""
    card = json.loads((folder / CARD).read_text())
    card["architecture"] |= fields
    (folder / CARD).write_text(json.dumps(card))


def test_the_model_as_it_was_saved_is_loaded(folder):
    assert load_model(folder).card.architecture == SHAPE


@pytest.mark.parametrize(
    "fields",
    [
        {"scale": 1e6},
        {"scale": 1e300},
        {"scale": float("inf")},
        {"scale": float("nan")},
        {"scale": -1.0},
        {"scale": 64.0, "height": 400, "width": 400},
        {"height": -12},
        {"height": 0},
        {"width": 10**9},
        {"height": 8192, "width": 8192},
        {"height": 10**200},
        {"channels": 0},
        {"channels": -1},
        {"channels": 10**6},
        {"classes": 0},
        {"classes": -3},
        {"classes": 10**12},
        {"classes": 4},
        {"name": "none"},
    ],
    ids=str,
)
def test_a_card_that_describes_no_model_is_refused_in_a_sentence(folder, fields):
    edit(folder, **fields)
    with pytest.raises(DataError, match=re.escape(str(folder / CARD))) as error:
        load_model(folder)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 10_000, " " * (2**24 + 1)])
def test_a_card_that_is_no_json_is_refused(folder, text):
    (folder / CARD).write_text(text)
    with pytest.raises(DataError, match=r"is not a valid model card|is larger than"):
        load_model(folder)


@pytest.mark.parametrize("header", [2**20 + 1, 67_000_000, 2**63, 2**64 - 1])
def test_a_large_header_is_not_read(folder, header):
    with (folder / WEIGHTS).open("wb") as file:
        file.write(struct.pack("<Q", header))
        file.truncate(70_000_000)
    with pytest.raises(DataError, match=rf"cannot be loaded as 'cnn': it announces a header of {header} bytes"):
        load_model(folder)


@pytest.mark.parametrize("change", [-1, 1, 2**40])
def test_a_file_of_another_size_than_its_card_needs_is_not_read(folder, change):
    size = (folder / WEIGHTS).stat().st_size
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(size + change)
    with pytest.raises(DataError, match=rf"found {size + change} bytes, expected {size}"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff" * 8, bytes(8)])
def test_a_file_that_is_hardly_one_is_refused(folder, content):
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(DataError, match="cannot be loaded as 'cnn'"):
        load_model(folder)


def test_tensors_of_the_right_size_and_another_shape_are_refused(folder):
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / WEIGHTS)
    save_file({name: array.reshape(-1) for name, array in weights.items()}, folder / WEIGHTS)
    with pytest.raises(DataError, match="cannot be loaded as 'cnn'"):
        load_model(folder)


@pytest.mark.parametrize("name", MODELS)
def test_the_outline_is_the_network_and_takes_no_memory(name):
    a = Architecture(name, 3, 20, 24, 7, 1.5)
    state = build(a, 3).state_dict()
    assert {key: (one.shape, one.dtype) for key, one in outline(a).items()} == {
        key: (one.shape, one.dtype) for key, one in state.items()
    }
    with pytest.raises(UsageError, match="at most"):
        build(Architecture(name, 3, 20, 24, 60_000, 64.0), 0)


def test_the_bound_leaves_room_for_every_honest_model():
    for name in MODELS:
        size = sum(one.numel() for one in outline(Architecture(name, 3, 224, 224, 200, 1.0)).values())
        assert size < MAX_PARAMETERS


@pytest.mark.long
def test_a_hostile_model_costs_a_scan_and_a_measurement_no_memory(tmp_path, folder):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (30, 12, 12), dtype=np.uint8), np.arange(30) % 3
    np.savez(tmp_path / "d.npz", images=images, labels=labels)
    header = json.dumps({"__metadata__": {"a": "x" * 67_000_000}}).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)
    edit(folder, scale=8.0)
    for verb in (("scan", tmp_path / "d.npz", "--model", folder), ("measure", folder, "--trigger", "patch:size=2")):
        done = measured(tmp_path, *verb)
        assert done.code == 2
        assert "a header of" in done.output.replace("\n", " ")
        assert done.memory < 900
