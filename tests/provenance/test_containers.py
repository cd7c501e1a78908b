"""Files that hold many samples are items of their own: no byte of them changes unseen, and none is unpacked unasked."""

import gzip
import json
import random
import shutil
import struct
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.hostile import GZIP, NPZ, append, members_of
from tests.own_data import made_to_fit
from whitesquare.data import from_arrays, open_dataset, write_npz
from whitesquare.errors import DataError, VerificationError
from whitesquare.provenance.attest import attest
from whitesquare.provenance.consumed import Reading
from whitesquare.provenance.container_files import expect_sizes
from whitesquare.provenance.dataset import read_claim, read_dataset
from whitesquare.provenance.listing import make_manifest
from whitesquare.provenance.manifest import read_items
from whitesquare.provenance.types import BUNDLE, DATASET_TYPE, DATASET_TYPES, MANIFEST
from whitesquare.provenance.verify import verify
from whitesquare.signing.dsse import encode_bundle, sign
from whitesquare.signing.keys import load_trusted
from whitesquare.signing.statements import Subject, encode_statement

from .attesting import NOW, Case, attested, key_pair, pictures, run
from .edits import flipped

OLD = Path(__file__).parent / "attested" / "v1"
OLDEST_TYPE = next(kind for kind, found in DATASET_TYPES.items() if found == 1)
FORMATS = ("idx", "npz")
"""Those whose samples other bytes can hold as well."""
ALL = (*FORMATS, "cifar10")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    digits = ("0", "1", "2")
    return {
        fmt: attested(
            tmp_path_factory.mktemp(fmt),
            fmt,
            made_to_fit(pictures(18, classes=digits), fmt),
            made_to_fit(pictures(6, "test", classes=digits), fmt),
        )
        for fmt in ALL
    }


@pytest.fixture
def copied(originals, tmp_path):
    """A function that copies a case by format, to be spoilt."""

    def copy(fmt: str) -> Case:
        shutil.copytree(originals[fmt].data, tmp_path / "data")
        return replace(originals[fmt], data=tmp_path / "data")

    return copy


def verified(case, tmp_path, data=None):
    (tmp_path / "work").mkdir(exist_ok=True)
    found = verify(str(data or case.data), case.bundle, load_trusted(case.trust), tmp_path / "work", now=NOW)
    assert found.ok == (not found.reason)
    return found


def box(case, fmt):
    return case.data / {"npz": "train.npz", "cifar10": "data_batch_1.bin"}.get(fmt, "train-images-idx3-ubyte.gz")


@pytest.mark.parametrize("fmt", ALL)
def test_every_container_is_an_item(copied, tmp_path, fmt):
    case = copied(fmt)
    files = {item.id: item for item in read_items(case.signed.manifest, split="")}
    assert set(files) == {path.name for path in case.data.iterdir()}
    assert len(files) == {"idx": 4, "npz": 2, "cifar10": 3}[fmt]
    assert case.signed.predicate.format == 2
    found = verified(case, tmp_path)
    assert found.ok
    assert not found.warnings


@pytest.mark.parametrize("name", NPZ)
def test_npz_that_others_read_differently_does_not_verify(copied, tmp_path, name):
    case = copied("npz")
    path = box(case, "npz")
    path.write_bytes(NPZ[name](path.read_bytes()))
    assert "train.npz" in verified(case, tmp_path).reason


@pytest.mark.parametrize("name", GZIP)
def test_gzip_that_others_read_differently_does_not_verify(copied, tmp_path, name):
    case = copied("idx")
    path = box(case, "idx")
    path.write_bytes(GZIP[name](path.read_bytes()))
    assert path.name in verified(case, tmp_path).reason


def encoded_anew(path):
    """Write the same samples in other bytes, as an honest program might."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(gzip.decompress(data), 1, mtime=77))
    else:
        path.write_bytes(append(b"", *members_of(data)))
    assert path.read_bytes() != data


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_same_samples_in_another_file_are_changed(copied, tmp_path, fmt):
    case = copied(fmt)
    encoded_anew(box(case, fmt))
    found = verified(case, tmp_path)
    assert found.counts == {"changed": 1, "added": 0, "removed": 0, "relabelled": 0, "renamed": 0}
    reading = "The file '.*' is not the signed one: found .* bytes with SHA-256 .*, signed were .*"
    with pytest.raises(VerificationError, match=reading):
        Reading(open_dataset(case.data), "train", case.signed)


def test_no_verb_works_on_another_file_with_the_same_samples(copied, tmp_path):
    case = copied("npz")
    encoded_anew(box(case, "npz"))
    asked = (*case.asked, "--key", case.key("trainer"))
    done = run("train", case.data, "-o", tmp_path / "model", "--model", "cnn", "--epochs", 1, *asked, code=1)
    assert "'train.npz' is not the signed one" in done.stderr
    assert not (tmp_path / "model").exists()
    assert "'train.npz' is not the signed one" in run("scan", case.data, "--model-free", *case.asked, code=1).stderr


@pytest.mark.long
def test_every_flipped_bit_of_cifar_files_is_rejected(copied, tmp_path):
    case = copied("cifar10")
    draw = random.Random(0)
    for path in sorted(case.data.iterdir()):
        good = path.read_bytes()
        for _ in range(5):
            path.write_bytes(flipped(good, draw))
            assert not verified(case, tmp_path).ok
        path.write_bytes(good)
    assert verified(case, tmp_path).ok


def test_what_happened_to_a_record_is_named(copied, tmp_path):
    """Also a reading refuses it: images, labels and class names are those that were signed."""
    case = copied("cifar10")
    path = case.data / "data_batch_1.bin"
    good = path.read_bytes()
    for at, said in ((4 * 3073, "relabelled"), (4 * 3073 + 9, "changed")):
        path.write_bytes(good[:at] + bytes([(good[at] + 1) % 3]) + good[at + 1 :])
        counts = verified(case, tmp_path).counts
        assert (counts["changed"], counts["relabelled"]) == ((1, 1) if said == "relabelled" else (2, 0))
        with pytest.raises(VerificationError, match="train/00004"):
            Reading(open_dataset(case.data), "train", case.signed)
    path.write_bytes(good)
    (case.data / "batches.meta.txt").write_bytes(b"0\n1\n2\n\n")
    assert verified(case, tmp_path).counts["changed"] == 1
    with pytest.raises(VerificationError, match=r"batches\.meta\.txt"):
        Reading(open_dataset(case.data), "train", case.signed)


def test_more_records_than_signed_are_not_read(copied, tmp_path, monkeypatch):
    case = copied("cifar10")
    path = box(case, "cifar10")
    path.write_bytes(path.read_bytes() * 1300)  # 72 MB, where 55 kB were signed
    monkeypatch.setattr("whitesquare.provenance.containers._Digests.add", None)  # whoever digests an image fails
    assert "data_batch_1.bin has" in verified(case, tmp_path).reason


def test_a_plain_file_of_other_samples_beside_the_packed_one(copied, tmp_path):
    """It is what other programs read: with the same samples it is an item as any file, with others nothing holds."""
    case = copied("idx")
    packed = box(case, "idx")
    plain, content = packed.with_suffix(""), gzip.decompress(packed.read_bytes())
    plain.write_bytes(content)
    assert verified(case, tmp_path).counts["added"] == 1
    plain.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    said = f"{packed.name} and {plain.name} beside it hold different images"
    with pytest.raises(DataError, match=said):
        make_manifest(str(case.data), tmp_path / "m.parquet")
    assert said in verified(case, tmp_path).reason


def test_labels_of_the_other_split_count_as_well(copied):
    """They decide how many classes there are."""
    case = copied("idx")
    encoded_anew(case.data / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(VerificationError, match="t10k-labels"):
        Reading(open_dataset(case.data), "train", case.signed)


@pytest.mark.parametrize(
    ("fmt", "name"), [("idx", "train-images.idx3-ubyte.gz"), ("idx", "train-images-idx3-ubyte"), ("npz", "Test.npz")]
)
def test_a_container_under_another_name_is_renamed(copied, tmp_path, fmt, name):
    case = copied(fmt)
    old = case.data / ("test.npz" if fmt == "npz" else "train-images-idx3-ubyte.gz")
    old.rename(case.data / name)
    assert not verified(case, tmp_path).ok


def test_a_single_file_is_an_item(tmp_path):
    case = Case(tmp_path / "one.npz", tmp_path / "out", tmp_path / "trust", tmp_path / "keys")
    write_npz(case.data, pictures(6))
    attest(str(case.data), [case.trusted("owner")], case.attestation)
    assert [item.id for item in read_items(case.signed.manifest, split="")] == ["one.npz"]
    assert verified(case, tmp_path).ok
    shutil.copy(case.data, tmp_path / "two.npz")
    assert verified(case, tmp_path, tmp_path / "two.npz").counts["renamed"] == 1
    encoded_anew(case.data)
    assert verified(case, tmp_path).counts["changed"] == 1
    with pytest.raises(VerificationError, match=r"one\.npz"):
        Reading(open_dataset(case.data), "train", case.signed)


# --- sizes first ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", ALL)
def test_a_file_far_larger_than_signed_is_not_looked_at(copied, tmp_path, monkeypatch, fmt):
    """It has no content at all, and a length of a terabyte."""
    case = copied(fmt)
    path = box(case, fmt)
    with path.open("r+b") as file:
        file.truncate(2**40)
    started = time.perf_counter()
    assert f"{path} has {2**40} bytes" in verified(case, tmp_path).reason
    for verb in (("train", case.data, "-o", tmp_path / "model"), ("scan", case.data, "--model-free")):
        assert f"has {2**40} bytes" in run(*verb, *case.asked, code=1).stderr.replace("\n", " ")
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("fmt", FORMATS)
def test_more_images_than_signed_are_not_unpacked(copied, tmp_path, monkeypatch, fmt):
    """100 MB of black images in a small file, where 2.6 kB were signed."""
    case = copied(fmt)
    count = 100_000_000 // 144
    if fmt == "npz":
        labels = np.zeros(count, np.uint8)
        np.savez_compressed(box(case, fmt), images=np.zeros((count, 12, 12), np.uint8), labels=labels)
    else:
        head = b"\0\0\x08\x03" + struct.pack(">3I", count, 12, 12)
        box(case, fmt).write_bytes(gzip.compress(head + bytes(144 * count), 1))
        labels = b"\0\0\x08\x01" + struct.pack(">I", count) + bytes(count)
        (case.data / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, 1))
    most = expect_sizes(case.data, case.signed)
    assert 2**26 < most < 2**27
    monkeypatch.setattr("whitesquare.provenance.containers._Digests.add", None)  # whoever digests an image fails
    said = verified(case, tmp_path).reason
    assert str(most) in said
    assert "declare" in said


def test_a_changed_sample_is_still_named(copied, tmp_path):
    """Bounds come first, but a file of about the signed size is read, so that one knows what happened to it."""
    case = copied("npz")
    old = open_dataset(case.data)
    labels = old.labels.copy()
    labels[4] = 0
    write_npz(box(case, "npz"), from_arrays(old.pixels, labels, classes=old.classes, layout="NCHW"))
    counts = verified(case, tmp_path).counts
    assert (counts["changed"], counts["relabelled"]) == (1, 1)


# --- format 1 ---------------------------------------------------------------------------------------------------


def old_case(tmp_path, fmt: str) -> Case:
    shutil.copytree(OLD, tmp_path / "old")
    place = tmp_path / "old" / fmt
    return Case(place / "data", place / "attestation", tmp_path / "old" / "keys", tmp_path / "keys")


@pytest.mark.parametrize("fmt", ["idx", "npz", "png-folder"])
def test_what_the_first_release_attested_verifies_with_a_note(tmp_path, fmt):
    case = old_case(tmp_path, fmt)
    found = verified(case, tmp_path)
    assert found.ok, found.reason
    assert found.predicate.format == 1
    (note,) = found.warnings
    assert "format 1, which promises less" in note
    assert ("orientation" if fmt == "png-folder" else "nothing but the samples is covered") in note
    done = run("verify", case.data, "--bundle", case.bundle, "--trust", case.trust, "--state", tmp_path / "s")
    assert "promises less" in done.stdout.replace("\n", " ")
    Reading(open_dataset(case.data), "train", case.signed)


@pytest.mark.parametrize("fmt", FORMATS)
def test_format_1_still_says_what_happened_to_samples_and_files_beside_them(tmp_path, fmt):
    case = old_case(tmp_path, fmt)
    encoded_anew(box(case, fmt))
    assert verified(case, tmp_path).ok  # the promise that format 1 does not make
    (case.data / "README.txt").write_text("other")
    (case.data / "new.txt").write_text("new")
    counts = verified(case, tmp_path).counts
    assert (counts["changed"], counts["added"]) == (1, 1)


def test_a_new_version_goes_on_from_format_1(tmp_path):
    case = old_case(tmp_path, "npz")
    signer = key_pair(tmp_path / "new" / "owner", secrets=tmp_path)
    trusted = (*load_trusted(case.trust), *load_trusted(tmp_path / "new" / "owner.pub"))
    made = attest(str(case.data), [signer], tmp_path / "out", previous=case.bundle, trusted=trusted)
    assert (made.format, made.dataset.version) == (2, 2)
    assert made.dataset.previous == read_claim(case.bundle, trusted, NOW).sha256
    newer = replace(case, attestation=tmp_path / "out", trust=tmp_path / "new")
    assert verified(newer, tmp_path).ok
    encoded_anew(box(case, "npz"))
    assert not verified(newer, tmp_path).ok


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (DATASET_TYPE, {"format": 1}),
        (DATASET_TYPE, {"format": 3}),
        (DATASET_TYPE, {"format": None}),
        (OLDEST_TYPE, {"format": 1}),
        (OLDEST_TYPE, {"format": 2}),
        (DATASET_TYPE.replace("/v2", "/v3"), {}),
    ],
)
def test_the_format_is_that_of_the_type(tmp_path, kind, change):
    """Nobody makes a statement promise less by a word in it."""
    signer = key_pair(tmp_path / "trust" / "owner", secrets=tmp_path)
    (tmp_path / "d" / "cat").mkdir(parents=True)
    (tmp_path / "d" / "cat" / "a.png").write_bytes(b"1")
    made = attest(str(tmp_path / "d"), [signer], tmp_path / "out")
    record = asdict(made) | change
    if record["format"] is None:
        del record["format"]
    bundle, trusted = tmp_path / "out" / BUNDLE, load_trusted(tmp_path / "trust")
    digest = read_dataset(bundle, trusted, NOW).sha256
    bundle.write_text(encode_bundle(sign(encode_statement([Subject(MANIFEST, digest)], kind, record), [signer])))
    with pytest.raises(VerificationError):
        read_dataset(bundle, trusted, NOW)


def test_the_embedded_files_are_no_items(tmp_path):
    """They are a part of the package, which knows their digests, and lie in no data set."""
    make_manifest("mnist", tmp_path / MANIFEST)
    assert not list(read_items(tmp_path / MANIFEST, split=""))


def test_format_and_note_are_in_the_json(tmp_path):
    case = old_case(tmp_path, "npz")
    done = run(
        *("verify", case.data, "--bundle", case.bundle, "--trust", case.trust, "--state", tmp_path / "s"),
        *("-o", "json"),
    )
    assert "format 1" in json.loads(done.stdout)["warnings"][0]
