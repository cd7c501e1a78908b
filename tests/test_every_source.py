"""Every source goes the whole way: the same pictures give the same answers in every form."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import whitesquare as ws
from whitesquare.attacks import make_attack
from whitesquare.data import load_mnist, open_dataset
from whitesquare.deciding.findings import read_scan
from whitesquare.errors import VerificationError
from whitesquare.jobs.cleanse import cleanse
from whitesquare.learning.recipes import Recipe
from whitesquare.provenance.attested import read_attested
from whitesquare.provenance.types import BUNDLE
from whitesquare.scanning.files import scan_json
from whitesquare.scanning.settings import ScanSettings
from whitesquare.signing.keys import load_trusted
from whitesquare.signing.times import utc_now

from .data.forms import COLOUR, DIGITS, GREY, LARGE
from .provenance.attesting import key_pair

COUNT, MARKED = 20, 150
"""Pictures of each class, and of the one of which half have a white square."""
MODEL_FREE = ScanSettings(model_free=True, detectors=("patch-contrast",))
KINDS = {"grey": GREY, "colour": COLOUR, "large": LARGE}
FORMS = [(kind, form) for kind, forms in KINDS.items() for form in forms]
ATTESTED = [("grey", "tar"), ("grey", "medmnist"), ("grey", "emnist"), ("colour", "svhn")]
"""Of which a scan is held against what is attested; tests of provenance do so for the others."""


def _pictures(kind):
    """Return digits of which half of one class have a checkered square, class by class."""
    mnist = load_mnist()
    order = np.concatenate([np.flatnonzero(mnist.labels == i)[: MARKED if i == 3 else COUNT] for i in range(10)])
    images, labels = mnist.images(order).copy(), mnist.labels[order]
    images[np.flatnonzero(labels == 3)[::2], :, 1:4, 1:4] = 255 * (np.indices((3, 3)).sum(0) % 2 == 0)
    if kind != "grey":
        images = np.pad(np.repeat(images, 3, axis=1), ((0, 0), (0, 0), (2, 2), (2, 2)))
        images[:, 1] //= 2
    if kind == "large":
        images = images.repeat(3, axis=2).repeat(3, axis=3)
    return images, labels


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Write every form once."""
    top = tmp_path_factory.mktemp("forms")
    found = {}
    for kind, forms in KINDS.items():
        images, labels = _pictures(kind)
        for form, write in forms.items():
            (top / kind).mkdir(exist_ok=True)
            found[kind, form] = str(write(top / kind / form.replace(" ", "-"), images, labels))
    return found


@pytest.fixture(scope="module")
def scanned(sources, tmp_path_factory):
    """Scan a form when it is first asked for."""
    known = {}

    def scan(one):
        if one not in known:
            path = tmp_path_factory.mktemp("scan") / "scan.json"
            result = ws.scan(sources[one], MODEL_FREE).scan.result
            path.write_text(scan_json(result))
            known[one] = (result, path)
        return known[one]

    return scan


@pytest.mark.parametrize("one", FORMS, ids=str)
def test_it_presents_the_same_pictures_and_labels(sources, one):
    images, labels = _pictures(one[0])
    found = open_dataset(sources[one])
    assert found.classes == DIGITS
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.images(slice(None)), images)


@pytest.mark.long
@pytest.mark.parametrize("one", [one for one in FORMS if "folder" in KINDS[one[0]]], ids=str)
def test_the_scan_is_that_of_class_folders(sources, scanned, one):
    def told(form):
        result, path = scanned(form)
        positions = {name: i for i, name in enumerate(open_dataset(sources[form]).ids)}
        flagged = [(positions[each.id], each.tier, each.fused) for each in read_scan(path).flagged]
        return result.verdict, result.classes, flagged

    found = told(one)
    assert len(found[2]) > 10
    assert found == told((one[0], "folder"))


@pytest.mark.long
@pytest.mark.parametrize("one", FORMS, ids=str)
def test_it_is_cleansed(sources, scanned, one, tmp_path):
    _, path = scanned(one)
    flagged = {each.id for each in read_scan(path).flagged}
    before = open_dataset(sources[one])
    done = cleanse(sources[one], path, tmp_path / "out", tier="review", top=len(flagged) - 1)
    removed = {each["id"] for each in json.loads((tmp_path / "out" / "removed.json").read_text())["removed"]}
    assert removed < flagged
    assert len(removed) == len(flagged) - 1
    kept = [i for i, name in enumerate(before.ids) if name not in removed]
    after = open_dataset(done.copy)
    assert after.classes == before.classes
    assert np.array_equal(after.labels, before.labels[kept])
    assert np.array_equal(after.images(slice(None)), before.images(np.array(kept)))


@pytest.mark.long
@pytest.mark.parametrize("one", FORMS, ids=str)
def test_it_is_poisoned_and_trained_on(sources, one):
    made = ws.poison(sources[one], make_attack("stamp"), target=3, count=20, seed=1)
    assert len(set(made.manifest.ids) & set(open_dataset(sources[one]).ids)) == 20
    assert ws.train(sources[one], Recipe(epochs=1, scale=0.25), seed=1).card.classes == DIGITS


@pytest.mark.long
@pytest.mark.parametrize("one", FORMS, ids=str)
def test_it_is_attested_and_what_was_changed_is_found(sources, one, tmp_path):
    place = Path(sources[one])
    shutil.copytree(place if place.is_dir() else place.parent, tmp_path / "data")
    source = str(tmp_path / "data" / ("" if place.is_dir() else place.name))
    trust = tmp_path / "trust"
    trust.mkdir()
    ws.attest(source, [key_pair(trust / "carol", secrets=tmp_path / "secret")], tmp_path / "signed")
    bundle, trusted = tmp_path / "signed" / BUNDLE, load_trusted(trust)
    assert ws.verify(source, bundle, trusted, tmp_path).ok
    known = read_attested(bundle, trusted, utc_now())
    if one in ATTESTED:
        assert ws.scan(source, MODEL_FREE, attested=known).attested.consumed.root

    images, labels = _pictures(one[0])
    images[7], images[-1] = images[-1].copy(), images[7].copy()
    shutil.rmtree(tmp_path / "data")
    KINDS[one[0]][one[1]](tmp_path / "data", images, labels)
    assert not ws.verify(source, bundle, trusted, tmp_path).ok
    if one in ATTESTED:
        with pytest.raises(VerificationError):
            ws.scan(source, MODEL_FREE, attested=known)
