"""Probabilities and features from files: what a file says is what an array says, and what does not fit is refused."""

import json

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.forms import GREY
from tests.provenance.attesting import run
from whitesquare.data import from_arrays, holding, open_dataset, readable_part
from whitesquare.data.cache_size import usual_size
from whitesquare.errors import DataError, UsageError
from whitesquare.executor.engine import Way
from whitesquare.jobs.scan import scan
from whitesquare.scanning.brought_files import read_brought
from whitesquare.scanning.settings import ScanSettings

ASKED = ScanSettings(detectors=("confident-learning", "spectral-signatures"))
NAMES = ("cat", "dog", "owl")
SIZE = 120


@pytest.fixture(scope="module")
def rows():
    """Probabilities of three classes that a good model gives, and features."""
    rng, labels = np.random.default_rng(4), np.arange(SIZE) % 3
    logits = rng.normal(0, 1, (SIZE, 3)) + 4 * np.eye(3)[labels]
    found = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return found.astype(np.float32), (rng.normal(0, 1, (SIZE, 6)) + np.eye(6)[labels]).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    images = np.random.default_rng(2).integers(0, 256, (SIZE, 1, 12, 12), np.uint8)
    return GREY["folder"](tmp_path_factory.mktemp("images") / "data", images, np.arange(SIZE) % 3)


@pytest.fixture(scope="module")
def ordered(folder, rows):
    """The data set, and the rows in its order, which is that of the files."""
    dataset = open_dataset(str(folder))
    at = np.array([int(name.rpartition("/")[2].partition(".")[0]) for name in dataset.ids])
    return dataset, rows[0][at], rows[1][at]


def write_table(path, names, columns, ids=None):
    table = dict(zip(names, np.asarray(columns).T.astype(np.float64), strict=True))
    if ids is not None:
        table = {"id": np.array(ids, object)} | table
    with duckdb.connect() as db:
        db.register("rows", table)
        form = "(FORMAT parquet)" if path.suffix == ".parquet" else "(HEADER)"
        db.execute(f"COPY rows TO '{path}' {form}")
    return path


def written(folder, kind, name, rows, names, dataset):
    """A file of a kind; in tables the samples, and of classes the columns, stand in another order."""
    path = folder / f"{name}{kind}"
    if kind == ".npy":
        np.save(path, rows)
    elif kind == ".npz":
        np.savez(path, **{name: rows, "others": np.zeros(3)})
    else:
        order, other = np.random.default_rng(1).permutation(len(rows)), range(len(names))
        if name == "pred_probs":
            other = [*other[1:], 0]
        ids = [dataset.ids[i] for i in order]
        write_table(path, [names[i] for i in other], rows[order][:, list(other)], ids)
    return path


@pytest.mark.parametrize("kind", [".npy", ".npz", ".csv", ".parquet"])
def test_a_file_says_what_its_array_says(folder, ordered, tmp_path, kind):
    dataset, probabilities, features = ordered
    plain = scan(str(folder), ASKED, pred_probs=probabilities, features=features)
    given = {
        "pred_probs": written(tmp_path, kind, "pred_probs", probabilities, dataset.classes, dataset),
        "features": written(tmp_path, kind, "features", features, "uvwxyz", dataset),
    }
    found = scan(str(folder), ASKED, **given)
    for name in ASKED.detectors:
        assert np.array_equal(found.scan.scores.by_detector[name], plain.scan.scores.by_detector[name]), name
    assert found.scan.result.flagged == plain.scan.result.flagged
    assert not any(one.reason for one in found.scan.result.runs if one.name in ASKED.detectors)


def test_the_shell_takes_both_and_says_what_the_library_says(folder, ordered, tmp_path):
    dataset, probabilities, features = ordered
    np.save(tmp_path / "f.npy", features)
    table = written(tmp_path, ".csv", "pred_probs", probabilities, dataset.classes, dataset)
    how = ("--detectors", ",".join(ASKED.detectors), "-o", f"parquet={tmp_path / 'scores.parquet'}")
    run("scan", folder, "--features", tmp_path / "f.npy", "--pred-probs", table, *how, code=3)
    plain = scan(str(folder), ASKED, pred_probs=probabilities, features=features).scan.scores
    for name in ASKED.detectors:
        asked = f"SELECT \"{name}\" FROM '{tmp_path / 'scores.parquet'}'"
        found = np.array([value for (value,) in duckdb.sql(asked).fetchall()], np.float32)
        assert np.array_equal(found, plain.by_detector[name])


def test_shards_take_the_files_as_well(folder, ordered, tmp_path):
    dataset, probabilities, features = ordered
    path = written(tmp_path, ".parquet", "pred_probs", probabilities, dataset.classes, dataset)
    asked = ScanSettings(detectors=("confident-learning",))
    plain = scan(str(folder), asked, pred_probs=probabilities, way=Way())
    sharded = scan(str(folder), asked, pred_probs=path, way=Way())
    scores = plain.scan.scores.by_detector["confident-learning"]
    assert np.array_equal(sharded.scan.scores.by_detector["confident-learning"], scores)
    np.save(tmp_path / "f.npy", features)
    told = tmp_path / "scan.json"
    names = ("--detectors", "spectral-signatures,noise-residual", "-o", f"json={told}")
    run("scan", folder, "--features", tmp_path / "f.npy", "--workers", 1, *names, code=3)
    ran = {one["name"]: one for one in json.loads(told.read_text())["detectors"]}
    assert ran["spectral-signatures"]["reason"] == ""
    run("scan", folder, "--features", tmp_path / "f.npy", "--model", tmp_path, "--workers", 1, code=2)


def test_rows_of_what_could_not_be_read_are_left_out_with_it(rows, tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (SIZE, 1, 12, 12), np.uint8)
    folder = GREY["folder"](tmp_path / "data", images, np.arange(SIZE) % 3)
    dataset = open_dataset(str(folder))
    (folder / dataset.ids[5]).write_bytes(b"no image")
    given = np.eye(3)[dataset.labels] * 0.7 + 0.1
    np.save(tmp_path / "p.npy", given)
    asked = ScanSettings(detectors=("confident-learning",))
    found = scan(str(folder), asked, pred_probs=tmp_path / "p.npy", skip_unreadable=True).scan
    alone = np.delete(given, 5, axis=0)
    plain = scan(str(folder), asked, pred_probs=alone, skip_unreadable=True).scan
    assert found.result.size == SIZE - 1
    assert found.scores.fused.tolist() == plain.scores.fused.tolist()


CHANGES = {
    "rows": (lambda rows: rows[1:], "one row for each of the 120 samples|has no row for 1 of 120 samples"),
    "columns": (lambda rows: rows[:, :2], "one for each of the 3 classes|has 2 columns of probabilities for 3 classes"),
    "infinite": (lambda rows: np.where(rows == rows[3, 1], np.inf, rows), "not finite numbers"),
    "missing": (lambda rows: np.where(rows == rows[3, 1], np.nan, rows), "not finite numbers"),
    "sums": (lambda rows: rows * 2, "holds no probabilities"),
    "order": (lambda rows: rows[:, [1, 2, 0]], "another order than the labels"),
}


@pytest.mark.parametrize("kind", [".npy", ".csv", ".parquet"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_are_no_probabilities_of_these_data_is_refused(folder, ordered, tmp_path, kind, change):
    dataset, probabilities, _ = ordered
    changed, said = CHANGES[change]
    rows, path = changed(probabilities.astype(np.float64)), tmp_path / f"p{kind}"
    if kind == ".npy":
        np.save(path, rows)
    else:
        write_table(path, dataset.classes[: rows.shape[1]], rows, dataset.ids[-len(rows) :])
    for way in (None, Way()):
        with pytest.raises((DataError, UsageError), match=said):
            scan(str(folder), ASKED, pred_probs=path, way=way)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.npy", b"", "cannot be read as an array of numbers"),
        ("p.npy", b"\x93NUMPY\x01\x00", "cannot be read as an array of numbers"),
        ("p.npz", b"PK\x03\x04" + bytes(40), "cannot be read as an array of numbers"),
        ("p.csv", b"id,0,1,2\na,b,c,d\n", "cannot be read as Parquet|cannot be read"),
        ("p.csv", b"id\nx\n", "no column of numbers"),
        ("p.csv", b"cat,dog,owl\n1,0,0\n", "is no class"),
        ("p.parquet", b"PAR1", "cannot be read as Parquet"),
        ("p.txt", b"1 2 3", r"is of no kind that is read \(.txt\)"),
        ("p", b"1 2 3", "no suffix"),
    ],
)
def test_files_that_are_none_of_these_are_named(folder, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    done = run("scan", folder, "--pred-probs", tmp_path / name, code=2)
    told = " ".join(done.stderr.split())
    assert str(tmp_path / name) in told
    with pytest.raises((DataError, UsageError), match=said):
        scan(str(folder), ASKED, pred_probs=tmp_path / name)


def test_a_pickle_is_not_loaded(folder, tmp_path):
    np.save(tmp_path / "p.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as an array of numbers"):
        scan(str(folder), ASKED, pred_probs=tmp_path / "p.npy")


def test_two_rows_of_one_sample_and_several_arrays_are_refused(folder, ordered, tmp_path):
    dataset, probabilities, _ = ordered
    path = write_table(tmp_path / "p.csv", dataset.classes, probabilities, [*dataset.ids[:-1], dataset.ids[0]])
    with pytest.raises(DataError, match="two rows of the id"):
        read_brought("pred_probs", path, dataset, dataset.classes)
    np.savez(tmp_path / "p.npz", one=probabilities, two=probabilities)
    with pytest.raises(DataError, match=r"holds the arrays 'one', 'two'; expected one, or one that is called"):
        read_brought("pred_probs", tmp_path / "p.npz", dataset, dataset.classes)
    with pytest.raises(UsageError, match="is no file"):
        read_brought("pred_probs", tmp_path / "absent.npy", dataset, dataset.classes)


def test_a_model_and_what_stands_in_its_place_are_refused_together(folder, tmp_path):
    done = run("scan", folder, "--model", "m", "--pred-probs", tmp_path / "p.npy", code=2)
    assert "--pred-probs stand in the place of a model" in " ".join(done.stderr.split())


@pytest.mark.long
@given(st.permutations(range(5)), st.permutations(range(20)), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_table_is_read_by_its_names_whatever_the_order(tmp_path_factory, columns, order, numbered):
    labels, names = np.arange(20) % 5, ("a", "b b", "c,d", 'e"f', "é")
    dataset = from_arrays(np.zeros((20, 4, 4), np.uint8), labels, classes=names)
    rows = np.random.default_rng(0).dirichlet(np.ones(5), 20).astype(np.float32)
    called = [str(i) if numbered else names[i] for i in columns]
    ids = [dataset.ids[i] for i in order]
    place = tmp_path_factory.mktemp("tables")
    for kind in ("csv", "parquet"):
        path = write_table(place / f"p.{kind}", called, rows[list(order)][:, list(columns)], ids)
        assert np.allclose(read_brought("pred_probs", path, dataset, dataset.classes), rows, atol=1e-6)


def test_rows_of_a_part_that_is_held_already_are_in_its_own_order(folder, ordered, monkeypatch):
    """Its positions are those in the whole, of which the rows are not."""
    monkeypatch.setattr(holding, "SMALL", 0)
    whole, probabilities, features = ordered
    broken = folder / whole.ids[0]
    content = broken.read_bytes()
    try:
        broken.write_bytes(b"no image")
        part, left_out = readable_part(open_dataset(str(folder)), cache=usual_size())
    finally:
        broken.write_bytes(content)
    assert list(left_out) == [whole.ids[0]]
    arrays = from_arrays(part.images(slice(None)), part.labels, classes=part.classes, layout="NCHW")
    found, expected = (
        scan(one, ASKED, pred_probs=probabilities[1:], features=features[1:]).scan.scores for one in (part, arrays)
    )
    for name, scores in expected.by_detector.items():
        np.testing.assert_array_equal(found.by_detector[name], scores)
