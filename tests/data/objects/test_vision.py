"""torchvision's data sets, of a package with the same interface: their files and arrays, without transforms."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset

from whitesquare.data import dataset_digest, load_image_folder, notes, open_dataset
from whitesquare.errors import DataError
from whitesquare.testing import check_dataset

from .samples import NAMES, digits, stand_in, to_tensor

SOME = digits(40)
COLOUR = np.repeat(SOME.images, 3, axis=1)


@pytest.fixture
def vision(monkeypatch):
    return stand_in(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    SOME.files(tmp_path / "set")
    return tmp_path / "set"


def test_an_image_folder_is_its_files(vision, folder):
    opened = open_dataset(vision.ImageFolder(str(folder), transform=to_tensor))
    check_dataset(opened)
    same = load_image_folder(folder)
    assert (opened.ids, opened.classes) == (same.ids, same.classes)
    assert dataset_digest(opened) == dataset_digest(same)
    assert opened.content(3) == same.content(3)
    said = " ".join(notes(opened))
    assert "Of torchvision.ImageFolder, transform was set aside" in said
    assert "Labels come from the class folders of torchvision.ImageFolder: 10 classes." in said
    assert opened.kind == "torchvision.ImageFolder"


def test_a_loader_of_ones_own_is_asked_and_ids_stay_paths(vision, folder):
    def inverted(path):
        with Image.open(path) as picture:
            return Image.fromarray(255 - np.asarray(picture))

    opened = open_dataset(vision.ImageFolder(str(folder), loader=inverted))
    same = load_image_folder(folder)
    assert opened.ids == same.ids
    np.testing.assert_array_equal(opened.images(slice(None)), 255 - same.images(slice(None)))
    assert any("by a loader of its own" in note for note in notes(opened))


def test_a_part_of_an_image_folder_is_some_of_its_files(vision, folder):
    whole = open_dataset(vision.ImageFolder(str(folder)))
    part = open_dataset(Subset(vision.ImageFolder(str(folder)), [7, 0, 3]))
    assert part.ids == tuple(whole.ids[i] for i in (7, 0, 3))
    np.testing.assert_array_equal(part.images(slice(None)), whole.images(np.array([7, 0, 3])))
    np.testing.assert_array_equal(part.labels, whole.labels[[7, 0, 3]])


def test_arrays_are_taken_as_they_are(vision):
    mnist = vision.MNIST(torch.from_numpy(SOME.images[:, 0].copy()), torch.from_numpy(SOME.labels.copy()))
    cifar = vision.CIFAR10(COLOUR.transpose(0, 2, 3, 1).copy(), SOME.labels.tolist(), list(NAMES), transform=to_tensor)
    svhn = vision.SVHN(COLOUR, SOME.labels)
    for given, pixels, classes in (
        (mnist, SOME.images, mnist.classes),
        (cifar, COLOUR, NAMES),
        (svhn, COLOUR, "0123456789"),
    ):
        opened = open_dataset(given)
        check_dataset(opened)
        np.testing.assert_array_equal(opened.images(slice(None)), pixels)
        np.testing.assert_array_equal(opened.labels, SOME.labels)
        assert opened.classes == tuple(classes)
        assert np.shares_memory(opened.images(slice(None)), np.asarray(given.data))
        part = open_dataset(Subset(given, [5, 1]))
        np.testing.assert_array_equal(part.images(slice(None)), pixels[[5, 1]])
        assert part.ids == ("train/00005", "train/00001")


def test_a_class_that_reads_in_its_own_way_is_asked(vision):
    def poisoned(self, i):
        image, label = vision.MNIST.__getitem__(self, i)
        pixels = np.array(image)
        pixels[-3:-1, -3:-1] = 255
        return Image.fromarray(pixels), label

    marked = type("Marked", (vision.MNIST,), {"__getitem__": poisoned})
    opened = open_dataset(marked(torch.from_numpy(SOME.images[:, 0].copy()), torch.from_numpy(SOME.labels.copy())))
    assert (opened.images(slice(None))[:, :, -3:-1, -3:-1] == 255).all()


def test_what_has_neither_is_read_without_its_transform(vision, tmp_path):
    food = vision.Food101(SOME.files(tmp_path), SOME.labels.tolist(), list(NAMES), transform=to_tensor)
    opened = open_dataset(food)
    np.testing.assert_array_equal(opened.images(slice(None)), COLOUR)
    assert opened.classes == NAMES


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (SOME.labels[:-1], r"labels have the shape \(39,\), expected \(40,\)"),
        (np.where(SOME.labels == 5, -1, SOME.labels), "-1"),
    ],
    ids=["too few", "without a label"],
)
def test_labels_that_do_not_fit_are_refused(vision, labels, said):
    with pytest.raises(DataError, match=said):
        open_dataset(vision.SVHN(COLOUR, labels))


def test_a_file_that_is_gone_is_named(vision, folder):
    dataset = vision.ImageFolder(str(folder))
    dataset.samples[3] = (f"{folder}/gone.png", 0)
    with pytest.raises(DataError, match=r"torchvision.ImageFolder names .*gone\.png"):
        open_dataset(dataset)
