"""CIFAR's binary files: read as published, written as published, and whatever is wrong with one is said."""

import numpy as np
import pytest

from whitesquare.data import cifar_files, from_arrays, has_test, load_cifar_folder, open_dataset, write_cifar10_folder
from whitesquare.data.opening import format_of
from whitesquare.errors import DataError, UsageError
from whitesquare.testing import check_dataset

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def records(count, seed=0, labels=None, prefix=()):
    """Build records as the web page of CIFAR describes them, with nothing of ours."""
    rng = np.random.default_rng(seed)
    known = np.arange(count) % 10 if labels is None else labels
    images = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    return images, b"".join(
        bytes(prefix) + bytes([label]) + image.tobytes() for label, image in zip(known, images, strict=True)
    )


@pytest.fixture
def ten(tmp_path):
    """A folder of CIFAR-10 with three training batches."""
    for number in (1, 2, 3):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(records(20, number)[1])
    (tmp_path / "test_batch.bin").write_bytes(records(12, 9)[1])
    (tmp_path / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n\n")  # as published
    (tmp_path / "readme.html").write_text("as published")
    return tmp_path


def test_cifar_10_in_the_order_of_its_files(ten):
    found = open_dataset(ten)
    check_dataset(found)
    np.testing.assert_array_equal(found.images(slice(None)), np.concatenate([records(20, n)[0] for n in (1, 2, 3)]))
    assert found.labels.tolist() == [i % 10 for i in range(20)] * 3
    assert (found.kind, found.classes, found.shape) == ("cifar10", CLASSES, (3, 32, 32))
    assert (found.ids[0], found.ids[-1]) == ("train/00000", "train/00059")
    assert open_dataset(ten, "test").ids[-1] == "test/00011"
    assert has_test(ten)
    assert format_of(ten) == "cifar10"


def test_a_split_or_kind_that_is_none(ten):
    with pytest.raises(UsageError, match="Did you mean 'train'"):
        load_cifar_folder(ten, "trian")
    with pytest.raises(UsageError, match="no kind of CIFAR named 'cifar'; known: cifar10, cifar100"):
        load_cifar_folder(ten, kind="cifar")


def test_without_their_names_classes_are_numbers(ten):
    (ten / "batches.meta.txt").unlink()
    assert open_dataset(ten).classes == tuple("0123456789")


def test_more_records_than_are_read_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar_files, "_RECORDS", 7)
    images, data = records(20)
    (tmp_path / "data_batch_1.bin").write_bytes(data)
    np.testing.assert_array_equal(open_dataset(tmp_path).images(slice(None)), images)


def hundred(folder):
    images, data = records(30, labels=np.arange(30) % 100, prefix=(7,))
    (folder / "train.bin").write_bytes(data)
    (folder / "fine_label_names.txt").write_text("".join(f"fine {i}\n" for i in range(100)))
    return images


def test_cifar_100_has_its_fine_labels(tmp_path):
    images = hundred(tmp_path)
    found = open_dataset(tmp_path)
    check_dataset(found)
    np.testing.assert_array_equal(found.images(slice(None)), images)
    assert found.labels.tolist() == list(range(30))
    assert (found.kind, found.classes[29], len(found.classes)) == ("cifar100", "fine 29", 100)
    assert not has_test(tmp_path)
    assert format_of(tmp_path) == "npz"
    with pytest.raises(DataError, match=r"has no test split: expected the file test\.bin"):
        open_dataset(tmp_path, "test")


def test_a_file_called_train_bin_is_not_enough(tmp_path, make):
    hundred(tmp_path)
    (tmp_path / "fine_label_names.txt").unlink()
    with pytest.raises(DataError, match="no class folder"):
        open_dataset(tmp_path)


def test_both_in_one_folder_are_not_guessed_at(ten):
    hundred(ten)
    with pytest.raises(DataError, match="formats cifar10, cifar100; expected one"):
        open_dataset(ten)


@pytest.mark.parametrize("size", [0, 3072, 3073 * 2 + 1])
def test_records_that_are_not_whole(ten, size):
    (ten / "data_batch_2.bin").write_bytes(bytes(size))
    with pytest.raises(DataError, match=rf"data_batch_2\.bin has {size} bytes; expected records of 3073 bytes"):
        open_dataset(ten)


def test_a_label_of_no_class(ten):
    data = bytearray((ten / "data_batch_3.bin").read_bytes())
    data[4 * 3073] = 10
    (ten / "data_batch_3.bin").write_bytes(data)
    with pytest.raises(DataError, match=r"data_batch_3\.bin has the label 10 in record 4; .*number of classes, 10"):
        open_dataset(ten)


def test_a_batch_that_is_missing_and_one_too_many(ten):
    (ten / "data_batch_2.bin").rename(ten / "data_batch_6.bin")
    with pytest.raises(DataError, match=r"has data_batch_3\.bin and no data_batch_2\.bin; expected data_batch_1\.bin"):
        open_dataset(ten)
    (ten / "data_batch_3.bin").rename(ten / "data_batch_2.bin")
    with pytest.raises(DataError, match=r"the file data_batch_6\.bin, which no program reads"):
        open_dataset(ten)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a\r\nb\r\n", "control character"),
        (b"a\na\n", "occurs twice"),
        (b"a\n\nb\n", "is empty"),
        (b"\xff\n", "UTF-8"),
        (b"".join(b"%d\n" % i for i in range(257)), "257 lines"),
        (b"x" * 70_000, "65537 bytes"),
    ],
)
def test_names_that_are_none(ten, text, said):
    (ten / "batches.meta.txt").write_bytes(text)
    with pytest.raises(DataError, match=rf"batches\.meta\.txt.*{said}"):
        open_dataset(ten)


def test_a_file_of_terabytes_is_not_read(ten):
    with (ten / "data_batch_1.bin").open("r+b") as file:
        file.truncate(3073 * 2**28)
    with pytest.raises(DataError, match=r"records in data_batch_1.*expected at most"):
        open_dataset(ten)


@pytest.mark.parametrize(
    ("names", "binary"),
    [
        (("data_batch_1", "batches.meta", "test_batch"), r"cifar-10-binary\.tar\.gz"),
        (("test_batch",), r"cifar-10-binary\.tar\.gz"),
        (("train", "test", "meta"), r"cifar-100-binary\.tar\.gz"),
    ],
)
def test_python_batches_are_refused_by_name(tmp_path, names, binary):
    for name in names:
        (tmp_path / name).write_bytes(b"\x80\x04.")
    for source in (tmp_path, tmp_path / names[0]):
        with pytest.raises(DataError, match=rf"a pickle, which runs whatever it says.*download {binary}"):
            open_dataset(source)


def test_it_is_written_as_published(tmp_path, monkeypatch):
    monkeypatch.setattr("whitesquare.data.sources.cifar._PUBLISHED", 4)
    images, data = records(10)
    labels = np.arange(10)
    train, test = (from_arrays(images[some], labels[some], classes=CLASSES) for some in (slice(None), slice(3)))
    write_cifar10_folder(tmp_path, train, test)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written.pop("batches.meta.txt").decode().split() == list(CLASSES)
    assert written == {
        "data_batch_1.bin": data[: 4 * 3073],
        "data_batch_2.bin": data[4 * 3073 : 8 * 3073],
        "data_batch_3.bin": data[8 * 3073 :],
        "test_batch.bin": data[: 3 * 3073],
    }
    np.testing.assert_array_equal(load_cifar_folder(tmp_path).pixels, images)
    write_cifar10_folder(tmp_path, test, None)  # which leaves no batch of the longer one
    assert len(load_cifar_folder(tmp_path).ids) == 3


def test_five_files_hold_however_many(tmp_path, monkeypatch, make):
    monkeypatch.setattr("whitesquare.data.sources.cifar._PUBLISHED", 2)
    given = make(23, 3, 32, 32)
    write_cifar10_folder(tmp_path, given, None)
    assert len(list(tmp_path.glob("*.bin"))) == 5
    found = load_cifar_folder(tmp_path)
    np.testing.assert_array_equal(found.pixels, given.pixels)
    assert (found.labels.tolist(), found.classes) == (given.labels.tolist(), given.classes)


def test_what_its_files_cannot_hold(tmp_path, make):
    for given in (make(), make(3, 3, 32, 32, classes=tuple(str(i) for i in range(257)))):
        with pytest.raises(UsageError, match=r"shape \(3, 32, 32\) and at most 256 classes.*write npz or png-folder"):
            write_cifar10_folder(tmp_path, given, None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_while_it_is_read(ten):
    path = ten / "data_batch_1.bin"

    def grow(labels, data):
        with path.open("ab") as file:
            file.write(b"x")

    with pytest.raises(DataError, match="goes on after"):
        cifar_files.read_records(path, "cifar10", 20, 10, grow)
    with pytest.raises(DataError, match="truncated"):
        cifar_files.read_records(path, "cifar10", 21, 10, lambda labels, data: None)
