"""Tar files of WebDataset: what is read, what is said of it, and what is refused."""

import gzip
import json
import os
import pickle
import re
import tarfile

import numpy as np
import pytest

from whitesquare.data import has_test, notes, open_dataset
from whitesquare.data.listing import check_unchanged
from whitesquare.data.sized import unsized
from whitesquare.data.specs import moved
from whitesquare.errors import ChangedError, DataError, UsageError
from whitesquare.types import Rewritable

from .forms import pngs, write_tar

IMAGES = np.random.default_rng(1).integers(0, 256, (8, 1, 6, 6), dtype=np.uint8)
PNG = pngs(IMAGES, np.arange(8))


def _members(labels, start=0, label="cls", image="png", folder=""):
    """Return the members of samples, one for each label."""
    found = []
    for i, value in enumerate(labels, start):
        found.append((f"{folder}{i:03d}.{image}", PNG[i % 8][2]))
        found.append((f"{folder}{i:03d}.{label}", str(value).encode()))
    return found


def _labels(opened):
    return [opened.classes[i] for i in opened.labels]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder", ["", "./", "a/b.c/", f"{'long/' * 40}", "größe/"])
def test_it_reads_what_every_kind_of_tar_holds(tmp_path, form, folder):
    path = write_tar(tmp_path / "a.tar", _members(["x", "y", "x"], folder=folder), form)
    opened = open_dataset(path)
    assert opened.ids == tuple(f"a.tar/{folder.removeprefix('./')}{i:03d}.png" for i in range(3))
    assert _labels(opened) == ["x", "y", "x"]
    assert np.array_equal(opened.images(slice(None)), IMAGES[:3])
    assert [opened.content(i) for i in (2, 0, -2)] == [PNG[2][2], PNG[0][2], PNG[1][2]]
    assert notes(opened) == (f"Labels come from the members .cls of {path}.",)
    assert len(pickle.dumps(opened)) < 4000


def test_folders_hidden_files_and_files_without_suffix_belong_to_no_sample(tmp_path):
    others = [(name, b"") for name in ("dir/", "dir/.hidden.png", "dir/._000.png", "README")]
    write_tar(tmp_path / "a.tar", [*others, *_members([5, 12])])
    opened = open_dataset(tmp_path / "a.tar")
    assert opened.ids == ("a.tar/000.png", "a.tar/001.png")
    assert opened.classes == ("5", "12")


def _json(*objects):
    return [
        one
        for i, found in enumerate(objects)
        for one in ((f"{i}.jpg", PNG[i][2]), (f"{i}.json", json.dumps(found).encode()), (f"{i}.txt", b"a caption"))
    ]


@pytest.mark.parametrize(
    ("members", "query", "labels", "told"),
    [
        (_members(["cat", " dog\n"]), "", ["cat", "dog"], ("the members .cls",)),
        (_json({"label": 3, "w": 1}, {"label": 1}), "", ["3", "1"], ("'label' of the members .json", r"read: \.txt")),
        (_json({"Category": "b"}, {"Category": "a"}), "", ["b", "a"], ("'Category' of", r"read: \.txt")),
        (_json({"w": 1}, {"w": 2}), "label=json:w", ["1", "2"], ("'w' of", r"read: \.txt")),
        (_members(["x", "y", "x", "y"], label="txt"), "", ["x", "y", "x", "y"], ("the members .txt",)),
        (_members(["x", "y"], label="txt"), "label=txt", ["x", "y"], ("the members .txt",)),
        (_members([1, 2], image="left.png"), "image=left.png", ["1", "2"], ("the members .cls",)),
        ([*_members([4]), ("000.jpg", b"?")], "image=png", ["4"], ("the members .cls", r"read: \.jpg")),
    ],
)
def test_labels_come_from_what_is_told(tmp_path, members, query, labels, told):
    path = write_tar(tmp_path / "a.tar", members)
    opened = open_dataset(f"tar:{path}?{query}" if query else path)
    assert _labels(opened) == labels
    for one, expected in zip(notes(opened), told, strict=True):
        assert re.search(expected, one)


def test_shards_are_found_by_pattern_and_by_folder(tmp_path):
    for i in range(12):
        write_tar(tmp_path / f"in-train-{i:04d}.tar", _members([i % 2]))
    write_tar(tmp_path / "in-validation-0000.tar", _members([0]))
    write_tar(tmp_path / "in-test-0000.tar", _members([7]))
    folder = open_dataset(tmp_path)
    assert (len(folder.ids), folder.classes, has_test(tmp_path)) == (12, ("0", "1", "7"), True)
    assert open_dataset(tmp_path, "test").ids == ("in-test-0000.tar/000.png",)
    assert "in-validation-0000.tar in" in notes(folder)[-1]
    for pattern, count in (
        ("in-train-{0000..0011}.tar", 12),
        ("in-train-{0008..0011}.tar", 4),
        ("in-{train-0000,test-0000}.tar", 2),
        ("in-train-000{3..5}.tar", 3),
        ("in-train-00{0,1}{0..1}.tar", 4),
        ("in-train-*.tar", 12),
        ("tar:in-train-{0000..0001}.tar?label=cls", 2),
    ):
        prefix = "tar:" if pattern.startswith("tar:") else ""
        opened = open_dataset(f"{prefix}{tmp_path}/{pattern.removeprefix('tar:')}")
        assert len(set(opened.ids)) == count, pattern
    assert not has_test(f"{tmp_path}/in-train-*.tar")


def test_class_folders_beside_a_tar_file_count_for_more(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(PNG[0][2])
    write_tar(tmp_path / "backup.tar", _members([0]))
    assert open_dataset(tmp_path).kind == "folder"


def test_shards_in_folders_of_the_splits(tmp_path):
    for split in ("train", "test", "val"):
        write_tar(tmp_path / split / "0.tar", _members([0, 1]))
    assert open_dataset(tmp_path, "test").ids == ("test/0.tar/000.png", "test/0.tar/001.png")
    assert "val in" in notes(open_dataset(tmp_path))[-1]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_copy_without_samples_has_all_else_byte_for_byte(tmp_path, form):
    folder = tmp_path / "in"
    members = [*_members([0, 1, 2], folder="long/" * 40), ("README", b"hello")]
    write_tar(folder / "train-0.tar", members, form)
    write_tar(folder / "train-1.tar", _members([2, 1], start=3), form)
    write_tar(folder / "test-0.tar", _members([0]), form)
    opened = unsized(open_dataset(folder))
    assert isinstance(opened, Rewritable)
    assert set(opened.entries) == {"train-0.tar", "train-1.tar"}
    opened.rewrite(tmp_path / "all", np.arange(5))
    for name in ("train-0.tar", "train-1.tar"):
        assert (tmp_path / "all" / name).read_bytes() == (folder / name).read_bytes()
    opened.rewrite(tmp_path / "out", np.array([0, 2]))
    with tarfile.open(tmp_path / "out" / "train-0.tar") as tar:
        found = [(one.name, tar.extractfile(one).read()) for one in tar]
    assert found == members[:2] + members[4:]
    with tarfile.open(tmp_path / "out" / "train-1.tar") as tar:
        assert tar.getnames() == []
    assert open_dataset(tmp_path / "out").ids == (opened.ids[0], opened.ids[2])
    assert moved(f"{folder}/train-{{0..1}}.tar", tmp_path / "out") == f"{tmp_path}/out/train-{{0..1}}.tar"


def test_a_tar_file_that_was_changed_meanwhile_is_refused(tmp_path):
    opened = open_dataset(write_tar(tmp_path / "a.tar", _members([0, 1])))
    write_tar(tmp_path / "a.tar", _members([0] * 9))
    with pytest.raises(ChangedError, match="was changed since it was opened"):
        opened.content(0)


def test_a_tar_file_of_the_same_size_in_its_place_is_another_one(tmp_path):
    one, other = (
        write_tar(tmp_path / name, _members(labels)) for name, labels in (("a.tar", [0, 1]), ("b.tar", [1, 0]))
    )
    opened, before = open_dataset(one), one.stat()
    assert other.stat().st_size == before.st_size
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(one)
    with pytest.raises(ChangedError, match="was changed since it was opened"):
        opened.content(0)
    with pytest.raises(ChangedError, match="was changed since it was opened"):
        unsized(opened).rewrite(tmp_path / "out", np.array([0]))


def test_a_tar_file_that_was_written_to_in_place_is_refused_by_whoever_had_it_hashed_by_workers(tmp_path):
    path = write_tar(tmp_path / "a.tar", _members([0, 1]))
    opened, content = open_dataset(path), path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(0, 1))
    with pytest.raises(ChangedError, match="was changed since it was opened"):
        check_unchanged(opened)


def _written(at, members):
    return write_tar(at / "a.tar", members)


def _cut(at, count):
    path = _written(at, _members([0, 1]))
    path.write_bytes(path.read_bytes()[:count])
    return path


def _typed(at, kind, name="a.png"):
    with tarfile.open(at / "a.tar", "w") as tar:
        one = tarfile.TarInfo(name)
        one.type, one.linkname = kind, "/etc/passwd"
        tar.addfile(one)
    return at / "a.tar"


def _two(at, first, second):
    write_tar(at / "a-0.tar", first)
    write_tar(at / "a-1.tar", second)
    return at


def _damaged(at):
    path = _written(at, _members([0, 1]))
    content = bytearray(path.read_bytes())
    content[140] ^= 1  # in the time of the first member
    path.write_bytes(bytes(content))
    return path


def _packed(at, name):
    path = _written(at, _members([0]))
    (at / "out").mkdir()
    (at / "out" / name).write_bytes(gzip.compress(path.read_bytes()))
    return at / "out"


BAD = {
    "two images of one key": (
        lambda at: _written(at, [*_members([0]), ("000.jpg", b"?")]),
        r"'000' \(\.png, \.cls, \.jpg\) has two images; .* tar:.*a\.tar\?image=png",
    ),
    "one image twice": (
        lambda at: _written(at, [("0.png", b""), ("0.PNG", b"?"), ("0.cls", b"1")]),
        r"two members are called '0\.PNG'",
    ),
    "a key that comes again": (
        lambda at: _written(at, [*_members([0, 1]), *_members([1])]),
        "two samples have the key '000'",
    ),
    "no image": (lambda at: _written(at, [("0.cls", b"1")]), r"'0' \(\.cls\) has no image"),
    "no such image": (
        lambda at: f"tar:{_written(at, _members([1]))}?image=jpg",
        r"\(\.png, \.cls\) has no \.jpg",
    ),
    "no label": (lambda at: _written(at, [("0.png", b"")]), r"no \.cls, \.txt or \.json with a label .*unpack it"),
    "a folder of classes": (lambda at: _written(at, [("cat/0.png", b"")]), "class folders in a tar file, unpack it"),
    "no label in the object": (
        lambda at: _written(at, [("0.png", b""), ("0.json", b'{"width": 1}')]),
        r"none or several of the fields of its \.json \(width\)",
    ),
    "two labels in the object": (
        lambda at: _written(at, [("0.png", b""), ("0.json", b'{"label": 1, "class": 2}')]),
        r"\(label, class\) may be it; give it as tar:.*label=json:FIELD",
    ),
    "no object": (lambda at: _written(at, [("0.png", b""), ("0.json", b"[1]")]), r"\.json of the sample '0' cannot"),
    "an object that lacks the label": (
        lambda at: _written(at, _json({"label": 1}, {"name": 1})),
        r"1 of 2 rows have no label \(rows 2\)",
    ),
    "one-hot labels": (
        lambda at: _written(at, _json({"label": [0, 1]})),
        r"row 1: the label \[0, 1\] is a list",
    ),
    "an empty label": (lambda at: _written(at, _members(["", 1])), r"1 of 2 rows have no label \(rows 1\)"),
    "a label that is no text": (lambda at: _written(at, [("0.png", b""), ("0.cls", b"\xff")]), "'0' is no text"),
    "labels that are no whole numbers": (lambda at: _written(at, _members([0.5, 1])), "0.5 is no whole number"),
    "captions": (lambda at: _written(at, _members("abcd", label="txt")), r"nearly all different, as captions are"),
    "shards of different labels": (
        lambda at: _two(at, _members([0]), _json({"label": 1})),
        r"a-1\.tar: the sample '0' has no \.cls, from which labels come \(found: \.jpg, \.json, \.txt\)",
    ),
    "a sample without what the others have": (
        lambda at: _written(at, [*_members([0]), ("9.png", b"")]),
        r"the sample '9' has no \.cls",
    ),
    "cut in an image": (lambda at: _cut(at, 600), "is cut off"),
    "cut in a header": (lambda at: _cut(at, 300), "is cut off"),
    "cut between members": (lambda at: _cut(at, 1024), "is cut off: it has no end"),
    "empty": (lambda at: _cut(at, 0), r"a\.tar is empty"),
    "no tar": (lambda at: (at / "a.tar").write_bytes(b"x" * 2000) and at / "a.tar", "is no tar file, or is damaged"),
    "a damaged header": (_damaged, "another checksum"),
    "something behind the end": (
        lambda at: (p := _written(at, _members([0]))).write_bytes(2 * p.read_bytes()) and p,
        "goes on behind its end",
    ),
    "compressed under another name": (
        lambda at: (p := _written(at, _members([0]))).write_bytes(gzip.compress(p.read_bytes())) and p,
        r"is compressed \(gzip\), whatever its name",
    ),
    "compressed": (lambda at: _packed(at, "a.tar.gz") / "a.tar.gz", r"a\.tar\.gz is compressed, .* unpack it once"),
    "a folder of compressed ones": (lambda at: _packed(at, "a.tgz"), r"a\.tgz is compressed"),
    "a path that leads out": (lambda at: _written(at, [("../0.png", b""), ("../0.cls", b"1")]), "leads out of"),
    "an absolute path": (lambda at: _written(at, [("/0.png", b""), ("/0.cls", b"1")]), "leads out of"),
    "a path of Windows": (lambda at: _written(at, [("a\\0.png", b"")]), "leads out of"),
    "a name that breaks lines": (lambda at: _written(at, [("0\n1.png", b"")]), "holds a control character"),
    "a name that drives terminals": (lambda at: _written(at, [("0\x1b[2J.png", b"")]), "holds a control character"),
    "a link": (lambda at: _typed(at, tarfile.SYMTYPE), r"'a\.png' is a link"),
    "a hard link": (lambda at: _typed(at, tarfile.LNKTYPE), r"'a\.png' is a link"),
    "a device": (lambda at: _typed(at, tarfile.CHRTYPE), "is a link, a device"),
    "shards that are not there": (
        lambda at: f"{_written(at, _members([0])).parent}/{{a,b,c}}.tar",
        r"lacks 2 of the 3 shards that .* speaks of \(b\.tar, c\.tar\)",
    ),
    "no shards at all": (lambda at: at / "x-{00..99}.tar", r"There is no file .*x-\{00\.\.99\}\.tar"),
    "a file that stands twice": (lambda at: _written(at, _members([0])).with_name("{a,a}.tar"), "names one file twice"),
    "no samples": (lambda at: _written(at, []), r"a\.tar has no rows"),
    "a root": (lambda at: f"tar:{_written(at, _members([0]))}?root=x", "'root' means nothing"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_clear_is_refused(tmp_path, case):
    make, message = BAD[case]
    with pytest.raises((DataError, UsageError), match=message) as error:
        open_dataset(make(tmp_path))
    assert "\n" not in str(error.value)


def test_a_split_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.tar has no test split"):
        open_dataset(_written(tmp_path, _members([0])), "test")
