"""What is wrong with an object is told in a sentence, with the sample and what to do; nothing crashes."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import whitesquare as ws
from whitesquare.data import notes, open_dataset
from whitesquare.data.sources.objects import store
from whitesquare.errors import DataError, UsageError, WhitesquareError

from .samples import Pictures, digits, to_tensor

SOME = digits(20)
X, Y = SOME.images, SOME.labels
T = torch.from_numpy(X.copy())


def broken(what, at=7):
    """Return a data set of which one sample is another, or raises."""

    def read(self, i):
        if i != at:
            return SOME.picture(i), int(Y[i])
        if isinstance(what, Exception):
            raise what
        return what

    return type("Broken", (Dataset,), {"__len__": lambda self: 20, "__getitem__": read})()


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield SOME.picture(0), 0


class Dies(IterableDataset):
    def __iter__(self):
        yield from ((SOME.picture(i), int(Y[i])) for i in range(5))
        raise OSError("the connection was lost")


NO_LENGTH = type("NoLength", (Dataset,), {"__getitem__": lambda self, i: (SOME.picture(i), 0)})

NEGATIVE = type("Negative", (Dataset,), {"__len__": lambda self: -1})

SAID = {
    "floats 0..1": ((X / 255, Y), r"float64 from 0 to 1, .*\(images \* 255\)\.round\(\)\.astype\('uint8'\)"),
    "floats -1..1": ((X / 127.5 - 1, Y), r"from -1 to 1, .*\(\(images \+ 1\) \* 127\.5\)\.round\(\)"),
    "floats 0..255": ((X.astype("f4"), Y), r"from 0 to 255, .*images\.round\(\)\.astype\('uint8'\)"),
    "normalised": ((X / 100 - 1.3, Y), "before they were normalised"),
    "not finite": ((np.full((4, 5, 5), np.nan), Y[:4]), "not all finite"),
    "integers": ((X.astype("i4"), Y), r"images\.astype\('uint8'\)"),
    "true and false": ((X > 9, Y), r"\(images \* 255\)\.astype\('uint8'\)"),
    "float tensors": ((T / 255, Y), r"float32 from 0 to 1, .*\(images \* 255\)\.round\(\)\.to\(torch\.uint8\)"),
    "half tensors": ((T.bfloat16() / 255, Y), r"to\(torch\.uint8\)"),
    "uint8 of 0 and 1": (((X > 9).astype("u1"), Y), r"no pixel is larger than 1.*images \* 255"),
    "float samples": ([(to_tensor(SOME.picture(i)), 0) for i in range(3)], r"sample 0.*\(image \* 255\)"),
    "two layouts": ((np.zeros((4, 3, 8, 3), "u1"), Y[:4]), "can be .*layout="),
    "two layouts of a sample": ([(np.zeros((3, 8, 3), "u1"), 0)], r"\(C, H, W\) or \(H, W, C\).*Image\.fromarray"),
    "two channels": ([(np.zeros((2, 8, 9), "u1"), 0)], "none of its sides is 1, 3 or 4 channels"),
    "a batch": ([(np.zeros((2, 3, 8, 9), "u1"), 0)], r"an image of the shape \(2, 3, 8, 9\)"),
    "too few labels": ((X, Y[:-3]), r"labels have the shape \(17,\), expected \(20,\)"),
    "too few labels of a list": (([SOME.picture(0)] * 3, [0]), "found 1 labels for 3 images"),
    "one-hot": ((X, np.eye(10)[Y]), r"one-hot.*labels\.argmax\(1\)"),
    "one-hot tensors": ((T, torch.eye(10)[torch.from_numpy(Y.copy())]), r"labels\.argmax\(1\)"),
    "float labels": ((X, Y.astype("f4")), r"labels are float32, expected integers; .*astype\('int64'\)"),
    "float label tensors": ((T, torch.from_numpy(Y / 1.0)), r"torch\.float64.*labels\.long\(\)"),
    "negative": ((X, Y - 1), "labels range from -1"),
    "more than the classes": ({"images": X, "labels": Y, "classes": ["a", "b"]}, "9 but 2 class names"),
    "raises": (broken(ValueError("no such file")), r"reading sample 7 raised ValueError: no such file; .*dataset\[7\]"),
    "None for an image": (broken((None, 1)), r"sample 7 has no image \(None\)"),
    "None for a label": (broken((SOME.picture(1), None)), "sample 7 has no label"),
    "a sample that is none": (broken(SOME.picture(1)), "sample 7 is a Image; expected an image and its label"),
    "a label of two": (broken((SOME.picture(1), [1, 2])), "sample 7 has a label of 2 values"),
    "a one-hot label": (broken((SOME.picture(1), torch.eye(10)[3])), r"sample 7 has a one-hot label.*argmax\(\)"),
    "half a label": (broken((SOME.picture(1), 1.5)), "sample 7 has the label 1.5"),
    "a label below": (broken((SOME.picture(1), -1)), "label of sample 7 is -1"),
    "names and numbers": (broken((SOME.picture(1), "cat")), "some labels are names and some are numbers"),
    "a transparent picture": (broken((Image.new("RGBA", (28, 28)), 1)), "transparent"),
    "sixteen bits": (broken((Image.new("I;16", (28, 28)), 1)), "expected 8-bit grey or RGB"),
    "a dict without names": ([{"a": 1, "b": 2}], "what holds the image is not clear, none is called"),
    "a dict of two labels": ([{"image": X[0], "label": 1, "target": 2}], "'label' and 'target' may be it"),
    "a path that is none": ([("nowhere.png", 0)], "nowhere.png cannot be read"),
    "nothing": (broken(None), "sample 7 is a NoneType"),
    "empty": (Subset(Pictures(SOME), []), "has no samples"),
    "empty list": ([], "has no samples"),
    "empty stream": (iter(()), "gives no samples"),
    "no length": (NO_LENGTH(), "has no length; expected __len__"),
    "a stream that dies": (Dies(), "reading sample 5 of the stream raised OSError: the connection was lost"),
    "one tensor": (TensorDataset(T), r"TensorDataset\(images, labels\)"),
    "a sample twice": (Subset(Pictures(SOME), [1, 2, 1]), r"dict\.fromkeys\(subset\.indices\)"),
    "an index beyond": (Subset(Pictures(SOME), [1, 20]), "indices up to 20 of a data set of 20"),
    "sums that disagree": (
        ConcatDataset([Pictures(SOME), type("Named", (Pictures,), {"classes": tuple("abcdefghij")})(SOME)]),
        "one label means two things",
    ),
    "a pair of data sets": ((Pictures(SOME), Pictures(SOME)), "A tuple of 2 data sets .*'train': parts"),
    "loaders": ([DataLoader(Pictures(SOME))], "A list of 1 data sets"),
    "a length below zero": (NEGATIVE(), "asking for its length raised ValueError"),
    "a batch for a sample": ([(X[:2], 0)], "that of a batch"),
    "the label first": ([(0, SOME.picture(0))], r"type int where an image .*\(image, label\) in this order"),
    "sixteen bits in an array": ((X.astype("u2") * 257, Y), r"\(images // 256\)\.astype\('uint8'\)"),
    "a tensor without numbers": ((T.to("meta"), Y), "tensor of torch.uint8 on meta cannot be read"),
    "a ragged list of labels": ((X, [[1], [1, 2]] * 10), "A list cannot be read as an array"),
    "images to go through once": ((map(SOME.picture, range(20)), Y), r"the images are a map.*list\(images\)"),
    "labels to go through once": ((X, iter(Y)), r"the labels are a .*list\(labels\)"),
    "no labels": ((X, None), "the labels are a NoneType"),
    "ids that are numbers": (
        {"images": X, "labels": Y, "ids": np.arange(20)},
        "sample id .* is a int64; expected text",
    ),
    "classes that are numbers": ({"images": X, "labels": Y, "classes": range(10)}, "class name 0 is a int"),
    "bytes that are no text": ([(X[0], b"\xff")], "whose bytes are no UTF-8"),
    "a name that is too long": ("(array([[" * 90, "too long for a path; .*the object itself"),
    "splits of other names": ({"validation": Pictures(SOME)}, r"with 'validation'; expected .*\{'train': given\["),
    "a class": (Pictures, "A type is no data set"),
    "images alone": (X, "A ndarray is no data set: .*give a path, images and labels"),
}


@pytest.mark.parametrize("what", SAID)
def test_it_is_told_in_a_sentence(what):
    given, said = SAID[what]
    with pytest.raises(WhitesquareError, match=f"(?s){said}") as caught:
        open_dataset(given).images(slice(None))
    assert isinstance(caught.value, DataError | UsageError)


def test_what_the_error_says_mends_it():
    for given in (X / 255, X / 127.5 - 1, X.astype("f4"), X.astype("i4"), T / 255):
        with pytest.raises(DataError) as caught:
            open_dataset((given, Y))
        call = str(caught.value).split("convert them with ")[1].rstrip(".").split(", or give")[0]
        mended = open_dataset((eval(call, {"images": given, "torch": torch}), Y))
        np.testing.assert_array_equal(mended.images(slice(None)), X)


def test_labels_from_one_are_said():
    assert "give them as labels - 1" in " ".join(notes(open_dataset((X, Y + 1))))
    assert "give them as labels - 1" in " ".join(notes(open_dataset([(X[i], int(Y[i]) + 1) for i in range(20)])))


def test_a_stream_without_an_end_is_refused_before_the_disk_is_full(monkeypatch):
    monkeypatch.setattr(store, "MOST_BYTES", 10_000)
    with pytest.raises(DataError, match=r"after 12 images, .* no room .*give a part of it, set TMPDIR"):
        open_dataset(Endless())


def test_an_interrupt_is_not_taken_for_a_broken_sample():
    with pytest.raises(KeyboardInterrupt):
        open_dataset(type("Stopped", (Pictures,), {"__getitem__": lambda self, i: stop()})(SOME))


def stop():
    raise KeyboardInterrupt


def test_a_data_set_of_one_class_is_no_data_to_scan():
    with pytest.raises(WhitesquareError, match="images of 1 class"):
        ws.scan([(SOME.picture(i), 0) for i in range(20)])


@pytest.mark.parametrize(
    "said", [{"class_to_idx": {"b": 0, "a": 1}}, {"classes": {0: "b", 1: "a"}}, {"classes": ["b", "a"]}], ids=str
)
def test_classes_are_called_as_the_object_says_in_whichever_form(said):
    given = Pictures(SOME)
    given.some = type(SOME)(SOME.images, SOME.labels % 2)
    vars(given).update(said)
    assert open_dataset(given).classes == ("b", "a")


def test_classes_that_are_said_in_two_orders_are_refused():
    given = Pictures(SOME)
    given.classes, given.class_to_idx = ["a", "b"], {"b": 0, "a": 1}
    with pytest.raises(UsageError, match="labels can be read in two ways"):
        open_dataset(given)


def test_two_pairs_of_arrays_are_refused_with_what_to_give():
    with pytest.raises(UsageError, match="'train': pair") as told:
        open_dataset(((X, Y), (X[:5], Y[:5])))
    pair = ((X, Y), (X[:5], Y[:5]))
    assert "{'train': pair[0], 'test': pair[1]}" in str(told.value)
    assert len(open_dataset({"train": pair[0], "test": pair[1]}, "test").labels) == 5


def test_a_column_of_splits_in_a_data_frame_is_told():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"image": [SOME.png(i) for i in range(20)], "label": Y, "split": ["train", "test"] * 10})
    assert any("'split'" in note and "not read" in note for note in notes(open_dataset(frame)))
