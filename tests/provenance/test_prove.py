"""prove: one sample, a few hashes, and the signed root; checked here by nothing of ours but SHA-256."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from whitesquare.data import from_arrays, open_dataset, write_dataset
from whitesquare.provenance.prove import look_up
from whitesquare.provenance.prove import prove as make
from whitesquare.signing.keys import load_trusted

from .signed import Signed, make_signed, run


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Signed:
    return make_signed(tmp_path_factory.mktemp("original"), 21)


@pytest.fixture
def case(original, tmp_path) -> Signed:
    shutil.copytree(original.folder, tmp_path / "case")
    return Signed(tmp_path / "case")


def prove(case: Signed, id: str, *arguments: object, code: int = 0):
    done = run("prove", id, "--bundle", case.bundle, "--trust", case.trust, *arguments)
    assert done.exit_code == code, done.output
    return done


def ids(case: Signed) -> list[str]:
    return sorted(path.relative_to(case.data).as_posix() for path in case.data.rglob("*.png"))


def leaf_of(record) -> bytes:
    """RFC 6962 over fields with their lengths, written down once more."""
    parts = [b"whitesquare-sample/v1"] + [record[name].encode() for name in ("id", "split", "label")]
    parts += [record["size"].to_bytes(8, "big"), b"sha256", bytes.fromhex(record["sha256"])]
    return sha256(b"\0" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Follow the definition of the tree (RFC 6962, section 2.1), from the top down."""
    if size == 1:
        assert not path
        return leaf
    left = 1 << (size - 1).bit_length() - 1
    *below, sibling = path
    if index < left:
        return sha256(b"\1" + root_of(leaf, index, left, below) + sibling).digest()
    return sha256(b"\1" + sibling + root_of(leaf, index - left, size - left, below)).digest()


def test_every_sample_is_proven(case) -> None:
    root = json.loads(case.verify("-o", "json", code=0).stdout)["root"]
    for position, id in enumerate(ids(case)):
        record = json.loads(prove(case, id, "--data", case.data, "-o", "json").stdout)
        assert record["ok"]
        assert record["data"] == "same"
        assert (record["index"], record["tree_size"], record["root"]) == (position, 21, root)
        assert record["sha256"] == sha256((case.data / id).read_bytes()).hexdigest()
        leaf = leaf_of(record)
        assert leaf.hex() == record["leaf"]
        assert root_of(leaf, position, 21, [bytes.fromhex(one) for one in record["path"]]).hex() == root


def test_the_table_says_it_in_words(case) -> None:
    id = ids(case)[3]
    shown = prove(case, id, "--data", case.data).stdout
    assert "PROVEN" in shown
    assert "is the signed one" in shown
    assert "there" not in prove(case, id).stdout


def test_another_file_is_not_the_proven_one(case) -> None:
    changed, gone, linked = ids(case)[:3]
    (case.data / changed).write_bytes(b"other")
    (case.data / gone).unlink()
    (case.data / linked).rename(case.folder / "x.png")
    (case.data / linked).symlink_to(case.folder / "x.png")
    for id, reason in ((changed, "its content"), (gone, "cannot be read"), (linked, "cannot be read as a plain file")):
        record = json.loads(prove(case, id, "--data", case.data, "-o", "json", code=1).stdout)
        assert record["data"] == "other"
        assert reason in record["reason"]
        assert "NOT THE SIGNED ONE" in prove(case, id, "--data", case.data, code=1).stdout


def test_an_unknown_id_names_the_nearest(case) -> None:
    id = ids(case)[5]
    assert repr(id) in prove(case, id.replace(".png", ".pmg"), code=2).stderr
    assert "Did you mean" not in prove(case, "zzz", code=2).stderr
    assert "in the split 'test'" in prove(case, ids(case)[-1], "--split", "test", code=2).stderr


def test_what_cannot_be_trusted_proves_nothing(case) -> None:
    id = ids(case)[0]
    prove(case, id, "--threshold", 2, code=1)
    assert prove(case, id, "--data", case.folder / "none", code=2).stderr
    manifest = case.bundle.with_name("manifest.parquet")
    manifest.write_bytes(manifest.read_bytes()[:-1] + b"x")
    assert prove(case, id, code=1).stdout == ""
    manifest.unlink()
    prove(case, id, code=3)


@pytest.fixture
def container(case) -> Signed:
    shutil.rmtree(case.data)
    shutil.rmtree(case.bundle.parent)
    return case


def arrays(split: str, count: int = 7, ids=None):
    draw = np.random.default_rng(len(split))
    images = draw.integers(0, 256, (count, 4, 4), dtype=np.uint8)
    return from_arrays(images, np.arange(count) % 3, ids=ids, split=split)


def test_a_sample_of_an_idx_file(container) -> None:
    write_dataset(container.data, arrays("train"), arrays("test"), "idx")
    container.attest()
    record = json.loads(prove(container, "test/00004", "--data", container.data, "-o", "json").stdout)
    assert record["sha256"] == sha256(open_dataset(container.data, "test").content(4)).hexdigest()
    assert (record["data"], record["label"], record["split"]) == ("same", "1", "test")
    shutil.rmtree(container.data)
    write_dataset(container.data, arrays("train", 5), arrays("test"), "idx")
    prove(container, "test/00004", "--data", container.data)
    assert "it is not there" in prove(container, "train/00006", "--data", container.data, code=1).stdout


def test_the_class_of_a_sample_is_part_of_it(container) -> None:
    train = arrays("train")
    write_dataset(container.data, train, arrays("test"), "idx")
    container.attest()
    other = from_arrays(train.images(slice(None))[:, 0], (train.labels + 1) % 3)
    shutil.rmtree(container.data)
    write_dataset(container.data, other, arrays("test"), "idx")
    record = json.loads(prove(container, "train/00004", "--data", container.data, "-o", "json", code=1).stdout)
    assert record["reason"] == "its class is '2', signed is '1'"


def test_an_id_in_both_splits_needs_the_split(container) -> None:
    names = tuple(f"scan-{i}" for i in range(7))
    write_dataset(container.data, arrays("train", ids=names), arrays("test", ids=names), "npz")
    container.attest()
    assert "--split" in prove(container, "scan-3", code=2).stderr
    for split in ("train", "test"):
        record = json.loads(prove(container, "scan-3", "--split", split, "--data", container.data, "-o", "json").stdout)
        assert (record["split"], record["data"]) == (split, "same")


def test_the_only_item_is_its_own_proof(container) -> None:
    container.data.mkdir()
    (container.data / "note").write_bytes(b"x")
    container.attest()
    record = json.loads(prove(container, "note", "--data", container.data, "-o", "json").stdout)
    assert (record["path"], record["root"], record["index"]) == ([], record["leaf"], 0)


def test_an_id_that_leads_elsewhere_is_not_followed(case) -> None:
    """Only a signer can write such an id, and not even that leads out of the folder."""
    (case.folder / "secret").write_bytes(b"x")
    proof = make(ids(case)[0], case.bundle, load_trusted(case.trust))
    for id in ("../secret", f"{case.folder}/secret", "train/../../secret", "./x", ""):
        evil = replace(proof, item=replace(proof.item, id=id, size=1, sha256=sha256(b"x").digest()))
        assert "leads elsewhere" in look_up(str(case.data), evil)


def test_a_missing_folder_of_keys_is_a_usage_error(case) -> None:
    assert run("prove", "x", "--bundle", case.bundle, "--trust", case.folder / "none").exit_code == 2
