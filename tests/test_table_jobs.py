"""A list and Parquet files go the whole way as class folders do: the same pictures give the same answers."""

import numpy as np
import pytest
from PIL import Image

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

from .data.tables import as_struct, write_csv, write_parquet
from .provenance.attesting import key_pair

COUNT = 1200
MODEL_FREE = ScanSettings(model_free=True, detectors=("pixel-contrast",))
FORMS = ("folder", "csv:list.csv?image=file&label=digit", "parquet")
TABLES = pytest.mark.parametrize("form", FORMS[1:])


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    """Digits, of which half of one class have a white square, in every form; what is tested runs in their folder."""
    top = tmp_path_factory.mktemp("forms")
    mnist, rows = load_mnist(), []
    for number, i in enumerate(np.argsort(mnist.labels[:COUNT], kind="stable").tolist()):
        image, label = mnist.images(slice(i, i + 1))[0, 0].copy(), int(mnist.labels[i])
        if label == 3 and number % 2:
            image[24:26, 24:26] = 255
        path = top / "folder" / str(label) / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        rows.append((f"folder/{label}/{number:05d}.png", label))
    write_csv(top / "list.csv", rows, ("file", "digit"))
    structs = [(as_struct(top, name), label) for name, label in rows]
    for shard in range(2):
        half = structs[shard * COUNT // 2 : (shard + 1) * COUNT // 2]
        write_parquet(top / "parquet" / f"train-0000{shard}-of-00002.parquet", half, names=tuple("0123456789"))
    return top


@pytest.fixture(autouse=True)
def _here(top, monkeypatch):
    monkeypatch.chdir(top)


@pytest.mark.long
def test_the_same_pictures_give_the_same_scan_and_the_same_copy_in_every_form(top, tmp_path):
    found = {}
    for form in FORMS:
        result = ws.scan(form, MODEL_FREE).scan.result
        scan = tmp_path / "scan.json"
        scan.write_text(scan_json(result))
        positions = {name: i for i, name in enumerate(open_dataset(form).ids)}
        flagged = [(positions[one.id], one.tier, one.fused) for one in read_scan(scan).flagged]
        done = cleanse(form, scan, tmp_path / form[:3], tier="review")
        copy = open_dataset(done.copy)
        assert copy.kind == open_dataset(form).kind
        contents = sorted(copy.content(i) for i in range(len(copy.ids)))
        found[form] = (result.verdict, result.classes, flagged, done.by_class, contents)
    first, *others = found.values()
    assert len(first[2]) > 20
    assert len(first[4]) == COUNT - len(first[2])
    assert others == [first, first]


@pytest.mark.long
@TABLES
def test_it_is_poisoned_and_trained_on(form):
    made = ws.poison(form, make_attack("stamp"), target=3, count=20, seed=1)
    assert len(set(made.manifest.ids) & set(open_dataset(form).ids)) == 20
    assert ws.train(form, Recipe(epochs=1, scale=0.25), seed=1).card.classes == tuple("0123456789")


@pytest.mark.long
@TABLES
def test_what_is_attested_is_verified_and_what_was_changed_is_named(form, top, tmp_path):
    trust = tmp_path / "trust"
    trust.mkdir()
    ws.attest(form, [key_pair(trust / "carol", secrets=tmp_path / "secret")], tmp_path / "signed")
    bundle, trusted = tmp_path / "signed" / BUNDLE, load_trusted(trust)
    assert ws.verify(form, bundle, trusted, tmp_path).ok
    known = read_attested(bundle, trusted, utc_now())
    statement = ws.scan(form, MODEL_FREE, attested=known).attested
    assert statement.consumed.root == known.signed.predicate.splits["train"].root

    path = top / ("list.csv" if form.startswith("csv") else "parquet/train-00001-of-00002.parquet")
    before = path.read_bytes()
    if form.startswith("csv"):
        path.write_bytes(before.replace(b"/00007.png,0", b"/00007.png,1"))
    else:
        opened = open_dataset(form)
        rows = [({"bytes": opened.content(i), "path": None}, int(opened.labels[i])) for i in range(COUNT // 2, COUNT)]
        rows[7] = (rows[7][0], 1)
        write_parquet(path, rows, names=tuple("0123456789"))
    try:
        found = ws.verify(form, bundle, trusted, tmp_path)
        assert (found.ok, found.counts["relabelled"]) == (False, 1)
        with pytest.raises(VerificationError):
            ws.scan(form, MODEL_FREE, attested=known)
    finally:
        path.write_bytes(before)
