"""The same pictures in every form that a user has in Python: the same pixels, labels and classes; nothing is copied."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset, TensorDataset, random_split

from whitesquare.data import held, notes, open_dataset
from whitesquare.data.holding import readable_part
from whitesquare.errors import DataError, UsageError
from whitesquare.testing import check_dataset

from .samples import Pictures, digits, to_tensor

SOME = digits()
TENSORS = torch.from_numpy(SOME.images.copy()), torch.from_numpy(SOME.labels.copy())


class Stream(IterableDataset):
    """As a user writes one over shards."""

    def __iter__(self):
        return ((SOME.picture(i), int(SOME.labels[i])) for i in range(60))


class Dicts(Pictures):
    def __getitem__(self, i):
        picture, label = super().__getitem__(i)
        return {"image": picture, "label": label, "id": i}


FORMS = {
    "arrays": (SOME.images, SOME.labels),
    "grey arrays": (SOME.images[:, 0], SOME.labels.tolist()),
    "channels last": (SOME.images.transpose(0, 2, 3, 1), SOME.labels),
    "a dict of arrays": {"images": SOME.images, "labels": SOME.labels},
    "tensors": TENSORS,
    "a dict of tensors": {"x": TENSORS[0], "y": TENSORS[1].to(torch.uint8)},
    "TensorDataset": TensorDataset(*TENSORS),
    "Dataset of pictures": Pictures(SOME),
    "Dataset of tensors": Pictures(SOME, lambda picture: torch.from_numpy(np.array(picture))[None]),
    "Dataset of dicts": Dicts(SOME),
    "Dataset with a transform": Pictures(SOME, to_tensor),
    "Subset of all": Subset(Pictures(SOME), range(60)),
    "ConcatDataset": ConcatDataset([Subset(Pictures(SOME), range(20)), Subset(Pictures(SOME), range(20, 60))]),
    "DataLoader": DataLoader(Pictures(SOME, to_tensor), batch_size=7, shuffle=True),
    "stream": Stream(),
    "loader of a stream": DataLoader(Stream()),
    "list of samples": [(SOME.images[i], int(SOME.labels[i])) for i in range(60)],
    "list of pictures and labels": ([SOME.picture(i) for i in range(60)], SOME.labels),
    "list of files in memory": [(SOME.png(i), int(SOME.labels[i])) for i in range(60)],
    "generator": None,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pictures(form):
    samples = ((SOME.images[i, 0], SOME.labels[i]) for i in range(60))
    opened = open_dataset(samples if form == "generator" else FORMS[form])
    check_dataset(opened)
    assert opened.classes == tuple("0123456789")
    np.testing.assert_array_equal(opened.images(slice(None)), SOME.images)
    np.testing.assert_array_equal(opened.labels, SOME.labels)


@pytest.mark.parametrize("form", ["arrays", "channels last", "tensors", "a dict of tensors", "TensorDataset"])
def test_arrays_are_not_copied(form):
    opened = open_dataset(FORMS[form])
    source = TENSORS[0].numpy() if "ensor" in form else SOME.images
    assert np.shares_memory(held(opened).images(slice(None)), source)
    with pytest.raises(ValueError, match="read-only"):
        opened.images(slice(0, 2))[0] = 0


def test_ids_are_positions_and_stay_those_of_the_whole_in_a_part():
    assert open_dataset(Pictures(SOME), "test").ids[:2] == ("test/00000", "test/00001")
    part = open_dataset(Subset(Subset(Pictures(SOME), range(10, 40)), [-1, 0, 5]))
    assert part.ids == ("train/00039", "train/00010", "train/00015")
    np.testing.assert_array_equal(part.images(slice(None)), SOME.images[[39, 10, 15]])
    assert any("3 of 30 samples of torch.Subset were given" in note for note in notes(part))


def test_a_part_reads_no_other_sample():
    read = []
    whole = Pictures(SOME, None)
    reads = type("Counted", (Pictures,), {"__getitem__": lambda self, i: (read.append(i), whole[i])[1]})(SOME)
    open_dataset(Subset(reads, range(3, 8)))
    assert set(read) == set(range(3, 8))


@pytest.mark.parametrize("form", ["tensors", "pictures"])
def test_parts_of_a_random_split_do_not_overlap_and_keep_ids(form):
    base = TensorDataset(*TENSORS) if form == "tensors" else Pictures(SOME)
    one, other = (open_dataset(part) for part in random_split(base, [40, 20], torch.Generator().manual_seed(3)))
    assert sorted((*one.ids, *other.ids)) == sorted(open_dataset(base).ids)
    at = [int(name[-5:]) for name in one.ids]
    np.testing.assert_array_equal(one.images(slice(None)), SOME.images[at])
    np.testing.assert_array_equal(one.labels, SOME.labels[at])


def test_a_sum_says_of_which_part_a_sample_is():
    opened = open_dataset(Subset(ConcatDataset([TensorDataset(*TENSORS), Pictures(SOME)]), [59, 60, 61]))
    assert opened.ids == ("0/train/00059", "1/train/00000", "1/train/00001")
    np.testing.assert_array_equal(opened.images(slice(None)), SOME.images[[59, 0, 1]])


def test_a_dict_of_splits_has_two_and_says_what_it_leaves_out():
    said = []
    splits = {"train": (SOME.images[:40], SOME.labels[:40]), "test": Pictures(SOME), "val": None}
    test = open_dataset(splits, "test", on_note=said.append)
    assert test.ids[0] == "test/00000"
    assert len(open_dataset(splits).ids) == 40
    assert "'val' is neither the train nor the test split, and not read; give it by itself." in said
    with pytest.raises(DataError, match="have no test split: found train"):
        open_dataset({"train": splits["train"]}, "test")


def test_names_as_labels_are_the_classes_in_their_order():
    pairs = [(SOME.picture(i), ("cat", "dog", "10", "9")[i % 4]) for i in range(8)]
    opened = open_dataset(pairs)
    assert opened.classes == ("9", "10", "cat", "dog")
    assert [opened.classes[label] for label in opened.labels] == [name for _, name in pairs]
    named = open_dataset((SOME.images[:8], [name for _, name in pairs]))
    np.testing.assert_array_equal(named.labels, opened.labels)


def test_class_names_come_from_the_object():
    some = Pictures(SOME)
    some.classes = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "none"]
    opened = open_dataset(some)
    assert opened.classes[-1] == "none"  # a class without a sample
    assert "Labels come from the samples of tests.Pictures: 11 classes." in notes(opened)


def mixed(count=12):
    return [(SOME.picture(i).resize((8 + i % 3, 9)), int(i % 2)) for i in range(count)]


def test_images_of_several_sizes_are_brought_to_one_and_it_is_said():
    opened = open_dataset(mixed())
    assert opened.shape == (1, 8, 8) or opened.shape == (1, 9, 9)
    assert any("images were brought to" in note for note in notes(opened))
    assert open_dataset(mixed(), size=16, fit="pad").shape == (1, 16, 16)
    check_dataset(open_dataset(mixed(), size=16))


def test_a_size_may_be_asked_of_pictures_of_one_size():
    assert open_dataset(Pictures(SOME), size=14).shape == (1, 14, 14)
    with pytest.raises(UsageError, match="leave them out"):
        open_dataset((SOME.images, SOME.labels), size=14)


def test_the_content_of_an_image_says_its_shape():
    flat = [(np.arange(8, 24, dtype=np.uint8).reshape(shape), i) for i, shape in enumerate([(2, 8), (8, 2)])]
    one, other = (open_dataset([*flat, *mixed(2)]).content(i) for i in (0, 1))
    assert one != other


def test_files_that_cannot_be_read_are_left_out_where_that_is_asked():
    pairs = [(SOME.png(i) if i != 4 else b"no picture", int(SOME.labels[i])) for i in range(10)]
    part, skipped = readable_part(open_dataset(pairs))
    assert len(part.ids) == 9
    assert list(skipped) == ["train/00004"]


def test_transforms_are_set_aside_and_it_is_said():
    dataset = Pictures(SOME, to_tensor)
    opened = open_dataset(dataset)
    assert dataset.transform is to_tensor
    assert any(
        "Pictures, transform was set aside: what is read, and signed, are the images before" in n for n in notes(opened)
    )
    inner = type("Wrapped", (torch.utils.data.Dataset,), {})()
    inner.inside, type(inner).__len__, type(inner).__getitem__ = dataset, lambda s: 60, lambda s, i: s.inside[i]
    np.testing.assert_array_equal(open_dataset(inner).images(slice(None)), SOME.images)


class Stubborn(Pictures):
    """A transform that it cannot do without."""

    def __getitem__(self, i):
        return self.transform(self.some.picture(i)), int(self.some.labels[i])


def test_a_transform_that_cannot_be_set_aside_is_said():
    opened = open_dataset(Stubborn(SOME, lambda picture: picture.rotate(180)))
    assert any("Stubborn, transform cannot be set aside" in note for note in notes(opened))
    np.testing.assert_array_equal(opened.images(slice(None)), SOME.images[:, :, ::-1, ::-1])


def test_chance_in_what_is_read_is_refused():
    def turned(picture):
        return picture.rotate(180) if torch.rand(()) < 0.5 else picture

    with pytest.raises(DataError, match=r"was another when it was read again.*dataset\.transform = None"):
        open_dataset(Stubborn(SOME, turned))
    noisy = type("Noisy", (Stream,), {"__iter__": lambda self: ((turned(p), y) for p, y in Stream.__iter__(self))})
    with pytest.raises(DataError, match="was another when it was read again"):
        open_dataset(noisy())


def test_a_stream_is_read_once_and_says_so():
    opened = open_dataset(pair for pair in mixed(10))
    assert any(note.startswith("A stream of 10 samples was read once") for note in notes(opened))
    assert any("it cannot be read again" in note for note in notes(opened))


def test_reading_is_told():
    heard = []
    open_dataset(Pictures(SOME), on_progress=lambda step, done, total: heard.append((step, done, total)))
    assert heard == [("reading", 60, 60)]


SIDES = st.integers(5, 12)


@given(st.data(), st.sampled_from([1, 3]), SIDES, SIDES, st.integers(1, 5))
def test_layout_and_library_make_no_difference(data, channels, height, width, count):
    content = data.draw(st.binary(min_size=1, max_size=64))
    pixels = np.resize(np.frombuffer(content, np.uint8), (count, channels, height, width)) | 2
    labels = np.arange(count)
    last = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    for images in (pixels, last, torch.from_numpy(pixels), torch.from_numpy(last)):
        for source in ((images, labels), [(images[i], i) for i in range(count)]):
            opened = open_dataset(source)
            assert opened.shape == (channels, height, width)
            np.testing.assert_array_equal(opened.images(slice(None)), pixels)


def test_paths_and_names_may_lie_in_arrays(tmp_path):
    names = np.array([b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine"])
    opened = open_dataset((np.array(SOME.files(tmp_path)), names[SOME.labels]))
    np.testing.assert_array_equal(opened.images(slice(None)), SOME.images)
    assert opened.classes[opened.labels[0]] == names[SOME.labels[0]].decode()
    named = type("Named", (Pictures,), {"classes": np.array(list("abcdefghij"))})
    assert open_dataset(named(SOME)).classes == tuple("abcdefghij")
