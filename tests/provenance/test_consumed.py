"""Hash-on-read: the root over what was consumed is the signed one, and whatever is not signed is not consumed."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from whitesquare.data import FORMATS, from_arrays, held, load_npz, open_dataset, readable_part, write_npz
from whitesquare.data.watched import watched
from whitesquare.errors import ContractError, VerificationError
from whitesquare.provenance.attest import attest
from whitesquare.provenance.consumed import Reading
from whitesquare.provenance.dataset import read_dataset
from whitesquare.provenance.types import BUNDLE, MANIFEST
from whitesquare.signing.keys import load_trusted
from whitesquare.types import ImageDataset

from .attesting import NOW, Case, attested, key_pair, pictures


def read(case: Case, split: str = "train") -> Reading:
    """Read a whole split as a training does."""
    reading = Reading(open_dataset(case.data, split), split, case.signed)
    held(reading.dataset)
    return reading


@pytest.fixture(scope="module")
def folder_case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("folder"), "png-folder", pictures(18), pictures(6, "test"))


@pytest.fixture(scope="module")
def npz_case(tmp_path_factory):
    return attested(tmp_path_factory.mktemp("npz"), "npz", pictures(18), pictures(6, "test"))


@pytest.fixture
def photos(folder_case, tmp_path):
    """A copy of the image folder, to be tampered with."""
    shutil.copytree(folder_case.data, tmp_path / "photos")
    return Case(tmp_path / "photos", folder_case.attestation, folder_case.trust, folder_case.keys)


@pytest.fixture
def arrays(npz_case, tmp_path):
    """A copy of the npz files, to be tampered with."""
    shutil.copytree(npz_case.data, tmp_path / "arrays")
    return Case(tmp_path / "arrays", npz_case.attestation, npz_case.trust, npz_case.keys)


words = st.text("abzäö漢🙂 .-_", min_size=1, max_size=6)


@st.composite
def datasets(draw):
    """A format, a training and a test split that it can hold, and an order to read in."""
    fmt = draw(st.sampled_from(tuple(FORMATS)))
    classes = tuple(sorted({f"c{word}".rstrip(" .") for word in draw(st.lists(words, min_size=1, max_size=4))}))
    channels = 1 if fmt == "idx" else draw(st.sampled_from([1, 3]))
    shape = (3, 32, 32) if fmt == "cifar10" else (channels, 2, 3)
    splits = []
    for split in ("train", "test"):
        count = draw(st.integers(1, 12))
        pixels = np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, 256, (count, *shape), np.uint8)
        labels = draw(st.lists(st.integers(0, len(classes) - 1), min_size=count, max_size=count))
        ids = draw(st.lists(words, min_size=count, max_size=count, unique=True)) if fmt == "npz" else None
        splits.append(from_arrays(pixels, labels, classes=classes, ids=ids, split=split, layout="NCHW"))
    return fmt, *splits, draw(st.permutations(range(len(splits[0].ids))))


@settings(max_examples=12, deadline=None)
@given(made=datasets())
def test_the_consumed_root_is_the_signed_one_for_every_format_and_order(made, tmp_path_factory):
    fmt, train, test, order = made
    case = attested(tmp_path_factory.mktemp("any"), fmt, train, test)
    for split in ("train", "test"):
        consumed = read(case, split).consumed()
        signed = case.signed.predicate.splits[split]
        assert (consumed.root, consumed.size) == (signed.root, signed.size)
    reading = Reading(open_dataset(case.data), "train", case.signed)
    for i in order:
        reading.dataset.images(np.array([i]))
    assert reading.consumed().root == case.signed.predicate.splits["train"].root
    unsigned = Reading(open_dataset(case.data), "train")
    held(unsigned.dataset)
    assert unsigned.consumed() == reading.consumed()


def test_the_embedded_data_set(tmp_path):
    attest("mnist", [key_pair(tmp_path / "trust" / "owner", secrets=tmp_path / "secret")], tmp_path / "out")
    signed = read_dataset(tmp_path / "out" / BUNDLE, load_trusted(tmp_path / "trust"), NOW)
    reading = Reading(open_dataset("mnist", "test"), "test", signed)
    assert reading.consumed().root == signed.predicate.splits["test"].root


def test_what_is_read_is_the_same_data_set(folder_case, npz_case):
    for case in (folder_case, npz_case):
        plain = open_dataset(case.data)
        reading = Reading(plain, "train", case.signed)
        assert isinstance(reading.dataset, ImageDataset)
        assert (reading.dataset.classes, tuple(reading.dataset.ids)) == (plain.classes, tuple(plain.ids))
        assert np.array_equal(reading.dataset.labels, plain.labels)
        assert np.array_equal(reading.dataset.images(slice(None)), plain.images(slice(None)))
        assert all(reading.dataset.content(i) == plain.content(i) for i in range(len(plain.ids)))


def refused(case: Case, *parts: str, split: str = "train") -> None:
    with pytest.raises(VerificationError) as caught:
        read(case, split)
    for part in (*parts, "whitesquare verify"):
        assert part in str(caught.value)


def other_picture(path) -> None:
    Image.fromarray(np.full((12, 12), 7, np.uint8)).save(path)


def test_a_file_with_other_bytes(photos):
    other_picture(photos.data / "train" / "dog" / "00004.png")
    refused(photos, "'train/dog/00004.png' is not the signed one", "changed after it was signed")


def test_a_file_with_one_byte_more_shows_the_same_picture_and_is_refused(photos):
    path = photos.data / "train" / "dog" / "00004.png"
    path.write_bytes(path.read_bytes() + b"\0")
    refused(photos, "'train/dog/00004.png' is not the signed one")


def test_a_file_added(photos):
    other_picture(photos.data / "train" / "cat" / "new.png")
    refused(photos, "'train/cat/new.png' is not among those signed")


def test_a_file_removed(photos):
    (photos.data / "train" / "owl" / "00002.png").unlink()
    refused(photos, "'train/owl/00002.png' is missing")


def test_a_file_under_another_label(photos):
    (photos.data / "train" / "owl" / "00002.png").rename(photos.data / "train" / "cat" / "00002.png")
    refused(photos, "'train/cat/00002.png' is not among those signed")


def test_a_file_moved_to_the_other_split(photos):
    (photos.data / "test" / "cat" / "00000.png").rename(photos.data / "train" / "cat" / "99999.png")
    refused(photos, "'train/cat/99999.png' is not among those signed")
    refused(photos, "'test/cat/00000.png' is missing", split="test")


def test_a_class_added_shifts_the_labels_of_others(photos):
    (photos.data / "train" / "bee").mkdir()
    refused(photos, "the label 0 is 'bee', signed was 'cat'")


def rewrite(case: Case, split: str = "train", **changes) -> None:
    """Write a split anew with other images, labels, classes or ids."""
    old = load_npz(case.data / f"{split}.npz")
    parts = {"images": old.pixels, "labels": old.labels, "classes": old.classes, "ids": old.ids} | changes
    images, labels = parts.pop("images"), parts.pop("labels")
    write_npz(case.data / f"{split}.npz", from_arrays(images, labels, layout="NCHW", **parts))


def test_one_pixel(arrays):
    images = load_npz(arrays.data / "train.npz").pixels.copy()
    images[5, 0, 3, 3] ^= 1
    rewrite(arrays, images=images)
    refused(arrays, "'train/00005' is not the signed one")


def test_one_label(arrays):
    labels = load_npz(arrays.data / "train.npz").labels.copy()
    labels[5] = 0
    rewrite(arrays, labels=labels)
    refused(arrays, "'train/00005' has the label 'cat', signed was 'owl'")


def test_a_swapped_class_map_keeps_every_name_and_is_refused(arrays):
    swapped = np.array([1, 0, 2])
    rewrite(arrays, classes=("dog", "cat", "owl"), labels=swapped[load_npz(arrays.data / "train.npz").labels])
    refused(arrays, "the label 0 is 'dog', signed was 'cat'")


def test_a_class_map_cut_short_or_grown(arrays):
    rewrite(arrays, classes=("cat", "dog", "owl", "yak"))
    refused(arrays, "the label 3 is 'yak', signed was none")


def test_the_same_pixels_in_another_shape(arrays):
    rewrite(arrays, images=load_npz(arrays.data / "train.npz").pixels.reshape(18, 1, 9, 16))
    refused(arrays, "(1, 9, 16), signed was (1, 12, 12)")


def test_ids_swapped_between_two_samples(arrays):
    ids = list(load_npz(arrays.data / "train.npz").ids)
    ids[0], ids[3] = ids[3], ids[0]  # both are cats
    rewrite(arrays, ids=ids)
    refused(arrays, "is not the signed one")


def test_the_test_split_offered_as_the_training_split(arrays):
    shutil.copy(arrays.data / "test.npz", arrays.data / "train.npz")
    refused(arrays, "'test/00000' is not among those signed (it was signed as part of test)")


def test_the_same_images_in_another_form(arrays, folder_case):
    case = Case(arrays.data, folder_case.attestation, folder_case.trust, folder_case.keys)
    with pytest.raises(VerificationError, match="is over files, and this data set is one of pixels"):
        read(case)


def test_a_split_that_was_never_signed(tmp_path):
    case = attested(tmp_path, "npz", pictures(6))
    write_npz(case.data / "test.npz", pictures(6, "test"))
    with pytest.raises(VerificationError, match="has no test split"):
        read(case, "test")


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_a_manifest_exchanged_after_its_signature_was_checked(kind, photos, arrays, tmp_path):
    case = photos if kind == "folder" else arrays
    copy = tmp_path / "copy"
    shutil.copytree(case.attestation, copy)
    case = Case(case.data, copy, case.trust, case.keys)
    signed = case.signed
    if kind == "folder":
        other_picture(case.data / "train" / "dog" / "00004.png")
    else:
        rewrite(case, images=255 - load_npz(case.data / "train.npz").pixels)
    attest(str(case.data), [key_pair(tmp_path / "mallory")], tmp_path / "forged")
    shutil.copy(tmp_path / "forged" / MANIFEST, copy / MANIFEST)
    reading = Reading(open_dataset(case.data), "train", signed)
    held(reading.dataset)
    with pytest.raises(VerificationError, match="was changed after its signature was checked"):
        reading.consumed()


def test_a_file_that_changes_between_two_readings_is_caught_without_a_manifest(photos):
    reading = Reading(open_dataset(photos.data), "train")
    reading.dataset.images(slice(None))
    other_picture(photos.data / "train" / "dog" / "00004.png")
    with pytest.raises(VerificationError, match="changed between two readings"):
        reading.dataset.images(np.array([list(reading.dataset.ids).index("train/dog/00004.png")]))


def test_the_bytes_that_are_told_are_the_bytes_that_are_decoded(photos):
    """A file exchanged in the moment between hashing and decoding has no effect."""
    plain = open_dataset(photos.data)
    before = plain.images(slice(None))
    told = {}

    def exchange(i, content):
        told[i] = content
        other_picture(photos.data / plain.ids[i])

    assert np.array_equal(watched(plain, exchange).images(np.array([3]))[0], before[3])
    assert told[3] != plain.content(3)


def test_a_sample_that_was_not_read_has_no_digest(photos):
    reading = Reading(open_dataset(photos.data), "train", photos.signed)
    reading.dataset.images(np.array([0]))
    with pytest.raises(ContractError, match="was not read"):
        reading.consumed()
    assert reading.consumed(reading.dataset.ids[:1]).size == 1


def test_what_was_skipped_is_not_consumed(tmp_path):
    case = attested(tmp_path, "png-folder", pictures(18))
    path = case.data / "train" / "dog" / "00004.png"
    path.write_bytes(path.read_bytes()[:40])
    attest(str(case.data), [case.trusted("second")], tmp_path / "damaged")
    case = Case(case.data, tmp_path / "damaged", case.trust, case.keys)
    reading = Reading(open_dataset(case.data), "train", case.signed)
    part, skipped = readable_part(reading.dataset)
    assert list(skipped) == ["train/dog/00004.png"]
    consumed, signed = reading.consumed(part.ids), case.signed.predicate.splits["train"]
    assert consumed.size == signed.size - 1
    assert consumed.root != signed.root


def test_the_file_is_read_once(folder_case, monkeypatch):
    from whitesquare.data.sources import folder

    reads = []
    original = folder.read_image
    monkeypatch.setattr(folder, "read_image", lambda path: reads.append(path) or original(path))
    reading = Reading(open_dataset(folder_case.data), "train", folder_case.signed)
    dataset = held(reading.dataset)
    dataset.images(slice(None))
    reading.consumed()
    assert len([path for path in reads if path.suffix == ".png"]) == len(dataset.ids)
