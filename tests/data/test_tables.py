"""Lists and Parquet files: the same pictures in each form are the same data set, and what is not clear is refused."""

import multiprocessing
import pickle
import shutil
import warnings

import numpy as np
import pytest

from whitesquare.data import has_test, notes, open_dataset
from whitesquare.data.database import parquet
from whitesquare.data.row_writing import write_rows
from whitesquare.data.rows import columns_of, count_rows
from whitesquare.data.sized import unsized
from whitesquare.data.specs import moved
from whitesquare.errors import ChangedError, DataError, UsageError
from whitesquare.types import Rewritable

from .tables import CLASSES, as_struct, pictures, write_csv, write_jsonl, write_parquet


def _csv(folder, images, rows):
    write_csv(folder / "mine.csv", rows)
    shutil.copytree(images, folder, dirs_exist_ok=True)
    return str(folder / "mine.csv")


def _csv_with_columns(folder, images, rows):
    write_csv(folder / "mine.csv", [(1, name, kind, "x") for name, kind in rows], ("id", "file", "breed", "class"))
    return f"csv:{folder / 'mine.csv'}?image=file&label=breed&root={images}"


def _kaggle(folder, images, rows):
    for name, _ in rows:
        (folder / "train_images").mkdir(parents=True, exist_ok=True)
        shutil.copy(images / name, folder / "train_images" / name.rpartition("/")[2])
    write_csv(folder / "train.csv", [(name[-7:-4], kind) for name, kind in rows], ("Id", "Category"))
    write_csv(folder / "test.csv", [("001",)], ("Id",))
    return str(folder)


def _metadata_csv(folder, images, rows):
    shutil.copytree(images, folder / "train")
    write_csv(folder / "train" / "metadata.csv", [(kind, name) for name, kind in rows], ("label", "file_name"))
    return str(folder)


def _metadata_jsonl(folder, images, rows):
    shutil.copytree(images, folder)
    write_jsonl(folder / "metadata.jsonl", [{"file_name": f"./{name}", "label": kind} for name, kind in rows])
    return str(folder)


def _parquet_list(folder, images, rows):
    write_parquet(folder / "list.parquet", rows, "file VARCHAR, label VARCHAR", None)
    return f"parquet:{folder / 'list.parquet'}?root={images}"


def _hub(folder, images, rows):
    write_parquet(
        folder / "x.parquet", [(as_struct(images, name), CLASSES.index(kind)) for name, kind in rows], group=5
    )
    return str(folder / "x.parquet")


def _hub_shards(folder, images, rows):
    some = [(as_struct(images, name), CLASSES.index(kind)) for name, kind in rows]
    for shard in range(2):
        write_parquet(folder / "data" / f"train-0000{shard}-of-00002.parquet", some[6 * shard : 6 * shard + 6])
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", some[:3])
    return str(folder)


def _hub_pattern(folder, images, rows):
    _hub_shards(folder, images, rows)
    return str(folder / "data" / "train-*.parquet")


def _binary_column(folder, images, rows):
    found = [((images / name).read_bytes(), kind) for name, kind in rows]
    write_parquet(folder / "x.parquet", found, "picture BLOB, label VARCHAR", None)
    return str(folder / "x.parquet")


FORMS = (
    *(_csv, _csv_with_columns, _kaggle, _metadata_csv, _metadata_jsonl, _parquet_list),
    *(_hub, _hub_shards, _hub_pattern, _binary_column),
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.strip("_"))
def test_the_same_pictures_in_every_form_are_the_same_data(tmp_path, form):
    rows = pictures(tmp_path / "images")
    folders = open_dataset(tmp_path / "images")
    found = open_dataset(form(tmp_path / "form", tmp_path / "images", rows))
    assert found.classes == folders.classes
    np.testing.assert_array_equal(found.labels, folders.labels)
    np.testing.assert_array_equal(found.images(slice(None)), folders.images(slice(None)))
    np.testing.assert_array_equal(found.images(np.array([7, 0, 11])), folders.images(np.array([7, 0, 11])))
    assert [found.content(i) for i in range(12)] == [folders.content(i) for i in range(12)]
    assert found.header(3) == folders.header(3)
    assert len(set(found.ids)) == 12
    (said,) = notes(found)
    assert said.startswith("Labels come from the column '")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.strip("_"))
def test_some_samples_are_written_back_in_the_form_they_were_read_in(tmp_path, form):
    source = form(tmp_path / "form", tmp_path / "images", pictures(tmp_path / "images"))
    opened = unsized(open_dataset(source))
    assert isinstance(opened, Rewritable)
    kept = np.array([0, 1, 2, 3, 4, 9])  # of the second shard, where there is one, a single row
    opened.rewrite(tmp_path / "copy", kept)
    assert {path.name for path in (tmp_path / "copy").iterdir()} == set(opened.entries)
    copy = open_dataset(moved(source, tmp_path / "copy"))
    assert (copy.kind, copy.classes) == (opened.kind, opened.classes)
    assert [copy.content(i) for i in range(6)] == [opened.content(i) for i in kept]
    np.testing.assert_array_equal(copy.labels, opened.labels[kept])


def test_what_is_written_back_is_written_as_it_was(tmp_path):
    rows = pictures(tmp_path)
    text = "file , label\n".replace(" ", "") + "".join(f'"{name}",{kind}\r\n' for name, kind in rows)
    (tmp_path / "a.csv").write_text(text, newline="")
    unsized(open_dataset(tmp_path / "a.csv")).rewrite(tmp_path / "copy", np.array([0, 2]))
    lines = text.splitlines(keepends=True)
    assert (tmp_path / "copy" / "a.csv").read_bytes().decode() == lines[0] + lines[1] + lines[3]

    found = [(as_struct(tmp_path, name), CLASSES.index(kind), "kept") for name, kind in rows]
    columns = 'image STRUCT("bytes" BLOB, "path" VARCHAR), label UTINYINT, more VARCHAR'
    write_parquet(tmp_path / "a.parquet", found, columns)
    unsized(open_dataset(tmp_path / "a.parquet")).rewrite(tmp_path / "copy", np.array([0, 2]))
    assert columns_of(tmp_path / "copy" / "a.parquet") == columns_of(tmp_path / "a.parquet")
    with parquet(tmp_path) as db:
        said = "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = 'huggingface'"
        rest = "SELECT more, image.path FROM read_parquet(?)"
        before, after = (str(tmp_path / name) for name in ("a.parquet", "copy/a.parquet"))
        assert db.execute(said, [after]).fetchall() == db.execute(said, [before]).fetchall() != []
        paths = [(row[2], row[0]["path"]) for row in found]
        assert db.execute(rest, [after]).fetchall() == [paths[0], paths[2]]


def _list(folder, rows, names=("file", "label"), more=""):
    for name, *_ in rows:
        if isinstance(name, str) and name.endswith(".png") and ".." not in name:
            (folder / name).write_bytes(b"")
    write_csv(folder / "a.csv", rows, names)
    return f"csv:{folder / 'a.csv'}{more}"


def _hub_rows(folder, rows, *more, **options):
    write_parquet(folder / "a.parquet", rows, *more, **options)
    return folder / "a.parquet"


IMAGE = {"bytes": b"x", "path": None}
BAD = {
    "a label is missing": (
        lambda at: _list(at, [("a.png", "x"), ("b.png", ""), ("c.png", "NaN")]),
        r"a\.csv: 2 of 3 rows have no label \(rows 2, 3\)",
    ),
    "labels that are no whole numbers": (
        lambda at: _list(at, [("a.png", "1.5"), ("b.png", "2")]),
        r"the label 1\.5 is no whole number",
    ),
    "one-hot": (lambda at: _list(at, [("a.png", "[0, 1]")]), r"row 1: the label '\[0, 1\]' is a list"),
    "one-hot columns": (
        lambda at: _list(at, [("a.png", 0, 1)], ("image", "cat", "dog")),
        r"which column is the label is not clear, none is called .* \(columns: 'cat', 'dog'\)",
    ),
    "two columns that may be it": (
        lambda at: _list(at, [("a.png", 0, 1)], ("image", "class", "target")),
        r"'class' and 'target' may be it",
    ),
    "a column that is not there": (
        lambda at: _list(at, [("a.png", 0)], more="?label=breed"),
        r"has no column 'breed' \(found: 'label'\)",
    ),
    "a key that is not known": (lambda at: _list(at, [("a.png", 0)], more="?lable=x"), "no key named 'lable'; "),
    "two labels for one file": (
        lambda at: _list(at, [("a.png", "x"), ("./a.png", "y")]),
        r"the rows 1 and 2 both name 'a\.png', once as 'x' and once as 'y'",
    ),
    "files that are not there": (
        lambda at: _list(at, [("a.png", "x"), ("b", "y"), ("c", "y"), ("d", "y"), ("e", "y")]),
        r"4 of 5 files that it names are not in .* \('b', 'c', 'd', \.\.\.\)",
    ),
    "a path that leads out": (lambda at: _list(at, [("sub/../../a.png", "x")]), r"row 1: 'sub/.*' leads out of"),
    "an absolute path elsewhere": (lambda at: _list(at, [("/etc/a.png/..", "x")]), "leads out of"),
    "a row that is too short": (
        lambda at: _list(at, [("a.png", "x"), ("b.png",)]),
        "found 1 values, expected 2",
    ),
    "no rows": (lambda at: _list(at, []), "has no rows"),
    "a line that is no object": (
        lambda at: (at / "m.jsonl").write_text("[1]\n") and at / "m.jsonl",
        r"m\.jsonl, line 1: expected an object",
    ),
    "no image bytes": (
        lambda at: _hub_rows(at, [(IMAGE, 0), ({"bytes": None, "path": "a.png"}, 1)]),
        r"a\.parquet: 1 of \d+ rows have no image bytes in 'image'",
    ),
    "a label of no class": (lambda at: _hub_rows(at, [(IMAGE, 3)]), "found the label 3, expected a position in the 3"),
    "not labelled": (lambda at: _hub_rows(at, [(IMAGE, 0), (IMAGE, -1)]), r"1 of 2 rows have no label \(rows 2\)"),
    "lists of labels": (
        lambda at: _hub_rows(at, [(IMAGE, [0, 1])], 'image STRUCT("bytes" BLOB, "path" VARCHAR), label BIGINT[]'),
        r"row 1: the label \[0, 1\] is a list",
    ),
    "no label column": (
        lambda at: _hub_rows(at, [(IMAGE, "x")], 'image STRUCT("bytes" BLOB, "path" VARCHAR), caption VARCHAR'),
        r"which column is the label is not clear, none is called .* \(columns: 'caption'\)",
    ),
    "no Parquet": (
        lambda at: (at / "a.parquet").write_bytes(b"PAR1") and at / "a.parquet",
        "be read as Parquet",
    ),
    "other columns in a shard": (
        lambda at: (
            _hub_rows(at, [(IMAGE, 1)]),
            write_parquet(at / "b.parquet", [(IMAGE, 1)], 'image STRUCT("bytes" BLOB, "path" VARCHAR), label INTEGER'),
            at / "*.parquet",
        )[-1],
        r"b\.parquet has other columns than a\.parquet: they differ in 'label'",
    ),
    "other class names in a shard": (
        lambda at: (
            _hub_rows(at, [(IMAGE, 1)]),
            write_parquet(at / "b.parquet", [(IMAGE, 1)], names=("dog", "cat")),
            at / "*.parquet",
        )[-1],
        r"b\.parquet has other class names than .*a\.parquet",
    ),
    "a shard is missing": (
        lambda at: write_parquet(at / "train-00000-of-00002.parquet", [(IMAGE, 1)]) or at,
        "has 1 of the 2 shards",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_clear_is_refused(tmp_path, case):
    make, message = BAD[case]
    with pytest.raises((DataError, UsageError), match=message) as error:
        open_dataset(make(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((0, 1, 2), ("0", "1", "2")),
        ((1, 2, 3), ("1", "2", "3")),
        ((10, 2, 7), ("2", "7", "10")),
        (("1.0", "3.0", "2.0"), ("1", "2", "3")),
        (("b", "a", "b"), ("a", "b")),
        (("1", "b", "2.5"), ("1", "2.5", "b")),
    ],
)
def test_class_names_are_what_stands_in_the_column(tmp_path, labels, classes):
    found = open_dataset(_list(tmp_path, [(f"{i}.png", label) for i, label in enumerate(labels)]))
    assert found.classes == classes
    assert [found.classes[i] for i in found.labels] == [str(label).removesuffix(".0") for label in labels]


def test_classes_are_those_of_both_splits(tmp_path):
    for split, rows in {"train": [("a.png", "x"), ("b.png", "z")], "test": [("a.png", "y")]}.items():
        (tmp_path / split).mkdir()
        for name, _ in rows:
            (tmp_path / split / name).write_bytes(b"")
        write_csv(tmp_path / f"{split}.csv", rows)
    train, test = open_dataset(tmp_path), open_dataset(tmp_path, "test")
    assert train.classes == test.classes == ("x", "y", "z")
    assert (train.ids, test.ids) == (("train/a.png", "train/b.png"), ("test/a.png",))
    assert has_test(tmp_path)


def test_a_list_without_labels_beside_class_folders_is_left_aside(tmp_path):
    pictures(tmp_path)
    write_csv(tmp_path / "metadata.csv", [("cat/000.png", "a cat")], ("file_name", "text"))
    found = open_dataset(tmp_path)
    assert found.kind == "folder"
    assert notes(found) == (f"{tmp_path / 'metadata.csv'} has no column of labels and is not read.",)


def test_a_list_of_which_two_columns_may_be_the_label_is_refused_beside_class_folders(tmp_path):
    pictures(tmp_path)
    write_csv(tmp_path / "metadata.csv", [("cat/000.png", "a", "b")], ("file_name", "class", "target"))
    with pytest.raises(DataError, match="'class' and 'target' may be it"):
        open_dataset(tmp_path)


def test_class_folders_and_parquet_files_are_not_guessed_between(tmp_path):
    pictures(tmp_path / "train")
    write_parquet(tmp_path / "train.parquet", [(IMAGE, 0)])
    with pytest.raises(DataError, match="holds Parquet files and class folders"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("place", ["", "data/"])
def test_shards_for_validation_are_said_to_be_unread(tmp_path, place):
    for split in ("train", "validation"):
        write_parquet(tmp_path / f"{place}{split}-00000-of-00001.parquet", [(IMAGE, 1)])
    opened = open_dataset(tmp_path)
    assert len(opened.ids) == 1
    assert notes(opened)[-1].startswith(
        f"{place}validation-00000-of-00001.parquet in {tmp_path}: neither the train nor"
    )
    assert len(notes(open_dataset(tmp_path / place / "validation-*.parquet"))) == 1


def test_folders_for_validation_are_said_to_be_unread(tmp_path):
    for split in ("train", "val", "test"):
        pictures(tmp_path / split)
    assert notes(open_dataset(tmp_path))[0].startswith(f"val in {tmp_path}: neither the train nor the test split")
    assert notes(open_dataset(tmp_path / "val")) == ()


def test_the_word_for_a_split_may_stand_anywhere_in_a_name(tmp_path):
    for name in ("in-train-0.parquet", "in-test-0.parquet"):
        write_parquet(tmp_path / name, [(IMAGE, 1)])
    assert has_test(tmp_path)
    assert len(open_dataset(tmp_path).ids) == 1


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.png").write_bytes(b"")
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "out.png")
    write_csv(tmp_path / "in" / "a.csv", [("a.png", "x")])
    with pytest.raises(DataError, match=r"a\.png is a link that leads out of"):
        open_dataset(tmp_path / "in" / "a.csv")


def test_a_parquet_file_that_was_changed_meanwhile_is_refused(tmp_path):
    opened = open_dataset(_hub_rows(tmp_path, [(IMAGE, 0), (IMAGE, 1)]))
    _hub_rows(tmp_path, [(IMAGE, 0)])
    with pytest.raises(ChangedError, match="was changed since it was opened"):
        opened.content(0)


def test_a_parquet_file_with_as_many_rows_in_its_place_is_another_one(tmp_path):
    opened = open_dataset(_hub_rows(tmp_path, [(IMAGE, 0), (IMAGE, 1)]))
    _hub_rows(tmp_path, [(IMAGE, 1), (IMAGE, 0)])
    with pytest.raises(ChangedError, match="was changed since it was opened"):
        opened.content(0)
    with pytest.raises(ChangedError, match="was changed since it was opened"):
        unsized(opened).rewrite(tmp_path / "out", np.array([0]))


def test_a_row_group_of_many_bytes_is_read_in_windows(tmp_path, monkeypatch):
    monkeypatch.setattr("whitesquare.data.sources.parquet._WINDOW", 1000)
    rows = [({"bytes": bytes(400 + i), "path": None}, i % 3) for i in range(10)]
    opened = unsized(open_dataset(_hub_rows(tmp_path, rows)))
    assert len(opened.windows) > 2
    assert [len(opened.content(i)) for i in (9, 0, 5, 4, 3)] == [409, 400, 405, 404, 403]
    assert len(pickle.dumps(opened)) < 4000


def test_a_column_that_may_have_nulls_is_one_in_the_copy(tmp_path):
    def nullable(path):
        with parquet(path) as db:
            return db.execute("SELECT name, repetition_type FROM parquet_schema(?)", [str(path)]).fetchall()

    (tmp_path / "out").mkdir()
    path = tmp_path / "a.parquet"
    write_parquet(path, [(IMAGE, 0), (IMAGE, 1)])
    with parquet(path) as db:
        label = "CASE WHEN random() < 2 THEN label END AS label"
        db.execute(f"COPY (SELECT image, {label} FROM '{path}') TO '{tmp_path}/b.parquet'")
    path = tmp_path / "b.parquet"
    assert ("label", "OPTIONAL") in nullable(path)
    write_rows(path, tmp_path / "out" / "b.parquet", b"\1\0")
    assert nullable(tmp_path / "out" / "b.parquet") == nullable(path)
    assert count_rows(tmp_path / "out" / "b.parquet") == 1


def test_metadata_and_packing_are_those_of_the_file(tmp_path):
    def told(path):
        with parquet(path) as db:
            packed = db.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(path)]).fetchall()
            return packed, dict(db.execute("SELECT key, value FROM parquet_kv_metadata(?)", [str(path)]).fetchall())

    path, copy = tmp_path / "a.parquet", tmp_path / "copy.parquet"
    write_parquet(tmp_path / "plain.parquet", [(IMAGE, 0), (IMAGE, 1)])
    with parquet(path) as db:
        said = "KV_METADATA {pandas: 'columns', mine: 'it''s', \"ARROW:schema\": 'other types'}"
        db.execute(f"COPY (FROM '{tmp_path}/plain.parquet') TO '{path}' (COMPRESSION zstd, {said})")
    write_rows(path, copy, b"\1\0")
    assert told(copy) == ([("ZSTD",)], {b"pandas": b"columns", b"mine": b"it's"})


def read_again(opened, found):
    found.put([opened.content(i) for i in range(len(opened.ids))])


def test_a_forked_worker_reads_on_with_a_database_of_its_own(tmp_path):
    opened = unsized(open_dataset(_hub_rows(tmp_path, [(IMAGE, 0), (IMAGE, 1)])))
    contents = [opened.content(i) for i in (0, 1)]
    assert all(contents)
    opened.held.rows = None
    forked = multiprocessing.get_context("fork")
    found = forked.Queue()
    worker = forked.Process(target=read_again, args=(opened, found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads, from Python 3.12 on
        worker.start()
    assert found.get(timeout=60) == contents
    worker.join(60)
    assert worker.exitcode == 0
    opened.held.rows = None
    assert opened.content(1) == contents[1]


def test_nothing_of_a_file_is_held_and_no_copy_changes_how_others_are_read(tmp_path):
    settings = "SELECT current_setting('threads'), current_setting('disabled_optimizers')"
    with parquet(tmp_path) as db:
        before = db.execute(settings).fetchall()
        assert db.execute("SELECT current_setting('enable_external_file_cache')").fetchall() == [(False,)]
    unsized(open_dataset(_hub_rows(tmp_path, [(IMAGE, 0), (IMAGE, 1)]))).rewrite(tmp_path / "out", np.array([0]))
    with parquet(tmp_path) as db:
        assert db.execute(settings).fetchall() == before
