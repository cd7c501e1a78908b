"""A data set that a user wrote goes the whole way, as ours do; and every image is decoded once for each verb."""

import base64
import json
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pytest

import whitesquare as ws
from whitesquare.attacks import make_attack
from whitesquare.data import from_arrays, held, load_mnist, open_dataset, write_dataset
from whitesquare.data.sources import folder as folders
from whitesquare.errors import ContractError, DataError, UsageError, VerificationError
from whitesquare.jobs.runs import make_run
from whitesquare.learning.recipes import Recipe
from whitesquare.provenance.attested import read_attested
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.types import BUNDLE, MANIFEST
from whitesquare.scanning.settings import ScanSettings
from whitesquare.signing.keys import load_trusted
from whitesquare.signing.times import utc_now
from whitesquare.testing import check_dataset
from whitesquare.types import Encoded

from .own_data import OwnDataset, OwnEncoded
from .provenance.attesting import key_pair

SMALL = Recipe(epochs=1, scale=0.25)
MODEL_FREE = ScanSettings(model_free=True, detectors=("pixel-contrast", "patch-contrast"))
KINDS = pytest.mark.parametrize("kind", [OwnDataset, OwnEncoded])


def digits(kind, count=600, split="train"):
    mnist = load_mnist(split)
    return kind(mnist.images(slice(0, count)), mnist.labels[:count], split)


@pytest.fixture
def attested(tmp_path):
    """Return a function that attests data and reads the attestation back."""

    def make(source, name="signed"):
        signer = key_pair(tmp_path / "trust" / "carol", secrets=tmp_path / "secret")
        ws.attest(source, [signer], tmp_path / name)
        return read_attested(tmp_path / name / BUNDLE, load_trusted(tmp_path / "trust"), utc_now())

    (tmp_path / "trust").mkdir()
    return make


@KINDS
def test_it_keeps_the_contract(kind):
    check_dataset(digits(kind, 12))
    assert issubclass(kind, Encoded) == (kind is OwnEncoded)


@KINDS
def test_poisoning_decodes_every_image_once_and_gives_what_ours_gives(kind):
    mine = digits(kind)
    ours = from_arrays(mine.images(slice(None)), mine.labels, classes=mine.classes, ids=mine.ids)
    mine.decodes.clear()
    made = [ws.poison(data, make_attack("stamp"), target=3, count=20, seed=1) for data in (mine, ours)]
    assert made[0].manifest == made[1].manifest
    assert set(mine.decodes.values()) == {1}
    assert len(mine.decodes) == 600


@KINDS
def test_training_decodes_every_image_once(kind):
    mine = digits(kind)
    model = ws.train(mine, SMALL, seed=1)
    assert mine.decodes == Counter(range(600))
    assert model.card.classes == mine.classes


@KINDS
def test_a_scan_decodes_every_image_once(kind):
    mine = digits(kind)
    found = ws.scan(mine, MODEL_FREE)
    assert mine.decodes == Counter(range(600))
    assert found.scan.result.size == 600
    assert found.scan.result.source == "packed"


def test_only_a_data_set_that_decodes_one_by_one_can_spare_its_damaged_images():
    for kind in (OwnDataset, OwnEncoded):
        mine = digits(kind)
        mine.packed[7] = b"no image"
        with pytest.raises(DataError, match="mine/7 is damaged"):
            ws.scan(mine, MODEL_FREE)
    found = ws.scan(mine, MODEL_FREE, skip_unreadable=True)
    assert list(found.scan.result.skipped) == ["train-mine/7"]
    assert found.scan.result.size == 599


@KINDS
def test_an_attestation_hashes_the_content(kind, attested, tmp_path):
    train, test = digits(kind, 40), digits(kind, 10, "test")
    signed = attested({"test": test, "train": train}).signed
    listed = {item.id: (item.split, item.label, item.size, item.sha256) for item in read_items(signed.manifest)}
    assert listed == {
        dataset.ids[i]: (split, str(dataset.labels[i]), len(content), sha256(content).digest())
        for split, dataset in (("train", train), ("test", test))
        for i, content in enumerate(dataset.packed)
    }
    assert signed.predicate.content.kind == "files"
    assert {name: split.size for name, split in signed.predicate.splits.items()} == {"train": 40, "test": 10}


@pytest.mark.long
@KINDS
def test_a_change_is_verified_by_name_and_stops_a_scan(kind, attested, tmp_path):
    mine = digits(kind)
    known = attested(mine)
    trusted = load_trusted(tmp_path / "trust")
    place = tmp_path / "found"
    place.mkdir()
    assert ws.verify(mine, tmp_path / "signed" / BUNDLE, trusted, place).ok
    statement = ws.scan(mine, MODEL_FREE, attested=known).attested
    assert statement.consumed.root == known.signed.predicate.splits["train"].root
    mine.packed[5] = mine.packed[6]
    found = ws.verify(mine, tmp_path / "signed" / BUNDLE, trusted, place)
    assert not found.ok
    assert found.counts["changed"] == 1
    with pytest.raises(VerificationError, match="train-mine/5"):
        ws.scan(mine, MODEL_FREE, attested=known)


def test_data_whose_content_are_its_pixels_are_attested_as_such(attested):
    mine = digits(OwnDataset, 30)
    ours = from_arrays(mine.images(slice(None)), mine.labels, classes=mine.classes, ids=mine.ids)
    signed = attested(ours).signed
    assert (signed.predicate.content.kind, signed.predicate.content.shape) == ("pixels", (1, 28, 28))


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (digits(OwnDataset, 10), "'train-mine/0' occurs twice"),
        (OwnDataset(np.zeros((2, 1, 4, 4), np.uint8), [0, 1], "test", ("a", "b")), "expected the same"),
    ],
)
def test_splits_that_cannot_be_signed_together_are_refused(test, said, attested, tmp_path):
    with pytest.raises(DataError, match=said):
        attested({"train": digits(OwnDataset, 10), "test": test})
    assert not (tmp_path / "signed" / MANIFEST).exists()


@pytest.mark.parametrize(
    ("given", "said"), [({}, "There is no data set to list"), ({"valid": digits(OwnDataset, 9)}, "'valid'")]
)
def test_nothing_and_an_unknown_split_are_no_data_set(given, said, attested):
    with pytest.raises(UsageError, match=said):
        attested(given)


@pytest.mark.long
def test_what_a_scan_finds_is_taken_out_of_it(tmp_path):
    mnist = load_mnist()
    images, labels = mnist.images(slice(0, 4000)).copy(), mnist.labels[:4000]
    images[np.flatnonzero(labels == 1)[:200], :, -3:-1, -3:-1] = 255
    mine = OwnDataset(images, labels)
    result = ws.scan(mine, MODEL_FREE)
    (tmp_path / "scan.json").write_text(result.json())
    done = ws.cleanse(mine, tmp_path / "scan.json", tmp_path / "clean", tier="review")
    again = open_dataset(tmp_path / "clean")
    assert len(again.ids) == 4000 - len(done.removed) < 3900
    assert set(again.ids) == set(mine.ids) - {one.id for one in done.removed}


def test_arrays_are_a_data_set_and_an_attack_has_a_name():
    mnist = load_mnist()
    data = open_dataset((mnist.images(slice(0, 200)), mnist.labels[:200]), "test")
    assert (data.kind, data.ids[0], data.classes) == ("arrays", "test/00000", mnist.classes)
    by_name = ws.poison(data, "stamp", target=1, count=5, seed=0)
    assert by_name.manifest == ws.poison(data, make_attack("stamp"), target=1, count=5, seed=0).manifest
    with pytest.raises(UsageError, match="stmp"):
        ws.poison(data, "stmp", target=1, count=5, seed=0)


def test_what_was_decoded_earlier_is_not_signed_for_with_what_lies_there_now(attested, tmp_path):
    """A file that was another one when its image was decoded, and is the signed one again when it is hashed."""
    some = digits(lambda images, labels, split: from_arrays(images, labels, classes=tuple("0123456789")), 40)
    write_dataset(tmp_path / "set", some, None, "png-folder")
    known = attested(tmp_path / "set")
    path = next((tmp_path / "set").rglob("*.png"))
    right, other = path.read_bytes(), sorted((tmp_path / "set").rglob("*.png"))[-1].read_bytes()
    path.write_bytes(other)
    seen = held(open_dataset(tmp_path / "set"))
    path.write_bytes(right)
    with pytest.raises(DataError, match="was changed since it was decoded"):
        ws.train(seen, SMALL, seed=1, attested=known)


def test_one_sample_does_not_speak_for_the_others(attested):
    """The pixels of the first image are its content; those of the others are not."""
    mine = digits(OwnDataset, 30)
    plain = from_arrays(mine.images(slice(None)), mine.labels, classes=mine.classes, ids=mine.ids)
    mine.packed[0], mine._image = plain.content(0), lambda i: plain.images(slice(i, i + 1))[0]
    assert attested(mine).signed.predicate.content.kind == "files"


WRONG = {
    "labels below 0": {"labels": np.array([-1, *range(9)])},
    "labels beyond the classes": {"labels": np.arange(1, 11)},
    "labels of another type": {"labels": np.arange(10, dtype=np.float32)},
    "a list of labels": {"labels": list(range(10))},
    "too few labels": {"labels": np.arange(9)},
    "one id twice": {"ids": ["same"] * 10},
    "images of another type": {"images": lambda index: np.zeros((10, 1, 28, 28), np.float32)[index]},
    "images of another shape": {"images": lambda index: np.zeros((10, 28, 28, 1), np.uint8)[index]},
    "too few images": {"images": lambda index: np.zeros((9, 1, 28, 28), np.uint8)},
}


@pytest.mark.parametrize(
    ("verb", "wrong"),
    [(verb, wrong) for verb in ("scan", "train", "poison") for wrong in WRONG]
    + [("attest", wrong) for wrong in WRONG if "images" not in WRONG[wrong]],  # which hashes the content alone
)
def test_data_that_are_not_what_they_say_are_refused_in_a_sentence(verb, wrong, attested):
    mine = digits(OwnDataset, 10)
    mine.labels = np.arange(10)
    for name, value in WRONG[wrong].items():
        setattr(mine, name, value)
    verbs = {
        "scan": lambda: ws.scan(mine, MODEL_FREE),
        "train": lambda: ws.train(mine, SMALL, seed=1),
        "poison": lambda: ws.poison(mine, "stamp", target=3, count=1, seed=0),
        "attest": lambda: attested(mine),
    }
    with pytest.raises(DataError, match=r"The data set \(packed\)"):
        verbs[verb]()


def test_an_attribute_that_is_called_like_one_of_ours_means_nothing(attested):
    mine = digits(OwnDataset, 600)
    mine.files = ["a.bin", "b.bin"]
    assert ws.scan(mine, MODEL_FREE, attested=attested(mine)).attested is not None


def test_the_evidence_names_what_decoded(attested, tmp_path):
    mine = digits(OwnEncoded, 60)
    ws.train(
        mine,
        SMALL,
        seed=1,
        folder=tmp_path / "model",
        attested=attested(mine),
        signer=key_pair(tmp_path / "trainer", "trainer"),
    )
    statement = json.loads(
        base64.b64decode(
            json.loads((tmp_path / "model" / "provenance.sigstore.json").read_text())["dsseEnvelope"]["payload"]
        )
    )
    assert '"zlib"' in json.dumps(statement)


def test_arrays_are_scanned_and_attested_as_they_are(attested):
    mnist = load_mnist()
    arrays = (mnist.images(slice(0, 300)), mnist.labels[:300])
    assert ws.scan(arrays, MODEL_FREE).scan.result.source == "arrays"
    assert ws.scan((arrays[0][:, :, ::-1], arrays[1]), MODEL_FREE).scan.result.size == 300
    assert ws.train((arrays[0][:, :, ::-1], arrays[1]), SMALL, seed=1).card.classes == mnist.classes
    assert attested(arrays).signed.predicate.content.kind == "pixels"


@dataclass(frozen=True)
class Unruly(type(make_attack("stamp"))):
    """An attack that does what attacks must not."""

    how: str = "raises"

    @property
    def epsilon(self):
        return float("nan") if self.how == "has no bound" else 0.0

    def craft(self, images, labels, context):
        if self.how == "raises":
            raise ZeroDivisionError("no")
        if self.how == "gives nothing":
            return None
        images[:] = 255
        return images


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "'stamp' failed: ZeroDivisionError: no"),
        ("gives nothing", "returned a NoneType"),
        ("writes", "changed a pixel by 1.0000"),
        ("has no bound", "epsilon in"),
    ],
)
def test_an_attack_that_breaks_its_promise_is_named(how, said):
    with pytest.raises(ContractError, match=said):
        ws.poison(
            (load_mnist().images(slice(0, 100)), load_mnist().labels[:100]), Unruly(how=how), target=1, count=3, seed=0
        )


@pytest.mark.parametrize("given", [(1, 2, 3), object(), np.zeros((3, 4, 4), np.uint8), None, 7])
def test_an_object_that_is_no_data_set_is_refused_by_what_it_lacks(given):
    with pytest.raises(UsageError, match=r"is no data set: it has no kind, classes, ids, labels"):
        open_dataset(given)


def test_each_verb_decodes_each_file_once(tmp_path, monkeypatch):
    """What the verbs do with class folders, counted where the bytes become pixels."""
    mnist = load_mnist()
    some = from_arrays(mnist.images(slice(0, 300)), mnist.labels[:300], classes=mnist.classes, layout="NCHW")
    write_dataset(tmp_path / "set", some, None, "png-folder")
    decodes = Counter()
    original = folders.decode_bytes
    monkeypatch.setattr(
        folders, "decode_bytes", lambda content, path, check: decodes.update([path]) or original(content, path, check)
    )
    make_run(str(tmp_path / "set"), tmp_path / "run", attack="stamp", settings={}, target=3, count=9, seed=0, fmt="npz")
    assert (len(decodes), set(decodes.values())) == (300, {1})
    decodes.clear()
    ws.train(tmp_path / "set", SMALL, seed=1, folder=tmp_path / "model")
    assert (len(decodes), set(decodes.values())) == (300, {1})
    decodes.clear()
    ws.scan(tmp_path / "set", MODEL_FREE)
    assert (len(decodes), set(decodes.values())) == (300, {1})
