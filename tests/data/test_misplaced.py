"""What users have that is no data set, or not where they point: each is refused in a sentence with what to do."""

import io
import tarfile

import duckdb
import numpy as np
import pytest
from PIL import Image

from whitesquare.data import open_dataset
from whitesquare.errors import WhitesquareError

from .tables import write_csv


def _images(folder, count=4):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (8, 8), (20 * i, 90, 7)).save(folder / f"{i}.png")


def _classes(folder, *names):
    for name in names or ("cat", "dog"):
        _images(folder / name)


def _idx(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"\0\0\x08\x01\0\0\0\x01\0")


def _splits(folder, *names):
    for name in names:
        _classes(folder / name)


def _list(folder, name="labels.csv", where="images"):
    _images(folder / where)
    write_csv(folder / name, [(f"{i}.png", "ab"[i % 2]) for i in range(4)])


FOLDERS = {
    "IDX files in a folder below": (
        lambda d: _idx(d / "MNIST" / "raw", "train-images-idx3-ubyte"),
        "MNIST/raw has IDX",
    ),
    "IDX files of other names": (lambda d: _idx(d, "images-idx3-ubyte"), "IDX files under other names"),
    "IDX files in capitals": (lambda d: _idx(d, "TRAIN-IMAGES-IDX3-UBYTE"), "rename them"),
    "IDX files of 32 bits": (lambda d: _idx(d, "qmnist-train-labels-idx2-int"), "IDX files under other names"),
    "CIFAR below": (
        lambda d: _idx(d / "cifar-10-batches-bin", "data_batch_1.bin"),
        "cifar-10-batches-bin has the files",
    ),
    "pickles below": (lambda d: _idx(d / "cifar-10-batches-py", "data_batch_1"), "pickles"),
    "unpacked into a folder": (lambda d: _classes(d / "photos"), "photos has class folders; give that folder"),
    "splits in a folder": (lambda d: _splits(d / "photos", "train"), "photos has train or test"),
    "Training and Testing": (lambda d: _splits(d, "Training", "Testing"), "splits are called train and test"),
    "Train beside test": (lambda d: _splits(d, "Train", "test"), "splits are called train and test"),
    "train_images": (lambda d: _splits(d, "train_images", "test_images"), "train and test"),
    "validation alone": (lambda d: _splits(d, "val"), "give the path of one"),
    "a class called test": (lambda d: _classes(d, "cat", "test"), "may be a class or the test split"),
    "a class called train": (lambda d: _classes(d, "bus", "car", "train"), "may be a class or the train split"),
    "images alone": (_images, "holds images without one"),
    "a list of another name": (lambda d: _list(d, "labels.csv", "."), "may stand in 'labels.csv': give csv:"),
    "a list beside a folder": (_list, "in one folder, 'images', and their labels may stand in 'labels.csv'; give csv:"),
    "a list that is not read": (lambda d: _list(d, "labels.xlsx"), "write labels.xlsx as CSV"),
    "Parquet files in folders": (lambda d: _idx(d / "default" / "train", "0000.parquet"), "default/train has Parquet"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_is_refused_with_what_to_give_instead(tmp_path, case):
    make, said = FOLDERS[case]
    make(tmp_path / "data")
    with pytest.raises(WhitesquareError, match="data") as told:
        open_dataset(tmp_path / "data")
    assert said in str(told.value)


def test_what_it_says_to_give_opens(tmp_path):
    _list(tmp_path / "data")
    with pytest.raises(WhitesquareError) as told:
        open_dataset(tmp_path / "data")
    given = next(word for word in str(told.value).split() if word.startswith("csv:"))
    assert open_dataset(given).labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("beside", ["test", "val", "extra"])
def test_class_folders_in_their_place_are_read_whatever_lies_beside(tmp_path, beside):
    _classes(tmp_path / "train")
    _images(tmp_path / beside)
    assert open_dataset(tmp_path).classes == ("cat", "dog")


def test_a_list_beside_class_folders_is_told(tmp_path):
    _classes(tmp_path)
    write_csv(tmp_path / "labels.csv", [("cat/0.png", "dog")])
    notes = []
    open_dataset(tmp_path, on_note=notes.append)
    assert any("labels.csv" in note and "not read" in note for note in notes)


NAMES = {
    "": "empty name",
    "https://example.com/x.zip": "download it",
    "s3://bucket/photos": "is an address",
    "hf://datasets/user/photos": "hf download",
    "file:///photos": "leave file:// out",
    "MNIST": "which is written 'mnist'",
    "~/photos": "~ in quotation marks",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_none_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    _classes(tmp_path)
    with pytest.raises(WhitesquareError, match=r"give|expected") as told:
        open_dataset(name)
    assert NAMES[name] in str(told.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("x.zip", "unpack"), ("x.pkl", "pickle"), ("x.pt", "pickle"), ("x.tsv", "commas"), ("x.json", "JSON lines")],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(tmp_path, name, said):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(WhitesquareError, match=said):
        open_dataset(tmp_path / name)


NO_IMAGES = {
    "empty": (b"", "it is empty"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
    "page": (b"<!DOCTYPE html><html>404</html>", "web page"),
    "drawing": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "heic": (b"\0\0\0\x18ftypheic" + b"\0" * 20, "HEIC"),
    "other": (b"\x01\x02\x03\x04", "it begins with"),
}


@pytest.mark.parametrize("case", NO_IMAGES)
def test_a_file_that_is_no_image_is_told_for_what_it_is_in_the_same_words_every_time(tmp_path, case):
    content, said = NO_IMAGES[case]
    _classes(tmp_path)
    (tmp_path / "cat" / "1.png").write_bytes(content)
    told = []
    for _ in range(2):
        with pytest.raises(WhitesquareError, match="cannot be decoded as an image") as error:
            open_dataset(tmp_path).images(slice(None))
        told.append(str(error.value))
    assert said in told[0]
    assert told[0] == told[1]
    assert " object at 0x" not in told[0]


def _rows(*labels, head=("file", "label"), name="{}.png"):
    def make(folder):
        _images(folder)
        write_csv(folder / "list.csv", [(name.format(i), *label) for i, label in enumerate(labels)], head)
        return folder / "list.csv"

    return make


def _apart(sign):
    def make(folder):
        path = _rows(("a",), ("b",))(folder)
        path.write_text(path.read_text().replace(",", sign))
        return path

    return make


def _parquet(columns):
    def make(folder):
        folder.mkdir()
        duckdb.sql(f"COPY (SELECT {columns} FROM range(4) r(i)) TO '{folder}/x.parquet' (FORMAT parquet)")
        return folder / "x.parquet"

    return make


def _twice(folder):
    folder.mkdir()
    _images(folder / "made", 1)
    image = (folder / "made" / "0.png").read_bytes()
    with tarfile.open(folder / "x.tar", "w") as tar:
        for name, content in (("1.png", image), ("1.cls", b"0"), ("2.png", image), ("2.cls", b"1"), ("1.jpg", image)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return folder / "x.tar"


TABLES = {
    "semicolons": (_apart(";"), "set apart by ';'"),
    "tabs": (_apart("\t"), "set apart by '\\\\t'"),
    "no header": (_rows(("a",), ("b",), head=("x.png", "a")), "first row looks like a sample"),
    "one-hot": (_rows((0, 1), (1, 0), head=("file", "cat", "dog")), "one-hot columns"),
    "addresses": (_rows(("a",), ("b",), name="https://x.org/{}.png"), "nothing is fetched"),
    "backslashes": (_rows(("a",), ("b",), name="c\\{}.png"), "with / instead of"),
    "arrays for images": (_parquet("[1, 2, 3] AS image, i AS label"), "holds neither names of files nor their bytes"),
    "texts for images": (_parquet("i || repeat('A', 3000) AS image, i AS label"), "perhaps the images themselves"),
    "a struct without bytes": (_parquet("{'path': i || '.png'} AS image, i AS label"), "holds neither names"),
    "two images of a key": (_twice, "two samples have the key '1', the second of .jpg"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_is_none_is_refused_with_what_to_do(tmp_path, case):
    make, said = TABLES[case]
    with pytest.raises(WhitesquareError, match=said) as told:
        open_dataset(make(tmp_path / "data"))
    assert len(str(told.value)) < 900


def test_a_column_of_splits_is_told(tmp_path):
    notes = []
    open_dataset(_rows(("a", "train"), ("b", "test"), head=("file", "label", "split"))(tmp_path), on_note=notes.append)
    assert any("'split'" in note and "not read" in note for note in notes)


PIXELS = np.arange(4 * 8 * 8 * 3).reshape(4, 8, 8, 3)
ARRAYS = {
    "0..1": (PIXELS / PIXELS.max(), range(4), r"convert them with \(images \* 255\).round\(\).astype"),
    "-1..1": (PIXELS / PIXELS.max() * 2 - 1, range(4), r"\(\(images \+ 1\) \* 127.5\)"),
    "normalised": (PIXELS / 100 - 2, range(4), "before they were normalised"),
    "truths": (PIXELS > 100, range(4), r"\(images \* 255\).astype"),
    "int64 of bytes": (PIXELS % 256, range(4), r"images.astype\('uint8'\)"),
    "ones": ((PIXELS > 100).astype(np.uint8), range(4), "no pixel is larger than 1"),
    "labels of halves": (PIXELS.astype(np.uint8), [0, 1, 0.5, 1], "0.5 is no whole number"),
    "labels that lack": (PIXELS.astype(np.uint8), [0, 1, np.nan, 1], "1 of 4 labels are missing"),
    "labels of -1 and 1": (PIXELS.astype(np.uint8), [-1, 1, 1, -1], "return_inverse=True"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_npz_file_of_other_numbers_is_refused_with_the_call_that_mends_it(tmp_path, case):
    images, labels, said = ARRAYS[case]
    np.savez(tmp_path / "x.npz", images=images, labels=np.array(labels))
    with pytest.raises(WhitesquareError, match=said):
        open_dataset(tmp_path / "x.npz")


def test_labels_with_gaps_are_told(tmp_path):
    np.savez(tmp_path / "x.npz", images=PIXELS.astype(np.uint8), labels=np.array([0, 100, 200, 300]))
    notes = []
    open_dataset(tmp_path / "x.npz", on_note=notes.append)
    assert "297 of 301 classes have no image" in notes[0]


@pytest.mark.parametrize("name", ["state.json", "dataset_dict.json"])
def test_what_datasets_has_saved_is_told_with_what_to_give(tmp_path, name):
    (tmp_path / name).write_text("{}")
    (tmp_path / "data-00000-of-00001.arrow").write_bytes(b"")
    with pytest.raises(WhitesquareError, match=r"save_to_disk of .*load_from_disk.*to_parquet"):
        open_dataset(tmp_path)
