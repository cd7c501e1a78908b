"""STL-10, SVHN, EMNIST, Keras's and MedMNIST's npz: what their publishers mean, and what is refused."""

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from whitesquare.data import format_of, has_test, notes, open_dataset, write_idx
from whitesquare.errors import DataError, UsageError

RNG = np.random.default_rng(3)


def _images(count, *shape):
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


def _stl(
    at, labels=(1, 10, 3), names="airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n", split="train"
):
    images = _images(len(labels), 3, 96, 96)
    images.transpose(0, 1, 3, 2).tofile(at / f"{split}_X.bin")
    np.array(labels, np.uint8).tofile(at / f"{split}_y.bin")
    if names:
        (at / "class_names.txt").write_text(names)
    return images


def test_stl_10_is_read_column_by_column_with_labels_from_one(tmp_path):
    images = _stl(tmp_path)
    _stl(tmp_path, (2,), split="test")
    (tmp_path / "unlabeled_X.bin").write_bytes(b"")
    opened = open_dataset(tmp_path)
    assert [opened.classes[i] for i in opened.labels] == ["airplane", "truck", "car"]
    assert np.array_equal(opened.images(slice(None)), images)
    assert notes(opened) == (
        f"Labels come from {tmp_path}/train_y.bin, numbered from 1.",
        "Neither the train nor the test split, and not read: unlabeled_X.bin.",
    )
    assert (has_test(tmp_path), format_of(tmp_path), opened.kind) == (True, "npz", "stl10")
    assert open_dataset(tmp_path, "test").labels.tolist() == [1]


def test_stl_10_without_names_is_called_by_its_numbers(tmp_path):
    _stl(tmp_path, (1, 3), "")
    opened = open_dataset(tmp_path)
    assert (opened.classes, opened.labels.tolist()) == (("1", "2", "3"), [0, 2])


def _svhn(path, labels, images=None, **options):
    images = _images(len(labels), 32, 32, 3) if images is None else images
    savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": np.array(labels)[:, np.newaxis]}, **options)
    return images


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_svhn_calls_the_digit_0_by_10(tmp_path, kind):
    images = _svhn(tmp_path / "train_32x32.mat", np.array([10, 1, 9], kind), do_compression=True)
    _svhn(tmp_path / "extra_32x32.mat", [1])
    opened = open_dataset(tmp_path)
    assert [opened.classes[i] for i in opened.labels] == ["0", "1", "9"]
    assert np.array_equal(opened.images(slice(None)), images.transpose(0, 3, 1, 2))
    assert "where 10 stands for the digit 0" in notes(opened)[0]
    assert "extra_32x32.mat" in notes(opened)[1]
    alone = open_dataset(tmp_path / "train_32x32.mat")
    assert np.array_equal(alone.labels, opened.labels)
    assert not has_test(tmp_path)


def _emnist(at, name, labels, mapping="", zipped=True, split="train"):
    images = _images(len(labels), 28, 28)
    for part, array in (("images-idx3", images.transpose(0, 2, 1)), ("labels-idx1", np.array(labels, np.uint8))):
        path = at / f"emnist-{name}-{split}-{part}-ubyte"
        write_idx(path, array)
        content = gzip.decompress(path.read_bytes())
        path.unlink()
        path = path.with_name(path.name + (".gz" if zipped else ""))
        path.write_bytes(gzip.compress(content) if zipped else content)
    if mapping:
        (at / f"emnist-{name}-mapping.txt").write_text(mapping)
    return images


@pytest.mark.parametrize("zipped", [True, False])
def test_emnist_is_turned_upright_and_its_letters_begin_at_1(tmp_path, zipped):
    images = _emnist(tmp_path, "letters", [1, 3, 2], "1 65 97\n2 66 98\n3 67 99\n", zipped=zipped)
    opened = open_dataset(tmp_path)
    assert [opened.classes[i] for i in opened.labels] == ["Aa", "Cc", "Bb"]
    assert np.array_equal(opened.images(slice(None))[:, 0], images)
    assert "numbered from 1" in notes(opened)[0]
    assert "turned upright" in notes(opened)[1]


def test_emnist_without_its_mapping_is_called_by_its_numbers(tmp_path):
    _emnist(tmp_path, "letters", [1, 3, 2])
    assert open_dataset(tmp_path).classes == ("1", "2", "3")
    _emnist(tmp_path, "letters", [26], split="test")
    assert len(open_dataset(tmp_path).classes) == 26


def test_of_several_sets_of_emnist_a_file_says_which(tmp_path):
    _emnist(tmp_path, "letters", [1])
    images = _emnist(tmp_path, "digits", [0, 7])
    with pytest.raises(DataError, match=r"the sets digits, letters of EMNIST; .*emnist-digits-train-images-idx3-ubyte"):
        open_dataset(tmp_path)
    opened = open_dataset(tmp_path / "emnist-digits-train-images-idx3-ubyte.gz")
    assert np.array_equal(opened.images(slice(None))[:, 0], images)


def test_keras_and_medmnist_name_their_splits(tmp_path):
    images = _images(4, 28, 28)
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=[0, 1, 2, 1], x_test=images[:1], y_test=[5])
    keras, test = open_dataset(tmp_path / "mnist.npz"), open_dataset(tmp_path / "mnist.npz", "test")
    assert keras.classes == test.classes == tuple("012345")
    assert np.array_equal(keras.images(slice(None))[:, 0], images)
    assert notes(keras) == (f"Labels come from 'y_train' in {tmp_path}/mnist.npz.",)
    assert test.ids == ("test/00000",)
    colour = _images(3, 28, 28, 3)
    labels = np.array([[2], [0], [1]])
    np.savez_compressed(
        tmp_path / "path.npz", train_images=colour, train_labels=labels, val_images=colour, val_labels=labels
    )
    medical = open_dataset(tmp_path / "path.npz")
    assert medical.labels.tolist() == [2, 0, 1]
    assert np.array_equal(medical.images(slice(None)), colour.transpose(0, 3, 1, 2))
    assert "val_images" in notes(medical)[1]
    assert not has_test(tmp_path / "path.npz")


def test_kmnist_keeps_images_and_labels_in_files_of_their_own(tmp_path):
    images = _images(3, 28, 28)
    for split in ("train", "test"):
        np.savez_compressed(tmp_path / f"kmnist-{split}-imgs.npz", images)
        np.savez_compressed(tmp_path / f"kmnist-{split}-labels.npz", np.array([1, 0, 2], np.uint8))
    for source in (tmp_path, tmp_path / "kmnist-train-imgs.npz", tmp_path / "kmnist-train-labels.npz"):
        opened = open_dataset(source)
        assert opened.labels.tolist() == [1, 0, 2]
        assert np.array_equal(opened.images(slice(None))[:, 0], images)
        assert has_test(source)
    (tmp_path / "kmnist-test-labels.npz").unlink()
    with pytest.raises(DataError, match=r"kmnist-test-imgs\.npz and not the other"):
        open_dataset(tmp_path)


def test_class_folders_count_for_more_than_files_of_known_names(tmp_path):
    _stl(tmp_path)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(b"")
    assert open_dataset(tmp_path).kind == "folder"


class _Runs:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def _npz(at, **arrays):
    np.savez(at / "a.npz", **arrays)
    return at / "a.npz"


def _objects(at, name):
    array = np.array([_Runs(), _Runs()], object)
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|O", "fortran_order": False, "shape": (2,)})
    content = out.getvalue() + pickle.dumps(array.tolist())
    with zipfile.ZipFile(at / "a.npz", "w") as archive:
        for one in ("x_train", "y_train"):
            plain = io.BytesIO()
            np.save(plain, _images(2, 4, 4) if one == "x_train" else np.arange(2))
            archive.writestr(f"{one}.npy", content if one == name else plain.getvalue())
    return at / "a.npz"


FLOATS = _images(2, 4, 4) / 255
MENDS = r"float64 from 0\.0.* convert them with \(images \* 255\)\.round\(\)\.astype\('uint8'\)"
BAD = {
    "images of objects": (lambda at: _objects(at, "x_train"), "'x_train' is an array of Python objects"),
    "labels of objects": (lambda at: _objects(at, "y_train"), "'y_train' is an array of Python objects"),
    "images from 0 to 1": (lambda at: _npz(at, x_train=FLOATS, y_train=[0, 1]), MENDS),
    "the same under our names": (lambda at: _npz(at, images=FLOATS, labels=[0, 1]), MENDS),
    "one-hot labels": (
        lambda at: _npz(at, train_images=_images(2, 4, 4), train_labels=np.eye(2)),
        r"shape \(2, 2\), expected \(2,\); .* \(labels\.argmax\(axis=1\) makes such of one-hot labels\)",
    ),
    "labels as texts": (
        lambda at: _npz(at, x_train=_images(2, 4, 4), y_train=["cat", "dog"]),
        r"numpy\.unique\(labels, return_inverse=True\)",
    ),
    "labels as floats": (
        lambda at: _npz(at, images=_images(2, 4, 4), labels=[0.0, 1.0]),
        r"labels are float64, .* labels\.astype\('int64'\)",
    ),
    "labels from 1": (
        lambda at: _npz(at, images=_images(2, 4, 4), labels=[1, 2], classes=["a", "b"]),
        r"found labels 1 to 2 for 2 class names; .* use labels - 1",
    ),
    "more labels than images": (lambda at: _npz(at, x_train=_images(2, 4, 4), y_train=[0, 1, 1]), r"\(3,\), expected"),
    "an array alone": (
        lambda at: np.save(at / "a.npy", FLOATS) or at / "a.npy",
        r"or save an array with its labels by numpy\.savez",
    ),
    "STL-10 without labels": (
        lambda at: _stl(at) is None or (at / "train_y.bin").unlink() or at,
        r"train_X\.bin and no train_y\.bin",
    ),
    "STL-10 cut off": (
        lambda at: _stl(at) is None or ((at / "train_X.bin").write_bytes(b"x" * 27649) and at),
        "has 27649 bytes, expected images of 27648",
    ),
    "STL-10 with fewer labels": (
        lambda at: _stl(at) is None or ((at / "train_y.bin").write_bytes(b"\1") and at),
        "shape",
    ),
    "STL-10 with the label 0": (lambda at: _stl(at, (0, 1)) is None or at, r"has the label 0; expected 1 or more"),
    "STL-10 with the label 11": (lambda at: _stl(at, (11, 1)) is None or at, r"found the label 10 but 10 class names"),
    "SVHN with the label 0": (
        lambda at: _svhn(at / "train_32x32.mat", [0, 1]) is None or at,
        "has labels 0 to 1; expected 1 to 10",
    ),
    "a matrix of something else": (
        lambda at: savemat(at / "a.mat", {"X": np.eye(3), "y": [[1.0]]}) or at / "a.mat",
        r"has 'X' as float64 \(3, 3\); expected SVHN's",
    ),
    "a matrix that is not there": (
        lambda at: savemat(at / "a.mat", {"X": np.eye(3)}) or at / "a.mat",
        "has no matrix 'y'",
    ),
    "a matrix of objects": (
        lambda at: savemat(at / "a.mat", {"y": np.array(["a", [1]], object)}) or at / "a.mat",
        "is no matrix of real numbers",
    ),
    "no matrix": (lambda at: (at / "a.mat").write_bytes(b"MATLAB 5.0") and at / "a.mat", "cannot be read as a MATLAB"),
    "MATLAB 7.3": (
        lambda at: (
            (at / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400)) and at / "a.mat"
        ),
        r"is of MATLAB 7\.3, .* -v7",
    ),
    "EMNIST without labels": (
        lambda at: _emnist(at, "mnist", [1]) is None or (at / "emnist-mnist-train-labels-idx1-ubyte.gz").unlink() or at,
        "and not the other of images and labels",
    ),
    "a mapping that is none": (
        lambda at: _emnist(at, "mnist", [1], "a b\n") is None or at,
        "is no table of labels and letters",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_clear_is_refused(tmp_path, case):
    make, message = BAD[case]
    with pytest.raises((DataError, UsageError), match=message) as error:
        open_dataset(make(tmp_path))
    assert "\n" not in str(error.value)


def test_the_advice_for_floats_works():
    images = _images(5, 3, 3)
    for given, mend in (
        (images / 255, lambda images: (images * 255).round().astype("uint8")),
        (images / 127.5 - 1, lambda images: ((images + 1) * 127.5).round().astype("uint8")),
    ):
        assert np.array_equal(mend(given), images)


def test_labels_that_leave_0_out_are_told(tmp_path):
    path = _npz(tmp_path, images=_images(2, 4, 4), labels=[1, 2])
    assert "save labels - 1" in notes(open_dataset(path))[0]
    assert notes(open_dataset(_npz(tmp_path, images=_images(2, 4, 4), labels=[0, 1]))) == ()
