"""What a manifest lists: exactly what the adapters present, and everything else that lies there."""

import hashlib
import os
import socket
import subprocess
import sys
import unicodedata

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.own_data import made_to_fit
from whitesquare.data import from_arrays, open_dataset, write_dataset, write_idx, write_npz
from whitesquare.data.layouts import is_plain
from whitesquare.data.nested import split_inside
from whitesquare.errors import DataError, UnfinishedError, UsageError, VerificationError
from whitesquare.provenance import listing, workers
from whitesquare.provenance.container_rows import in_byte_order
from whitesquare.provenance.listing import make_manifest
from whitesquare.provenance.manifest import Block, manifest_writer, read_items
from whitesquare.provenance.merkle import leaf_hash, tree_root
from whitesquare.provenance.pixels import pixel_digest
from whitesquare.provenance.types import Content, Item
from whitesquare.provenance.walk import _all_folded, _folded


def listed(source, tmp_path, **options):
    path = tmp_path / "out" / "m.parquet"
    found = make_manifest(str(source), path, **options)
    items = list(read_items(path))
    assert found.bytes == path.stat().st_size
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.tree.size == len(items)
    assert found.tree.root == tree_root(leaf_hash(item) for item in items).hex()
    assert [(item.id, item.split) for item in items] == sorted((item.id, item.split) for item in items)
    return found, items


def write(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def check_against_adapter(source, found, items, splits=None):
    """Every split as the adapter presents it: ids, labels, content, classes, and the root a training would compute."""
    for split in found.splits if splits is None else splits:
        dataset = open_dataset(str(source), split)
        presented = {
            (name, dataset.classes[label], hashlib.sha256(dataset.content(i)).digest(), len(dataset.content(i)))
            for i, (name, label) in enumerate(zip(dataset.ids, dataset.labels.tolist(), strict=True))
        }
        assert presented == {(item.id, item.label, item.sha256, item.size) for item in items if item.split == split}
        consumed = sorted(
            (
                Item(name, dataset.classes[label], split, len(dataset.content(i)), b"")
                for i, (name, label) in enumerate(zip(dataset.ids, dataset.labels.tolist(), strict=True))
            ),
            key=lambda item: item.id.encode(),
        )
        digest = {name: hashlib.sha256(dataset.content(i)).digest() for i, name in enumerate(dataset.ids)}
        leaves = (leaf_hash(Item(one.id, one.label, one.split, one.size, digest[one.id])) for one in consumed)
        tree = found.splits[split]
        assert (tree.size, tree.root) == (len(dataset.ids), tree_root(leaves).hex())
        assert found.classes[: len(dataset.classes)] == dataset.classes
        names = [dataset.classes[label] for label in dataset.labels.tolist()]
        assert tree.classes == {name: names.count(name) for name in found.classes}


def check_files_as_they_are(folder, items):
    """Everything that is no sample is listed with the size and digest of a file, without a label."""
    for item in items:
        if not item.split:
            data = (folder / item.id).read_bytes()
            assert (item.label, item.size, item.sha256) == ("", len(data), hashlib.sha256(data).digest())


BOXES = (".gz", ".npz", ".bin", ".txt")
"""What the names of files of many samples end with."""


@pytest.mark.parametrize("fmt", ["idx", "npz", "cifar10", "png-folder"])
@pytest.mark.parametrize("with_test", [True, False])
def test_every_format_lists_what_its_adapter_presents(tiny, tmp_path, fmt, with_test):
    folder = tmp_path / "data"
    data = made_to_fit(tiny, fmt)
    write_dataset(folder, data, data if with_test else None, fmt)
    write(folder, {"README.md": b"hello", ".hidden/evil.png": b"x", "other/a.png": b"y"})
    found, items = listed(folder, tmp_path)
    assert set(found.splits) == {"train", "test"} if with_test else {"train"}
    check_against_adapter(folder, found, items)
    others = {item.id for item in items if not item.split}
    boxes = set() if fmt == "png-folder" else {path.name for path in folder.iterdir() if path.suffix in BOXES}
    assert len(boxes) == {"idx": (2, 4), "npz": (1, 2), "cifar10": (2, 3), "png-folder": (0, 0)}[fmt][with_test]
    assert others == {"README.md", ".hidden/evil.png", "other/a.png"} | boxes
    check_files_as_they_are(folder, items)
    # Ids in the .npz file of the test split are those of the training split it was made of, and no positions there.
    positional = fmt in ("idx", "cifar10") or not with_test
    pixels, files = Content("pixels", data.shape, positional, False), Content("files", None, False, False)
    assert found.content == (files if fmt == "png-folder" else pixels)


def test_mnist(tmp_path):
    found, items = listed("mnist", tmp_path)
    assert (found.splits["train"].size, found.splits["test"].size) == (60_000, 10_000)
    check_against_adapter("mnist", found, items)
    assert found.bytes < 60 * len(items)


def test_one_npz_file_with_ids_of_its_own(tiny, tmp_path):
    names = [f"{'é' if i % 2 else 'z'} '\"{i},; \\" for i in range(60)]
    data = from_arrays(tiny.pixels, tiny.labels, classes=("cat, ", " dog", 'x"y'), ids=names)
    write_npz(tmp_path / "d.NPZ", data)
    found, items = listed(tmp_path / "d.NPZ", tmp_path)
    check_against_adapter(tmp_path / "d.NPZ", found, items)
    assert found.content == Content("pixels", (1, 12, 12), False, False)
    assert [item.id for item in items if not item.split] == ["d.NPZ"]
    check_files_as_they_are(tmp_path, items)


@pytest.mark.parametrize("fmt", ["idx", "npz", "cifar10"])
def test_format_1_lists_no_containers(tiny, tmp_path, fmt):
    write_dataset(tmp_path / "d", made_to_fit(tiny, fmt), made_to_fit(tiny, fmt), fmt)
    write(tmp_path / "d", {"README.md": b"hello"})
    found, items = listed(tmp_path / "d", tmp_path, format=1)
    assert [item.id for item in items if not item.split] == ["README.md"]
    assert found.splits == listed(tmp_path / "d", tmp_path)[0].splits


def test_colour_arrays_with_channels_last_are_hashed_as_the_adapter_presents_them(tmp_path):
    images = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(4))
    found, items = listed(tmp_path / "d.npz", tmp_path, pixels=True)
    check_against_adapter(tmp_path / "d.npz", found, items)
    assert found.content.shape == (3, 5, 6)
    buffer = tmp_path / "image.png"
    Image.fromarray(images[0]).save(buffer)
    first = next(item for item in items if item.split)
    assert first.pixels == pixel_digest(buffer.read_bytes(), "image.png")


@pytest.mark.long
@pytest.mark.parametrize("count", [0, 1, 99_999, 100_000, 100_007, 1_200_345])
def test_positions_are_sorted_as_their_ids(count):
    order = list(in_byte_order(count))
    assert order == sorted(range(count), key=lambda position: f"{position:05d}")


def test_the_classes_of_idx_files_are_counted_over_both_splits(tiny, tmp_path):
    write_dataset(tmp_path / "d", tiny, tiny, "idx")
    write_idx(tmp_path / "d" / "t10k-labels-idx1-ubyte.gz", np.full(60, 7, np.uint8))
    found, items = listed(tmp_path / "d", tmp_path)
    assert found.classes == tuple("01234567")
    check_against_adapter(tmp_path / "d", found, items)


def test_npz_splits_that_disagree_about_classes_are_refused(tiny, tmp_path):
    for split, classes in (("train", ("a", "b", "c")), ("test", ("b", "a", "c"))):
        write_npz(tmp_path / "d" / f"{split}.npz", from_arrays(tiny.pixels, tiny.labels, classes=classes))
    with pytest.raises(DataError, match=r"test.npz.*other classes"):
        listed(tmp_path / "d", tmp_path)
    found, _ = listed(tmp_path / "d", tmp_path, strict=False)
    assert set(found.refused) == {"test.npz"}


PLAIN = st.text(st.sampled_from("abAB1.é-\u017f "), min_size=1, max_size=4).filter(lambda name: name.strip(". "))
SUFFIX = st.sampled_from([".png", ".PNG", ".jpeg", ".txt", "", "png", ".tar.pgm"])
FOLDERS = st.lists(st.sampled_from(["train", "test", "cat", "10", "9", ".git", "Zoo"]), max_size=3)
TREES = st.lists(st.tuples(FOLDERS, PLAIN, SUFFIX, st.binary(max_size=3)), max_size=12)


def fitting(tree):
    """Files of a tree that can lie beside each other: none collides with another, or is another's folder.

    Splits inside class folders are refused; :mod:`tests.data.test_nested` has them.
    """
    known, files = {}, {}
    for folders, stem, suffix, data in tree:
        if split_inside(folders[folders[:1] in (["train"], ["test"]) :])[0]:
            continue
        name = "/".join((*folders, stem + suffix))
        steps = [name[:end] for end in range(1, len(name)) if name[end] == "/"]
        kinds = {unicodedata.normalize("NFC", step).casefold(): (step, "folder") for step in steps}
        kinds[unicodedata.normalize("NFC", name).casefold()] = (name, "file")
        if name not in files and all(known.get(key, kind) == kind for key, kind in kinds.items()):
            known |= kinds
            files[name] = data
    return files


@pytest.mark.long
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(TREES)
def test_any_tree_lists_each_file_once_and_samples_as_the_adapter_does(tmp_path_factory, tree):
    tmp_path = tmp_path_factory.mktemp("tree")
    root = tmp_path / "data"
    root.mkdir()
    written = fitting(tree)
    write(root, written)
    try:
        found, items = listed(root, tmp_path)
    except DataError:  # a folder above a data set
        with pytest.raises(DataError):  # nor is it read
            open_dataset(str(root))
        return
    assert {item.id: item.sha256 for item in items} == {
        name: hashlib.sha256(data).digest() for name, data in written.items()
    }
    assert [item.id for item in items] == sorted(written, key=str.encode)
    for split in ("train", "test"):
        try:
            dataset = open_dataset(str(root), split)
        except DataError:
            continue
        ids = {item.id: item.label for item in items if item.split == split}
        assert ids == {name: dataset.classes[y] for name, y in zip(dataset.ids, dataset.labels.tolist(), strict=True)}
        assert found.classes == dataset.classes
        check_against_adapter(root, found, items, [split])  # the other may be one that the adapter refuses


def test_what_the_adapter_refuses_can_be_listed_and_is_no_sample(tmp_path):
    write(tmp_path / "d", {"cat/a.png": b"1", "cat/deep/b.png": b"2", "notes/only.txt": b"3"})
    with pytest.raises(DataError):
        open_dataset(tmp_path / "d")
    found, items = listed(tmp_path / "d", tmp_path)
    assert {item.id: (item.label, item.split) for item in items} == {
        "cat/a.png": ("cat", "train"),
        "cat/deep/b.png": ("cat", "train"),
        "notes/only.txt": ("", ""),
    }
    assert found.splits["train"].classes == {"cat": 2, "notes": 0}


def test_an_empty_folder_and_one_of_empty_folders(tmp_path):
    (tmp_path / "d").mkdir()
    found, items = listed(tmp_path / "d", tmp_path)
    assert (items, found.splits, found.classes) == ([], {}, ())
    (tmp_path / "d" / "cat").mkdir()
    found, _ = listed(tmp_path / "d", tmp_path)
    assert found.classes == ("cat",)  # it shifts the labels of the classes behind it, so it must not be overlooked


@pytest.mark.parametrize("name", ["a\nb.png", "a\x1b[2J.png", os.fsdecode(b"\xff.png"), "a\u2028b"])
def test_names_that_break_lines_or_are_not_utf8_are_refused(tmp_path, name):
    write(tmp_path / "d", {f"cat/{name}": b"1", "cat/ok.png": b"2"})
    with pytest.raises(DataError, match="UTF-8 or holds a control character") as error:
        listed(tmp_path / "d", tmp_path)
    assert "\n" not in str(error.value)
    found, items = listed(tmp_path / "d", tmp_path, strict=False)
    (refused,) = found.refused
    assert is_plain(refused)
    assert {item.id: item.sha256 for item in items} == {
        refused: bytes(32),
        "cat/ok.png": hashlib.sha256(b"2").digest(),
    }


def test_an_escaped_name_takes_no_other_name(tmp_path):
    write(tmp_path / "d", {os.fsdecode(b"\xff"): b"1", "\\xff": b"2"})
    found, items = listed(tmp_path / "d", tmp_path, strict=False)
    assert [item.id for item in items] == ["\\xff", "\\xff?"]
    assert list(found.refused) == ["\\xff?"]


def make_odd(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(str(path))
    elif kind == "link to a file":
        path.symlink_to(path.with_name("a.png"))
    elif kind == "link to a folder":
        path.symlink_to("/etc")
    elif kind == "broken link":
        path.symlink_to("nowhere")
    else:
        try:
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("a device can be made by root only")


KINDS = ["pipe", "socket", "link to a file", "link to a folder", "broken link", "device"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["cat/odd.png", "cat/odd", "odd", ".git/odd.png"])
def test_what_is_no_regular_file_is_refused_and_never_followed(tmp_path, monkeypatch, kind, place):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    write(tmp_path / "d", {"cat/a.png": b"1", "a.png": b"1", ".git/a.png": b"1"})
    make_odd(tmp_path / "d" / place, kind)
    with pytest.raises(DataError, match=f"'{place}' in d is a"):
        listed("d", tmp_path)
    found, items = listed("d", tmp_path, strict=False)
    assert set(found.refused) == {place}
    odd = {item.id: item for item in items}[place]
    assert (odd.sha256, odd.label, odd.split, odd.size) == (bytes(32), "", "", 0)
    assert len(items) == 4


@pytest.mark.parametrize("names", [("a.png", "A.png"), ("\u00e9.png", "e\u0301.png"), ("straße", "STRASSE")])
@pytest.mark.parametrize("as_folder", [False, True])
def test_names_that_collide_elsewhere_are_refused(tmp_path, names, as_folder):
    for number, name in enumerate(names):
        write(tmp_path / "d", {f"cat/{name}/x.png" if as_folder else f"cat/{name}": bytes([number])})
    if len(list((tmp_path / "d" / "cat").iterdir())) < 2:
        pytest.skip("this file system takes the two names for one")
    write(tmp_path / "d", {"dog/x.png": b"d"})  # of one class alone its folders would be taken for the classes
    with pytest.raises(DataError, match="wherever case or Unicode form does not count"):
        listed(tmp_path / "d", tmp_path)
    found, items = listed(tmp_path / "d", tmp_path, strict=False)
    assert len(found.refused) == 1
    assert {item.sha256 for item in items if item.id.startswith("cat/")} == {
        hashlib.sha256(bytes([n])).digest() for n in range(2)
    }


def test_a_hard_link_is_a_file_and_a_change_through_its_other_name_is_seen(tmp_path):
    write(tmp_path, {"d/cat/a.png": b"1"})
    os.link(tmp_path / "d/cat/a.png", tmp_path / "outside.png")
    before, _ = listed(tmp_path / "d", tmp_path)
    (tmp_path / "outside.png").write_bytes(b"2")
    after, _ = listed(tmp_path / "d", tmp_path)
    assert before.tree.root != after.tree.root


@pytest.mark.parametrize(
    ("fmt", "name"),
    [
        ("idx", "train-labels-idx1-ubyte.gz"),
        ("npz", "train.npz"),
        ("cifar10", "data_batch_1.bin"),
        ("cifar10", "batches.meta.txt"),
    ],
)
def test_a_link_in_place_of_a_file_of_many_samples_is_refused(tiny, tmp_path, fmt, name):
    write_dataset(tmp_path / fmt, made_to_fit(tiny, fmt), None, fmt)
    path = tmp_path / fmt / name
    path.rename(tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    with pytest.raises(DataError, match="is a symbolic link"):
        listed(tmp_path / fmt, tmp_path)
    assert path.name in listed(tmp_path / fmt, tmp_path, strict=False)[0].refused


def test_a_file_added_later_does_not_make_the_data_set_another_kind(tiny, tmp_path):
    write(tmp_path / "d", {"cat/a.png": b"1"})
    before, _ = listed(tmp_path / "d", tmp_path)
    write_npz(tmp_path / "d" / "train.npz", tiny)
    after, items = listed(tmp_path / "d", tmp_path, strict=False, expected=before.content)
    assert after.splits == before.splits
    assert [item.id for item in items] == ["cat/a.png", "train.npz"]

    write_dataset(tmp_path / "i", tiny, None, "idx")
    before, _ = listed(tmp_path / "i", tmp_path)
    write(tmp_path / "i", {"train/cat/a.png": b"1"})
    with pytest.raises(DataError, match="formats"):
        listed(tmp_path / "i", tmp_path, strict=False)
    after, items = listed(tmp_path / "i", tmp_path, strict=False, expected=before.content)
    assert after.splits == before.splits
    boxes = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert [item.id for item in items if not item.split] == [*boxes, "train/cat/a.png"]


@pytest.mark.parametrize("source", ["nowhere", "plain.txt"])
def test_what_is_no_data_set(tmp_path, source):
    (tmp_path / "plain.txt").write_text("x")
    with pytest.raises(UsageError, match="not a data set"):
        listed(tmp_path / source, tmp_path)
    assert not list((tmp_path / "out").iterdir())


def many(root, folders=3, files=1100):
    for folder in range(folders):
        (root / f"class {folder}").mkdir(parents=True)
        for file in range(files):
            (root / f"class {folder}" / f"{file}.png").write_bytes(b"%d %d" % (folder, file))


def test_worker_processes_find_what_one_process_finds(tmp_path, monkeypatch):
    many(tmp_path / "d")
    (tmp_path / "d" / "class 1" / "7.txt").symlink_to("0.png")
    write(tmp_path / "d", {"large.bin": bytes(range(256)) * 5000})
    found, items = listed(tmp_path / "d", tmp_path, strict=False)
    assert len(items) == 3302
    assert {item.id: item.size for item in items}["large.bin"] == 1_280_000
    alone = workers.hash_all
    monkeypatch.setattr(listing, "hash_all", lambda *given, **named: alone(*given, **named | {"workers": 0}))
    assert listed(tmp_path / "d", tmp_path, strict=False) == (found, items)


def test_a_failure_in_a_set_of_many_files_ends_its_processes(tmp_path):
    many(tmp_path / "d")
    (tmp_path / "d" / "class 0" / "bad.png").symlink_to("0.png")
    with pytest.raises(DataError, match=r"bad.png.*symbolic link"):
        listed(tmp_path / "d", tmp_path)
    assert not list((tmp_path / "out").iterdir())


def test_a_worker_that_dies_is_an_error(tmp_path, monkeypatch):
    many(tmp_path / "d")
    monkeypatch.setattr(workers, "_WORKER", "raise SystemExit  # {path} {root} {pixels}")
    with pytest.raises(UnfinishedError, match="ended early"):
        listed(tmp_path / "d", tmp_path)


def test_threads_of_the_caller_do_not_matter(tmp_path):
    """Forking a process with threads warns, from Python 3.12 on; here nothing is forked."""
    many(tmp_path / "d")
    code = (
        "import sys, threading, pathlib, warnings; warnings.simplefilter('error')\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "from whitesquare.provenance.listing import make_manifest\n"
        "size = make_manifest(sys.argv[1], pathlib.Path(sys.argv[2])).tree.size\n"
        "pathlib.Path(sys.argv[3]).write_text(str(size))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "d"), str(tmp_path / "m.parquet"), str(tmp_path / "answer")]
    subprocess.run(command, check=True)
    assert (tmp_path / "answer").read_text() == "3300"


@pytest.mark.long
@pytest.mark.parametrize("source", ["mnist", "idx", "cifar10", "png-folder"])
def test_what_is_no_npz_needs_no_numpy(tiny, tmp_path, source):
    if source != "mnist":
        write_dataset(tmp_path / source, made_to_fit(tiny, source), made_to_fit(tiny, source), source)
    code = (
        "import sys, pathlib\n"
        "for name in ('numpy', 'PIL', 'torch', 'pandas', 'pyarrow'): sys.modules[name] = None\n"
        "from whitesquare.provenance.listing import make_manifest\n"
        "digest = make_manifest(sys.argv[1], pathlib.Path(sys.argv[2])).sha256\n"
        "pathlib.Path(sys.argv[3]).write_text(digest)"
    )
    where = source if source == "mnist" else str(tmp_path / source)
    command = [sys.executable, "-c", code, where, str(tmp_path / "m.parquet"), str(tmp_path / "answer")]
    subprocess.run(command, check=True)
    assert (tmp_path / "answer").read_text() == listed(where, tmp_path)[0].sha256


def test_pixels_are_the_same_in_every_lossless_format_and_null_for_what_is_no_image(tiny, tmp_path):
    folder = tmp_path / "d"
    picture = Image.fromarray(tiny.pixels[0, 0])
    for number, suffix in enumerate(("png", "bmp", "tiff", "pgm")):
        (folder / f"{number}").mkdir(parents=True)
        picture.save(folder / f"{number}" / f"a.{suffix}")
    write(folder, {"0/broken.png": b"no image", "0/notes.txt": b"x"})
    found, items = listed(folder, tmp_path, pixels=True)
    by_id = {item.id: item.pixels for item in items}
    assert by_id.pop("0/broken.png") is by_id.pop("0/notes.txt") is None
    assert len(set(by_id.values())) == 1
    assert found.tree.root == listed(folder, tmp_path)[0].tree.root

    write_dataset(tmp_path / "i", tiny, None, "idx")
    write(tmp_path / "i", {"beside.png": b"x"})
    _, items = listed(tmp_path / "i", tmp_path, pixels=True)
    assert {item.id: item.pixels for item in items}["train/00000"] in by_id.values()
    assert {item.id: item.pixels for item in items}["beside.png"] is None


def test_a_grey_and_a_colour_image_of_the_same_bytes_differ():
    from whitesquare.provenance.pixels import digest_of_pixels

    data = bytes(range(36))
    assert len({digest_of_pixels(shape, data) for shape in ((1, 6, 6), (1, 4, 9), (3, 3, 4), (4, 3, 3))}) == 4


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8)
DIGEST = st.binary(min_size=32, max_size=32).filter(any)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.integers(0, 2**63 - 1), DIGEST, DIGEST | st.none()), max_size=6))
def test_every_text_survives_the_manifest(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("m") / "a*[b]=?'\"é" / "a*[b]=?'\"é.parquet"
    with manifest_writer(path, pixels=True) as writer:
        for id, label, split, size, digest, pixels in rows:
            writer.add(Block([id], [label], [split], [size], digest, pixels or bytes(32)))
    assert list(read_items(path)) == [Item(*row) for row in rows]


def test_the_same_data_give_the_same_bytes_and_others_read_them(tiny, tmp_path):
    write_dataset(tmp_path / "d", tiny, None, "png-folder")
    first, items = listed(tmp_path / "d", tmp_path)
    second, _ = listed(tmp_path / "d", tmp_path)
    assert first == second
    path = tmp_path / "out" / "m.parquet"
    rows = duckdb.sql(f"SELECT id, label, split, size, sha256 FROM '{path}'").fetchall()
    assert [Item(*row) for row in rows] == items


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_what_is_no_manifest(tmp_path, content):
    path = tmp_path / "m.parquet"
    if content is None:
        duckdb.sql(f"COPY (SELECT 'a' AS id, 1 AS size) TO '{path}' (FORMAT parquet)")
    else:
        path.write_bytes(content)
    with pytest.raises(VerificationError, match=r"m\.parquet"):
        list(read_items(path))


@given(st.lists(st.text(alphabet="aA. /é\u0301\u00c9", min_size=1), max_size=8))
def test_names_are_folded_at_once_as_they_are_one_by_one(names):
    assert _all_folded(names) == {_folded(name) for name in names}
