"""Data sets of Hugging Face's own library, as they come from files, from the hub's form and from streams."""

import gc

import numpy as np
import pytest
from torch.utils.data import Subset

from whitesquare.data import dataset_digest, notes, open_dataset
from whitesquare.errors import DataError, UsageError
from whitesquare.testing import check_dataset

from .samples import NAMES, digits

datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

SOME = digits(40)
FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))})


@pytest.fixture(autouse=True)
def _quiet(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    datasets.disable_progress_bars()
    yield
    gc.collect()


def made(count=40, paths=True, features=FEATURES, **columns):
    images = [{"bytes": SOME.png(i), "path": f"{i:03d}.png" if paths else None} for i in range(count)]
    columns = {"image": images, "label": SOME.labels[:count].tolist()} | columns
    return datasets.Dataset.from_dict(columns, features=features)


def same(opened, positions=slice(None)):
    check_dataset(opened)
    np.testing.assert_array_equal(opened.images(slice(None)), SOME.images[positions])
    np.testing.assert_array_equal(opened.labels, SOME.labels[positions])
    return opened


def test_its_content_is_the_bytes_of_its_files():
    opened = same(open_dataset(made()))
    assert opened.classes == NAMES
    assert opened.content(3) == SOME.png(3)
    assert opened.ids[:2] == ("000.png", "001.png")
    assert notes(opened) == ("Labels come from the column 'label' of datasets.Dataset: 10 classes.",)


def test_it_is_what_its_parquet_file_is(tmp_path):
    rows = made()
    rows.to_parquet(tmp_path / "train.parquet")
    file, opened = open_dataset(tmp_path / "train.parquet"), open_dataset(rows)
    assert (file.classes, file.labels.tolist()) == (opened.classes, opened.labels.tolist())
    assert all(file.content(i) == opened.content(i) for i in range(40))


@pytest.mark.parametrize("name", ["torch", "numpy", None])
def test_formats_and_transforms_are_set_aside(name):
    rows = made()
    formatted = rows.with_format(name) if name else rows.with_transform(lambda batch: {"image": [], "label": []})
    opened = same(open_dataset(formatted))
    what = f"the format {name!r}" if name else "its transform"
    assert f"Of datasets.Dataset, {what} was set aside: what is read, and signed, are the images before it." in notes(
        opened
    )
    assert formatted.format["type"] == (name or "custom")


def test_a_part_in_another_order_keeps_the_ids():
    opened = open_dataset(made().shuffle(seed=1).select(range(10)))
    at = [int(name[:3]) for name in opened.ids]
    assert at != sorted(at)
    same(opened, at)


def test_files_without_names_are_known_by_their_positions():
    assert same(open_dataset(made(paths=False), "test")).ids[:2] == ("test/00000", "test/00001")


def test_splits():
    splits = datasets.DatasetDict({"train": made(30), "test": made(40), "validation": made(5)})
    assert len(open_dataset(splits).ids) == 30
    test = open_dataset(splits, "test")
    assert len(test.ids) == 40
    assert any("'validation' is neither" in note for note in notes(test))


def test_names_as_labels_are_the_same_classes_in_both_splits():
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    splits = {
        "train": made(3, features=features, label=["cat", "dog", "owl"]),
        "test": made(2, features=features, label=["owl", "dog"]),
    }
    for split in splits:
        opened = open_dataset(splits, split)
        assert opened.classes == ("cat", "dog", "owl")
        assert [opened.classes[label] for label in opened.labels] == splits[split]["label"][:]


@pytest.mark.parametrize("form", ["files in shards", "decoded", "transformed"])
def test_a_stream_is_read_once(form):
    rows = made()
    stream = rows.to_iterable_dataset(num_shards=4)
    if form == "decoded":  # of a generator, which knows no columns
        plain = [{"image": SOME.picture(i), "label": int(SOME.labels[i])} for i in range(40)]
        stream = datasets.IterableDataset.from_generator(lambda: iter(plain))
    if form == "transformed":
        stream = stream.with_format("torch")
    opened = same(open_dataset(stream))
    assert any(note.startswith("A stream of 40 samples was read once") for note in notes(opened))
    if form == "files in shards":
        assert opened.classes == NAMES
        assert opened.content(5) == SOME.png(5)
    else:
        assert (form == "transformed") == any("set aside" in note for note in notes(opened))


def test_folders_of_images_are_their_files(tmp_path):
    SOME.files(tmp_path / "set")
    rows = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "set"), split="train", cache_dir=str(tmp_path))
    opened, folder = open_dataset(rows), open_dataset(tmp_path / "set")
    check_dataset(opened)
    assert sorted(opened.ids) == sorted(folder.ids)
    assert opened.classes == folder.classes
    where = {name: i for i, name in enumerate(folder.ids)}
    assert all(opened.content(i) == folder.content(where[name]) for i, name in enumerate(opened.ids))


def test_arrays_in_a_column():
    features = datasets.Features({"img": datasets.Array2D((28, 28), "uint8"), "label": datasets.Value("int64")})
    rows = datasets.Dataset.from_dict({"img": SOME.images[:, 0].tolist(), "label": SOME.labels}, features=features)
    same(open_dataset(rows))


def test_images_of_several_sizes_are_brought_to_one():
    pictures = [SOME.picture(i).resize((20 + i % 3, 20)) for i in range(9)]
    opened = open_dataset(made(9, image=pictures), size=16)
    assert opened.shape == (1, 16, 16)
    check_dataset(opened)


def test_verbs_read_it_as_they_read_its_pixels():
    other = open_dataset((SOME.images, SOME.labels))
    assert open_dataset(made()).labels.tolist() == other.labels.tolist()
    assert dataset_digest(open_dataset(made())) == dataset_digest(open_dataset(made().with_format("torch")))


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (lambda: made(3, label=[0, None, 1]), DataError, "row 1 has no label"),
        (lambda: made(3, label=[0, -1, 1]), DataError, "the label of sample 1 is -1"),
        (lambda: made(3).remove_columns("label"), UsageError, r"dataset\.rename_column\('OLD', 'label'\)"),
        (lambda: made(3).rename_column("image", "shown").remove_columns("label"), UsageError, "label"),
        (lambda: made(3).select([]), DataError, "has no rows"),
        (lambda: made(3, image=[None, *made(2)["image"]]), DataError, "has no image"),
        (lambda: made(3, image=[{"bytes": b"x", "path": None}] * 3), DataError, "cannot be decoded as an image"),
        (lambda: made(3).to_iterable_dataset().filter(lambda row: False), DataError, "gives no samples"),
        (lambda: made(3).to_iterable_dataset().map(lambda row: row["nothing"]), DataError, "raised KeyError"),
    ],
    ids=["no label", "-1", "no label column", "unknown columns", "empty", "no image", "no file", "nothing", "dies"],
)
def test_what_is_wrong_is_told(rows, error, said):
    with pytest.raises(error, match=said):
        open_dataset(rows()).images(slice(None))


def test_two_label_columns_must_be_told_apart():
    classes = datasets.ClassLabel(names=list(NAMES))
    features = datasets.Features({"img": datasets.Image(), "fine_label": classes, "coarse_label": classes})
    rows = made(3).rename_column("image", "img").rename_column("label", "fine_label")
    rows = rows.add_column("coarse_label", [0, 1, 2]).cast(features)
    with pytest.raises(UsageError, match="what holds the label is not clear"):
        open_dataset(rows)
    assert len(open_dataset(rows.rename_column("fine_label", "label").remove_columns("coarse_label")).ids) == 3


def test_a_part_of_folders_keeps_the_ids_of_the_whole(tmp_path):
    SOME.files(tmp_path / "set")
    rows = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "set"), split="train", cache_dir=str(tmp_path))
    whole = open_dataset(rows)
    one_class = np.flatnonzero(whole.labels == 3)
    for part in (Subset(rows, one_class), rows.select(one_class.tolist()[::-1])):
        opened = open_dataset(part)
        assert sorted(opened.ids) == sorted(whole.ids[i] for i in one_class)
        check_dataset(opened)
