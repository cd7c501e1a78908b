"""Lists and Parquet files: the same pictures in each form are the same data set, and what is not clear is refused."""

import shutil

import numpy as np
import pytest

from whitesquare.data import notes, open_dataset

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
