"""Images in folders inside class folders: read as by torchvision, hashed as they are read, written back there."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.deciding.scans import write_scan
from tests.provenance.attesting import key_pair, run
from whitesquare.data import format_of, load_image_folder, open_dataset
from whitesquare.data.nested import DEPTH
from whitesquare.errors import DataError, WhitesquareError
from whitesquare.jobs.cleanse import cleanse
from whitesquare.jobs.review import decide
from whitesquare.provenance.listing import make_manifest
from whitesquare.provenance.manifest import read_items

LAYOUTS = {
    "one folder": ("images/{}.png",),
    "several": ("a/b/{}.png", "a/{}.png", "{}.png", "b/{}.png"),
    "two in one": ("images/front/{}.png", "images/back/{}.png"),
}


def image(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (12, 12), value).save(path)
    return path


def tree(root: Path, layout: str, count: int = 4) -> Path:
    """Four images of each of two classes, every one of its own grey."""
    for label, name in enumerate(("cat", "dog")):
        for i in range(count):
            place = LAYOUTS[layout][i % len(LAYOUTS[layout])].format(i)
            image(root / name / place, 100 * label + i)
    return root


def as_torchvision(root: Path) -> list[tuple[str, str]]:
    """List a folder as ``torchvision.datasets.folder.make_dataset`` does, but for what is hidden."""
    found = []
    for name in sorted(entry.name for entry in os.scandir(root) if entry.is_dir()):
        for place, _, files in sorted(os.walk(root / name, followlinks=True)):
            found += [((Path(place) / file).relative_to(root).as_posix(), name) for file in sorted(files)]
    return [(id, name) for id, name in found if not any(step.startswith(".") for step in id.split("/"))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("split", ["", "train"])
def test_images_below_a_class_folder_are_of_the_class(tmp_path, layout, split):
    tree(tmp_path / split, layout)
    image(tmp_path / split / "cat" / ".cache" / "x.png")
    image(tmp_path / split / "cat" / "a" / ".x.png")
    (tmp_path / split / "cat" / "empty").mkdir()
    found = open_dataset(tmp_path)
    expected = as_torchvision(tmp_path / split)
    prefix = f"{split}/" if split else ""
    assert sorted((id, found.classes[label]) for id, label in zip(found.ids, found.labels, strict=True)) == sorted(
        (prefix + id, name) for id, name in expected
    )
    assert len(found.ids) == 8
    assert sorted(found.images(slice(None))[:, 0, 0, 0].tolist()) == [0, 1, 2, 3, 100, 101, 102, 103]
    assert list(found.ids) == sorted(found.ids)


steps = st.text(st.sampled_from("ab.-é T"), min_size=1, max_size=3).filter(
    lambda name: name not in (".", "..") and not name.endswith((" ", "."))
)
places = st.lists(
    st.tuples(st.sampled_from(["cat", "dog"]), st.lists(steps, max_size=3), steps.map(lambda stem: f"f{stem}")),
    min_size=1,
    max_size=6,
)


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(places=places, splits=st.booleans())
def test_what_is_read_is_what_is_attested(places, splits, tmp_path_factory):
    """A sample that is trained on and not signed, or signed and not trained on, is what an attestation is against."""
    root = tmp_path_factory.mktemp("nested")
    top = root / "data"
    for number, (name, inside, stem) in enumerate(places):
        suffix = ".txt" if number % 4 == 3 else ".png"
        path = top.joinpath(*(["train"] if splits else []), name, *inside, stem + suffix)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes([number]))
        except OSError:  # a file is where a folder should be
            return
    try:
        read = load_image_folder(top)
        expected = {id: read.classes[label] for id, label in zip(read.ids, read.labels, strict=True)}
    except DataError:
        return
    make_manifest(str(top), root / "m.parquet", strict=False)
    signed = {item.id: item.label for item in read_items(root / "m.parquet") if item.split}
    assert signed == expected
    assert len(set(expected)) == len(read.ids)


@pytest.mark.parametrize(
    ("paths", "where"),
    [
        (("cat/train/x.png", "cat/test/y.png", "dog/train/x.png"), "cat/t"),
        (("cat/x.png", "dog/images/Validation_set/x.png"), "dog/images/Validation_set"),
        (("train/cat/test/x.png", "train/dog/x.png"), "train/cat/test"),
        (("cat/x.png", "dog/x.png", "val/cat/x.png"), "val/cat"),
    ],
)
def test_splits_inside_class_folders_are_refused_by_whoever_reads_or_signs(tmp_path, paths, where):
    for path in paths:
        image(tmp_path / "data" / path)
    with pytest.raises(DataError, match=rf"data/{where}.* called as a split is.*(move|give the path)"):
        open_dataset(tmp_path / "data")
    with pytest.raises(DataError, match=rf"'{where}.*called as a split is"):
        make_manifest(str(tmp_path / "data"), tmp_path / "m.parquet")


def test_a_class_may_be_called_as_a_split_is_and_folders_without_images_too(tmp_path):
    image(tmp_path / "cat" / "x.png")
    image(tmp_path / "val" / "x.png")
    (tmp_path / "cat" / "test").mkdir()
    (tmp_path / "cat" / "test" / "notes.txt").write_text("none")
    assert open_dataset(tmp_path).classes == ("cat", "val")


@pytest.mark.parametrize("goal", [".", "..", "../dog", "../../data"])
def test_links_to_folders_inside_a_class_folder_are_refused(tmp_path, goal):
    tree(tmp_path / "data", "several")
    (tmp_path / "data" / "cat" / "again").symlink_to(goal)
    with pytest.raises(DataError, match=r"again.* is a link to a folder, inside a class folder"):
        open_dataset(tmp_path / "data")


def test_a_link_that_leads_out_or_to_itself(tmp_path):
    tree(tmp_path / "data", "several")
    image(tmp_path / "other" / "x.png")
    (tmp_path / "data" / "cat" / "a" / "out").symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match=r"out is a link to .*other, expected a file inside"):
        open_dataset(tmp_path / "data")
    (tmp_path / "data" / "cat" / "a" / "out").unlink()
    (tmp_path / "data" / "cat" / "a" / "loop.png").symlink_to("loop.png")
    with pytest.raises(DataError, match=r"loop\.png is a broken link"):
        open_dataset(tmp_path / "data")
    (tmp_path / "data" / "cat" / "a" / "loop.png").unlink()
    for place in ("loop", "cat/loop"):
        (tmp_path / "data" / place).symlink_to("loop")
    assert len(open_dataset(tmp_path / "data").ids) == 8


def test_a_class_folder_with_folders_and_no_image(tmp_path):
    tree(tmp_path, "one folder")
    (tmp_path / "owl" / "images").mkdir(parents=True)
    with pytest.raises(DataError, match="owl has files but no image"):
        open_dataset(tmp_path)


def test_folders_deeper_than_anything_is_hashed_are_refused(tmp_path):
    tree(tmp_path / "data", "one folder")
    image(tmp_path / "data" / "cat" / "/".join("d" * (DEPTH - 1)) / "x.png")
    assert len(open_dataset(tmp_path / "data").ids) == 9
    image(tmp_path / "data" / "cat" / "/".join("d" * DEPTH) / "x.png")
    with pytest.raises(DataError, match=f"more than {DEPTH} folders deep"):
        open_dataset(tmp_path / "data")


@pytest.mark.parametrize("split", ["", "train"])
def test_a_cleansed_copy_lies_as_its_source_does(tmp_path, split):
    root = tmp_path / "data"
    tree(root / split, "several")
    image(root / split / "dog" / "a" / "b" / "0-2.png", 50)
    at = f"{split}/" if split else ""
    gone, moved = f"{at}cat/3.png" if (root / at / "cat/3.png").exists() else f"{at}cat/b/3.png", f"{at}cat/a/b/0.png"
    scan = write_scan(tmp_path / "scan.json", str(root), dict.fromkeys((gone, moved), "suspicious"))
    decide(scan, [gone], "remove", by="ann", role="review")
    decide(scan, [moved], "relabel", by="ann", label="dog")
    done = cleanse(str(root), scan, tmp_path / "out", decisions=scan.with_name("decisions.jsonl"))
    after, before = open_dataset(done.copy), open_dataset(root)
    assert set(after.ids) == set(before.ids) - {gone, moved} | {f"{at}dog/a/b/0-3.png"}
    assert after.content(list(after.ids).index(f"{at}dog/a/b/0-3.png")) == (root / moved).read_bytes()


def test_the_whole_line_on_nested_folders(tmp_path):
    """Poisoned, scanned, cleansed, attested and verified; a file that is added below a class folder is a new sample."""
    rng, data = np.random.default_rng(0), tmp_path / "data"
    for label, name in enumerate(("cat", "dog")):
        for i in range(30):
            path = data / name / f"site{i % 2}" / "images" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(100 * label, 100 * label + 90, (16, 16), dtype=np.uint8)).save(path)
    assert format_of(data) == "png-folder"
    poisoned = ("poison", data, "--attack", "stamp", "--target", "0", "--count", "10", "-o", tmp_path / "poisoned")
    run(*poisoned)
    assert len(open_dataset(tmp_path / "poisoned").ids) == 60
    assert len(list((tmp_path / "poisoned" / "train").rglob("*.png"))) == 60
    run("scan", data, "--model-free", "--fail-on", "confirmed", "-o", f"json={tmp_path / 'own.json'}", code=3)
    scanned = json.loads((tmp_path / "own.json").read_text())
    assert (scanned["size"], scanned["skipped"]) == (60, {})
    removed = "cat/site0/images/0.png"
    scan = write_scan(tmp_path / "scan.json", str(data), {removed: "confirmed"})
    run("cleanse", data, "--scan", scan, "-o", tmp_path / "clean")
    copy = next((tmp_path / "clean").rglob("cat")).parent
    assert set(open_dataset(copy).ids) == set(open_dataset(data).ids) - {removed}
    key_pair(tmp_path / "trust" / "ann", "data", tmp_path / "keys")
    run("attest", data, "--key", tmp_path / "keys" / "ann.pem", "-o", tmp_path / "signed")
    bundle = next((tmp_path / "signed").glob("*.sigstore.json"))
    verify = ("verify", data, "--bundle", bundle, "--trust", tmp_path / "trust", "--state", tmp_path / "state.json")
    run(*verify)
    image(data / "cat" / "site0" / "more" / "new.png")
    assert "cat/site0/more/new.png" in run(*verify, code=1).output


def test_errors_are_ours(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "bad\nname").mkdir()
    image(tmp_path / "cat" / "bad\nname" / "x.png")
    with pytest.raises(WhitesquareError, match="control character"):
        open_dataset(tmp_path)


def test_the_folder_above_the_data_set_is_not_signed_as_one_class(tmp_path):
    tree(tmp_path / "data" / "archive", "one folder")
    for name in ("cat", "dog"):
        image(tmp_path / "data" / "archive" / name / "x.png")
    for read in (open_dataset, lambda path: make_manifest(str(path), tmp_path / "m.parquet")):
        with pytest.raises(DataError, match="archive has class folders; give that folder"):
            read(tmp_path / "data")
    assert make_manifest(str(tmp_path / "data" / "archive"), tmp_path / "m.parquet").classes == ("cat", "dog")
