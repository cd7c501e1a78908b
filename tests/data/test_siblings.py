"""What users bring beside what was thought of: files that are passed over, odd classes, objects of a kind nearby."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from whitesquare.data import open_dataset
from whitesquare.data.apart import check_apart, check_outside
from whitesquare.data.odd_classes import class_notes
from whitesquare.data.rows import embeds
from whitesquare.errors import DataError, UsageError, unknown_name

PIXELS = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8)
LABELS = np.array([0, 0, 1, 1])


@pytest.fixture
def photos(tmp_path):
    for i, pixels in enumerate(PIXELS):
        folder = tmp_path / "photos" / ["cat", "dog"][i // 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "photos"


def told_of(source):
    told = []
    open_dataset(source, on_note=told.append)
    return told


@pytest.mark.parametrize("name", ["a.jfif", "a.AVIF", "a.svg", "0001", "a.npy", ".hidden.png"])
def test_a_file_that_others_may_train_on_is_told(photos, name):
    (photos / "cat" / name).write_bytes(b"x")
    (said,) = told_of(photos)
    assert "1 file in class folders is not read" in said
    assert f"cat/{name}" in said


@pytest.mark.parametrize("name", ["Thumbs.db", "README", "notes.txt", "box.xml", ".DS_Store", "._0.png"])
def test_a_file_that_nobody_takes_for_an_image_is_not(photos, name):
    (photos / "cat" / name).write_bytes(b"x")
    assert told_of(photos) == []


def test_images_beside_the_splits_are_told(photos):
    root = photos.parent / "set"
    root.mkdir()
    photos.rename(root / "train")
    (root / "fox").mkdir()
    Image.fromarray(PIXELS[0]).save(root / "fox" / "0.png")
    (said,) = told_of(root)
    assert said.startswith("fox in ")


@pytest.mark.parametrize(
    ("one", "other"),
    [("Cat", "cat"), ("cat", "cat "), ("caf\u00e9", "cafe\u0301"), ("cat", "\ufeffcat"), ("a b", "a  b")],
)
def test_classes_that_look_alike_are_told(one, other):
    (said,) = class_notes((one, "dog", other), LABELS)
    assert "differ in nothing but" in said


def test_letters_and_other_classes_are_not_alike():
    assert class_notes(("A", "a", "B", "cat", "cats", "1", "01"), LABELS) == ()


def test_classes_that_are_captions_or_no_label_are_told():
    assert "captions" in class_notes([str(i) for i in range(1, 31)], np.arange(30))[0]
    assert class_notes([str(i) for i in range(1, 31)], np.arange(60) % 30) == ()
    assert "'-1'" in class_notes(("0", "1", "-1"), LABELS)[0]
    assert class_notes(("-1", "1"), LABELS) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"file": "cat/0.png", "label": "a"}\n{"file"\n', "line 2: found no JSON"),
        ('{"file": "cat/0.png", "label": 1, "label": 2}\n', "the field 'label' stands twice"),
    ],
)
def test_a_line_of_json_that_is_wrong_is_named(photos, text, said):
    (photos / "list.jsonl").write_text(text)
    with pytest.raises(DataError, match=said):
        open_dataset(photos / "list.jsonl")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; expected a row for each image"),
        ("file,label\ncat/0.png,a\n".encode("utf-16"), "found UTF-16; write it again as UTF-8"),
        ("file,label\ncat/0.png,\u00e9\n".encode("latin-1"), "found the byte 0xe9"),
    ],
)
def test_a_list_that_is_no_text_or_empty_says_so(photos, content, said):
    (photos / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        open_dataset(photos / "list.csv")


def test_a_struct_inside_a_struct_holds_no_image():
    assert embeds("STRUCT(bytes BLOB, path VARCHAR)")
    assert embeds("STRUCT(path VARCHAR, box STRUCT(x INTEGER, y INTEGER), bytes BLOB)")
    assert not embeds('STRUCT("data" STRUCT(bytes BLOB))')


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([torch.utils.data.TensorDataset(torch.zeros(2, 4, 4))] * 2, "A list of 2 data sets"),
        ([PIXELS, LABELS], r"give them as a pair: \(images, labels\)"),
        ((np.array([*PIXELS, None], dtype=object)[:4], LABELS), r"numpy.stack\(list\(images\)\)"),
        ((PIXELS, LABELS.astype(complex)), "numpy.unique"),
        (torch.utils.data.Subset([(PIXELS[0], 0), (PIXELS[1], 1)], [True, False]), r"numpy.flatnonzero\(mask\)"),
    ],
)
def test_an_object_of_a_kind_nearby_says_what_to_give(given, said):
    with pytest.raises((DataError, UsageError), match=said):
        open_dataset(given)


def test_a_sparse_tensor_is_an_image():
    samples = [(torch.from_numpy(pixels).to_sparse(), int(label)) for pixels, label in zip(PIXELS, LABELS, strict=True)]
    assert (open_dataset(samples).images(slice(0, 4))[:, 0] == PIXELS).all()


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname == "Darwin", reason="needs names that are no UTF-8")
def test_a_name_that_is_no_utf8_says_so(photos):
    (photos / "cat" / "0.png").rename(photos / "cat" / os.fsdecode(b"\xff.png"))
    with pytest.raises(DataError, match="no UTF-8"):
        open_dataset(photos)


def test_nothing_is_written_into_a_data_set(photos):
    for check in (check_apart, check_outside):
        with pytest.raises(UsageError, match="lie in one another"):
            check(photos, photos / "run")
    check_apart(photos, photos.parent / "run")
    (photos / "whitesquare.json").write_text(json.dumps({"kind": "run"}))
    check_outside(photos, photos / "victim")  # results of a run lie in it
    with pytest.raises(UsageError, match="lie in one another"):
        check_apart(photos, photos / "run")


def test_the_nearest_name_is_found_whatever_its_case():
    assert "Did you mean 'json'?" in str(unknown_name("output", "JSON", ["html", "json"]))
