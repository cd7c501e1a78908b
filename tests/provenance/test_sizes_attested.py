"""Attested image files of several sizes: what is signed and checked are the files, whatever size they are read at."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from whitesquare.provenance.attest import attest
from whitesquare.provenance.evidence import PROVENANCE
from whitesquare.provenance.own_training import attested_training

from .attesting import Case, key_pair, run

SIZES = [(20, 30), (31, 21), (40, 26), (22, 50), (64, 33), (33, 64)]


@pytest.fixture
def case(tmp_path):
    """Twelve attested photos of six sizes."""
    found = Case(tmp_path / "data", tmp_path / "attestation", tmp_path / "trust", tmp_path / "keys")
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 256, (*SIZES[i % 6], 3), np.uint8)
        path = found.data / "train" / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    key_pair(found.keys / "trainer", "trainer")
    attest(str(found.data), [found.trusted("owner")], found.attestation)
    return found


def test_a_training_at_any_size_speaks_of_the_same_files_and_says_the_size(case, tmp_path):
    predicates = []
    for size in ("16", "24"):
        out = tmp_path / f"model-{size}"
        how = ("--size", size, "--epochs", "1", "--key", case.key("trainer"))
        run("train", case.data, *case.asked, *how, "-o", out)
        predicates.append(_predicate(out / PROVENANCE))
    first, second = (json.dumps(one) for one in predicates)
    assert "16x16 by stretch" in first
    assert "24x24 by stretch" in second
    roots = [one["buildDefinition"]["resolvedDependencies"] for one in predicates]
    assert roots[0] == roots[1]
    run("verify", case.data, "--bundle", case.bundle, "--trust", case.trust)


def test_a_file_that_was_changed_is_found_at_any_size(case):
    path = case.data / "train" / "a" / "00.png"
    Image.fromarray(np.zeros((*SIZES[0], 3), np.uint8)).save(path)
    for size in ((), ("--size", "16")):
        done = run("scan", case.data, "--model-free", *case.asked, *size, code=1)
        assert "train/a/00.png" in done.stderr


def test_a_loop_of_the_users_own_gets_every_image_in_its_own_size(case, tmp_path):
    code = tmp_path / "loop.py"
    code.write_text("train()\n")
    split = attested_training(case.data, case.bundle, trust=case.trust, code=[code]).dataset("train")
    assert [split[i][0].shape[1:] for i in range(0, 12, 2)] == [SIZES[i % 6] for i in _order(split)][::2]


def _order(split):
    return [int(name[-6:-4]) for name in split.ids]


def _predicate(path):
    envelope = json.loads(path.read_text())["dsseEnvelope"]
    return json.loads(base64.b64decode(envelope["payload"]))["predicate"]
